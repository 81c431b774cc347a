package exchange

import (
	"fmt"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/pending"
)

// receive reads the body of resp to its end and closes it. It reads into
// memory, or into to if that is not nil and the status is 2xx. It returns the
// bytes in memory and the number of bytes read. If the body ends before its
// declared length, the error matches io.ErrUnexpectedEOF, with any transport.
// method is that of the request.
func (b *Buffer) receive(resp *http.Response, method string, limit int64, to io.Writer) (body []byte, n int64, err error) {
	if resp.Body == nil { // from a transport of the user's
		resp.Body = http.NoBody
	}
	defer func() {
		resp.Body.Close()
		resp.Body = http.NoBody
	}()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, 0, errSwitching
	}
	declared := declaredLength(resp, method)
	if to != nil && resp.StatusCode/100 == 2 {
		n, err = io.Copy(to, resp.Body)
	} else {
		if limit > 0 && declared > limit {
			return nil, 0, tooLarge(resp, limit)
		}
		body, err = b.readAll(resp.Body, declared, limit)
		n = int64(len(body))
		if limit > 0 && n > limit {
			return nil, n, tooLarge(resp, limit)
		}
	}
	if err == nil && n < declared {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err.Error() == "http: unexpected EOF reading trailer" {
		// net/http does not export this error. It returns it for a body that
		// ends after its last chunk and before the end of the chunking.
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return body, n, err
}

func tooLarge(resp *http.Response, limit int64) error {
	r := *resp
	r.Body = http.NoBody
	return &pending.BodyTooLargeError{Response: &r, Limit: limit}
}

// isRefusedResponse reports whether err means that this library refused a response, and
// not that reading it failed.
func isRefusedResponse(err error) bool {
	_, ok := err.(*pending.BodyTooLargeError)
	return ok || err == errSwitching
}

// declaredLength returns the number of bytes that the body of resp must have,
// or 0 if that is not known.
func declaredLength(resp *http.Response, method string) int64 {
	// RFC 9110, sections 6.4.1 and 8.6: these have no body, whatever length
	// they declare.
	if method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return 0
	}
	if resp.Uncompressed {
		return 0
	}
	return max(resp.ContentLength, 0)
}

// recorded is a To that remembers whether it was used. (It hides a ReadFrom, which
// could not tell an error of the writer from one of the body.)
type recorded struct {
	io.Writer
	used bool
}

func (r *recorded) Write(p []byte) (int, error) {
	r.used = true
	return r.Writer.Write(p)
}

package parallel

import (
	"fmt"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/pending"
)

// receive reads the body of resp, which answers a request with this method, to its
// end, into memory or, if the status is 2xx, to to where that is given, closes it,
// and returns what it read and the number of bytes. A body that ends before its
// declared length is io.ErrUnexpectedEOF, whichever transport it comes from.
func receive(resp *http.Response, method string, limit int64, to io.Writer) (body []byte, n int64, err error) {
	if resp.Body == nil { // a transport's of the user's own
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
		body, err = readAll(resp.Body, declared, limit)
		n = int64(len(body))
		if limit > 0 && n > limit {
			return nil, n, tooLarge(resp, limit)
		}
	}
	if err == nil && n < declared {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err.Error() == "http: unexpected EOF reading trailer" {
		// net/http's own error, not exported, for a body that ends after its last
		// chunk and before the end of the chunking.
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return body, n, err
}

func tooLarge(resp *http.Response, limit int64) error {
	r := *resp
	r.Body = http.NoBody
	return &pending.BodyTooLargeError{Response: &r, Limit: limit}
}

// refusal reports whether err is this library's verdict on a response, rather than
// something that happened to it.
func refusal(err error) bool {
	_, ok := err.(*pending.BodyTooLargeError)
	return ok || err == errSwitching
}

// declaredLength is the number of bytes that resp's body must have, 0 if that is
// not known.
func declaredLength(resp *http.Response, method string) int64 {
	// RFC 9110, sections 6.4.1 and 8.6: these have no body, whatever length they
	// declare.
	if method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return 0
	}
	if resp.Uncompressed {
		return 0
	}
	return max(resp.ContentLength, 0)
}

// Sizes of a buffer to begin with.
const (
	trusted = 64 << 10 // up to here a declared length is believed
	unknown = 512      // without one, as io.ReadAll
)

// readAll reads r to its end, but hardly beyond limit, if that is not 0. Unlike
// io.ReadAll it makes use of a declared length, and unlike those who allocate
// that, it doesn't let a server that sends nothing have a buffer of a gigabyte:
// memory follows the bytes that came.
func readAll(r io.Reader, declared, limit int64) ([]byte, error) {
	size := int64(unknown)
	if declared > 0 {
		size = min(declared, trusted)
	}
	buf := make([]byte, 0, size)
	for idle := 0; ; {
		full := len(buf) == cap(buf)
		room := buf[len(buf):cap(buf)]
		if full { // Is there more? If not, it is of the right size already.
			room = make([]byte, 1)
		}
		n, err := r.Read(room)
		switch {
		case n < 0 || n > len(room):
			return buf, errBadRead
		case n == 0 && err == nil:
			if idle++; idle == 100 {
				return buf, io.ErrNoProgress
			}
			continue
		case full && n == 1:
			buf = append(grown(buf, declared, limit), room[0])
		default:
			buf = buf[:len(buf)+n]
		}
		idle = 0
		if err == io.EOF {
			return buf, nil
		}
		if err != nil || limit > 0 && int64(len(buf)) > limit {
			return buf, err
		}
	}
}

// grown is buf with a larger capacity: twice as much as came, or up to the
// declared length, if that is no more than eight times as much; not more than is
// needed to see that limit is passed.
func grown(buf []byte, declared, limit int64) []byte {
	have := int64(len(buf))
	size := 2 * have
	if declared > have {
		size = min(declared, 8*have)
	}
	if limit >= have && limit < size {
		size = limit + 1
	}
	larger := make([]byte, have, size)
	copy(larger, buf)
	return larger
}

package exchange

import (
	"fmt"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/stall"
	"github.com/abreast-go/abreast/pending"
)

// receive reads the body of resp to its end and closes it. It reads into
// memory, or into the writer that taken picks, if taken is not nil. It returns
// the bytes in memory and the number of bytes read. If the body ends before its
// declared length, the error matches io.ErrUnexpectedEOF, with any transport.
// method is that of the request.
func (b *Buffer) receive(resp *http.Response, method string, limit int64, taken *taking) (body []byte, n int64, err error) {
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
	if taken != nil && !taken.begin(resp) {
		return nil, 0, taken.err
	}
	if taken != nil && taken.to != nil {
		n, err = copyBody(taken, resp.Body, declared)
		if taken.err != nil { // which a WriteTo of the body may hide
			err = taken.err
		}
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

// isRefusedResponse reports whether err means that this library refused a
// response, and not that reading it failed.
func isRefusedResponse(err error) bool {
	_, ok := err.(*pending.BodyTooLargeError)
	return ok || err == errSwitching
}

// declaredLength returns the number of bytes that the body of resp must have,
// or 0 if that is not known.
func declaredLength(resp *http.Response, method string) int64 {
	// RFC 9110, sections 6.4.1 and 8.6: these have no body, even if they
	// declare a length.
	if method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return 0
	}
	if resp.Uncompressed {
		return 0
	}
	return max(resp.ContentLength, 0)
}

// copyBody copies body to to, through a buffer no larger than the declared
// length. io.Copy would allocate 32 KiB for a body of a hundred bytes.
func copyBody(to io.Writer, body io.Reader, declared int64) (int64, error) {
	var buf []byte // nil: of io.Copy's size
	if _, ok := body.(io.WriterTo); !ok && 0 < declared && declared < 32<<10 {
		buf = make([]byte, declared)
	}
	return io.CopyBuffer(to, body, buf)
}

// A taking passes the body of a response to the writer that a Pick returns. (It
// hides a ReadFrom of that writer, which could not tell an error of the writer
// from one of the body.)
type taking struct {
	pick  Pick
	clock *stall.Clock // stands still while user code runs; nil without a Stall
	to    io.Writer    // that pick returned; nil to keep the body in memory
	used  bool         // Write was called
	err   error        // of pick, or the first of a Write
}

// begin calls the Pick, and reports whether it returned no error. The Pick gets
// a copy of resp, which it may keep, and from which the body cannot be read.
// With the context of its Request it may send requests of its own.
func (t *taking) begin(resp *http.Response) bool {
	view := *resp
	view.Body = notHere{}
	if r := resp.Request; r != nil {
		view.Request = r.WithContext(conns.Unwatched(r.Context()))
	}
	t.clock.Pause()
	defer t.clock.Resume()
	t.to, t.err = t.pick(&view)
	return t.err == nil
}

// notHere is the body of the response that a Pick gets. An empty body in its
// place would look like the whole one.
type notHere struct{}

func (notHere) Read([]byte) (int, error) { return 0, errNotHere }
func (notHere) Close() error             { return nil }

func (t *taking) Write(p []byte) (int, error) {
	t.used = true
	t.clock.Pause()
	defer t.clock.Resume()
	n, err := t.to.Write(p)
	switch {
	case n < 0 || n > len(p):
		n, err = 0, errBadWrite
	case n < len(p) && err == nil:
		err = io.ErrShortWrite
	}
	if t.err == nil {
		t.err = err
	}
	return n, err
}

package parallel

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Take calls pick when the headers of a response have arrived, to decide what
// becomes of its body. pick is called for the final response of each attempt,
// of any status, before the body is read. It returns one of three:
//
//   - a writer, which receives the body as it comes. The body is not kept in
//     memory, and MaxBody does not apply to it. If the body breaks off, the
//     writer may have received a part of it.
//   - nil and no error: the body is kept in memory as without Take.
//   - an error: the body is not read, its connection is given up, and the
//     request fails with a *url.Error that wraps this error, so that errors.Is
//     finds it. The server may have sent some MiB of the body by then. They are
//     dropped.
//
// The response that pick gets is a copy. A Read of its Body fails, since the
// body goes to the writer alone. Its Trailer has no values yet. Its Header is
// shared and must not be modified. If the response is decompressed, the writer
// receives the decompressed bytes. pick is also called if there is no body (for
// a HEAD request, or a 204): then nothing is written. It is not called for a
// redirect that is followed, or for a 101, which is refused.
//
// To learn whether the writer has the whole body, call Bytes: it also requires
// 2xx, which Response does not. The bytes are then empty, and JSON has nothing
// to decode. A Write that fails or is short fails the request. One goroutine
// writes to the writer, and none after the handle is done. The writer is never
// closed.
//
// pick runs on a goroutine of the block, while the request holds its slot and
// its Timeout runs, and it must not wait for a request of the same block.
// resp.Request.Context() ends with the request. The block's end waits for pick
// and for each Write. With Retry, pick is called for each attempt and must
// return a new writer each time, or one that can begin again. Retry is not
// called after an error of pick or of a Write.
//
// If a request has several of Take, To and File, the last one wins.
func Take(pick func(*http.Response) (io.Writer, error)) Option {
	return func(r *Request) error {
		if pick == nil {
			return errors.New("Take called with a nil function")
		}
		r.take(pick)
		return nil
	}
}

// take installs pick, replacing an earlier Take, To or File.
func (r *Request) take(pick func(*http.Response) (io.Writer, error)) {
	r.Take, r.once, r.file = pick, false, nil
}

// To writes the body of a 2xx response to w as it is received. It is a [Take]
// that returns w for a 2xx response, and nil for any other status: w never
// receives an error page. Once a byte was written to w, Retry is not called. To
// write to a file, use [File].
//
// The option works for one request, since w can receive one body: a second
// request with the option fails. To(io.Discard) may be used for many. Racers
// must not share w.
func To(w io.Writer) Option {
	var used atomic.Bool
	pick := func(resp *http.Response) (io.Writer, error) {
		if resp.StatusCode/100 != 2 {
			return nil, nil
		}
		return w, nil
	}
	return func(r *Request) error {
		switch {
		case w == nil:
			return errors.New("To called with a nil io.Writer")
		case w != io.Discard && used.Swap(true):
			return errors.New("To: this writer was already used by another request")
		}
		r.take(pick)
		r.once = true
		return nil
	}
}

package client

import (
	"context"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
)

// A timed is the transport of an http.Client that has a Timeout. net/http ends
// the request's context when that time is over, and says no more about it than
// the context does.
type timed struct{ next http.RoundTripper }

// RoundTrip sends req through t.next. If the time ends while an upload's Read
// blocks, it closes the body, which net/http does not (golang/go 78555).
func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer context.AfterFunc(req.Context(), func() { req.Body.Close() })()
	}
	resp, err := t.next.RoundTrip(req)
	if err == nil {
		if resp.Body != nil {
			resp.Body = &timedBody{resp.Body, req.Context()}
		}
		return resp, nil
	}
	if _, refused := err.(*fail.Refusal); refused {
		// Once the time is over, http.Client replaces err by its own timeout,
		// and the proof that nothing was sent would be lost. A connection that
		// was wanted and never got is the same proof.
		conns.Wanted(req.Context())
	} else if req.Context().Err() != nil {
		err = req.Context().Err() // and not that of the body, which was closed above
	}
	return nil, err
}

// A timedBody is a body whose Read fails, in place of ending, once the time is
// over. A server that sees its client go away may end a truncated body
// properly.
type timedBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.ctx.Err() != nil {
		err = b.ctx.Err()
	}
	return n, err
}

package client

import (
	"context"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
)

// timed is a transport under an http.Client's own Timeout, of which the block sees
// nothing but the end of the request's context.
type timed struct{ next http.RoundTripper }

func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil { // net/http doesn't end an upload whose Read blocks (golang/go 78555)
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
		conns.Wanted(req.Context()) // once the time is over, http.Client shows no other error
	} else if req.Context().Err() != nil {
		err = req.Context().Err() // not that of a body which was closed for it
	}
	return nil, err
}

// A timedBody doesn't end well once the time has passed: a server that sees its client
// go away may end a cut body properly.
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

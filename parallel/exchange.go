package parallel

import (
	"context"
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
)

// prepare waits for the request's turn and returns it as it is sent, or nil if it isn't sent.
func (w *worker) prepare() *http.Request {
	ctx, err := w.s.begin()
	if err != nil {
		w.s.refuse(&w.a, err)
		return nil
	}
	w.a.conns = conns.New(w.s)
	req := w.s.outgoing(w.a.conns.Watch(ctx, w.s.method()))
	w.a.conns.Sends(req, w.s.own)
	if err := w.s.attach(req, ctx); err != nil {
		why, _ := explain(ctx, err)
		w.s.refuse(&w.a, why)
		return nil
	}
	return req
}

// conclude makes the answer of what Send returned: it reads the response.
func (w *worker) conclude(resp *http.Response, err error) {
	s, a := w.s, &w.a
	switch {
	case err == nil && resp != nil:
		a.Body, a.n, err = w.beginnings.receive(resp, s.method(), s.p.cfg.MaxBody, s.request.To)
		if err == nil {
			// A server that sees its client go away may still end the body properly: what
			// ended well as the request was cancelled may be a part of it.
			err = a.conns.Err()
		}
		if err == nil {
			a.Response = resp
			return
		}
	case err == nil:
		err = errNoAnswer
	case resp != nil && resp.Body != nil:
		resp.Body.Close()
	}
	notSent := resp == nil && (s.uploads == nil || !s.uploads.begun()) && a.conns.NotSent(err)
	if !refusal(err) {
		var refused bool
		err, refused = explain(a.conns.Context, err)
		if notSent = notSent || refused; !notSent && resp == nil {
			err = unanswered(err)
		}
	}
	if panicked := a.conns.Panic(); panicked != nil {
		err = panicked
	}
	if notSent {
		s.refuse(a, err)
	} else {
		s.fail(a, err)
	}
	w.giveUp()
}

// begin waits for the request's turn and starts its time. It returns the context that
// it is sent with, which ends in finish; an error is that of a request that is not
// sent.
func (s *sending) begin() (context.Context, error) {
	cfg := &s.p.cfg
	timeout := s.request.Timeout
	if timeout == 0 {
		timeout = cfg.Timeout
	}

	// The context of the timeout is enough where there is a timeout, no Wait before
	// it, and no context of the request's own, whose cause would be lost.
	ctx := s.values()
	if cfg.Wait != nil || s.unlink != nil || timeout <= 0 {
		ctx, s.cancelCause = context.WithCancelCause(ctx)
		s.arm()
	}
	if cfg.Wait != nil && s.alreadyEnded(ctx) == nil {
		if err := cfg.Wait(s.view(ctx)); err != nil {
			why, _ := explain(ctx, err)
			return nil, why
		}
	}
	if timeout > 0 {
		ctx, s.cancelTimed = context.WithTimeout(ctx, timeout)
		if s.cancelCause == nil {
			s.arm()
		}
	}
	return ctx, s.alreadyEnded(ctx)
}

// alreadyEnded is the error of a request whose context has ended. A context that is
// ended by context.AfterFunc ends a moment later than that which it follows: hence the
// look at the own one.
func (s *sending) alreadyEnded(ctx context.Context) error {
	if ctx.Err() != nil {
		return endOf(ctx)
	}
	if s.own != nil && s.own.Err() != nil {
		return ownEnd(s.own)
	}
	return nil
}

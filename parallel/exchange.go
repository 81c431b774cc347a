package parallel

import "context"

// exchange sends s and reads its response. Whatever it leaves in a is what the
// request came to.
func (s *sending) exchange(a *answer) {
	cfg := &s.p.cfg
	timeout := s.request.Timeout
	if timeout == 0 {
		timeout = cfg.Timeout
	}

	// The context of the timeout is enough where there is a timeout, no Wait before
	// it, and no context of the request's own, whose cause would be lost.
	ctx := s.values()
	if cfg.Wait != nil || s.unlink != nil || timeout <= 0 {
		c, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		s.arm(cancel)
		ctx = c
	}
	if cfg.Wait != nil && s.alreadyEnded(ctx) == nil {
		if err := cfg.Wait(s.view(ctx)); err != nil {
			why, _ := explain(ctx, err)
			s.refuse(a, why)
			return
		}
	}
	if timeout > 0 {
		c, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if s.stop == nil {
			s.arm(func(error) { cancel() })
		}
		ctx = c
	}
	if err := s.alreadyEnded(ctx); err != nil {
		s.refuse(a, err)
		return
	}

	var conns connections
	defer func() {
		if a.Response == nil {
			conns.giveUp()
		}
	}()
	req := s.request.Clone(conns.watch(ctx))
	if s.uploads != nil {
		s.uploads.attach(req)
		defer context.AfterFunc(ctx, s.uploads.close)()
	}
	resp, err := cfg.Send(req)
	if err == nil && resp == nil {
		err = errNoAnswer
	}
	if err != nil {
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
	} else if a.Body, a.n, err = receive(resp, req.Method, cfg.MaxBody, s.request.To); err == nil {
		// A server that sees its client go away may still end the body properly: what
		// ended well as the request was cancelled may be a part of it.
		if err = ctx.Err(); err == nil {
			a.Response = resp
			return
		}
	}
	notSent := false
	if !refusal(err) {
		err, notSent = explain(ctx, err)
	}
	if notSent || conns.neverGot() {
		s.refuse(a, err)
	} else {
		s.fail(a, err)
	}
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

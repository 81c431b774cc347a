package parallel

import (
	"context"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/pending"
)

// An observation holds what Config.Observe returned for a request, and the
// times that it will be told.
type observation struct {
	made, sent time.Time
	ctx        context.Context       // returned by Observe; may be nil
	done       func(pending.Outcome) // returned by Observe; may be nil
}

// observe calls f, the block's Observe, with a copy of the request.
func (s *sending) observe(f func(*http.Request) (context.Context, func(pending.Outcome))) (err error) {
	s.observed = &observation{made: time.Now()}
	r := s.View(s.context())
	s.Guard.Run(func() { s.observed.ctx, s.observed.done = f(r) }, func(why error) { err = why })
	if s.observed.ctx != nil {
		s.observed.ctx = s.Guard.Context(s.observed.ctx)
	}
	return err
}

// withWatcher calls f with the Watcher of the request's attempts, if the
// context that Observe returned has one. It runs user code: the Value of that
// context, and the methods of errors.
func (s *sending) withWatcher(f func(attempts.Watcher)) {
	if s.observed == nil || s.observed.ctx == nil {
		return
	}
	s.Guard.Run(func() {
		if to, ok := s.observed.ctx.Value(attempts.Key{}).(attempts.Watcher); ok {
			f(to)
		}
	}, func(error) {})
}

// tell calls the function that Observe returned with the outcome of the
// request.
func (o *observation) tell(a *exchange.Answer, attempts int) {
	if o.done == nil {
		return
	}
	o.done(pending.Outcome{
		Made: o.made, Sent: o.sent, Done: time.Now(), Attempts: attempts, Response: a.Response, Bytes: a.Received, Err: a.Err,
	})
}

package parallel

import (
	"context"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/pending"
)

// An observation is what Config.Observe is to be told of a request.
type observation struct {
	made, sent time.Time
	ctx        context.Context // what the observer returned; may be nil
	done       func(pending.Outcome)
}

// observe tells the observer that s is being made.
func (s *sending) observe(f func(*http.Request) (context.Context, func(pending.Outcome))) (err error) {
	s.watched = &observation{made: time.Now()}
	r := s.View(s.context())
	s.Guard.Run(func() { s.watched.ctx, s.watched.done = f(r) }, func(why error) { err = why })
	if s.watched.ctx != nil {
		s.watched.ctx = s.Guard.Context(s.watched.ctx)
	}
	return err
}

// tell tells the observer what the request came to.
func (o *observation) tell(a *exchange.Answer) {
	if o.done == nil {
		return
	}
	o.done(pending.Outcome{Made: o.made, Sent: o.sent, Done: time.Now(), Response: a.Response, Bytes: a.Received, Err: a.Err})
}

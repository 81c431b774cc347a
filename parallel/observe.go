package parallel

import (
	"context"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// An observation is what Config.Observe is to be told of a request.
type observation struct {
	made, sent time.Time
	ctx        context.Context // what the observer returned; may be nil
	settled    func(pending.Outcome)
}

// observe tells the observer that s is being made.
func (s *sending) observe(f func(*http.Request) (context.Context, func(pending.Outcome))) (err error) {
	s.watched = &observation{made: time.Now()}
	r := s.view(s.values())
	s.p.guard.run(func() { s.watched.ctx, s.watched.settled = f(r) }, func(why error) { err = why })
	if s.watched.ctx != nil {
		s.watched.ctx = s.p.guard.context(s.watched.ctx)
	}
	return err
}

func (o *observation) tell(a *answer) {
	if o.settled == nil {
		return
	}
	o.settled(pending.Outcome{Made: o.made, Sent: o.sent, Settled: time.Now(), Response: a.Response, Bytes: a.n, Err: a.Err})
}

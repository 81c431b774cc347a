package parallel

import (
	"context"
	"net/http"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/pending"
)

// An observation is what Config.Observe is to be told of a request.
type observation struct {
	made, sent time.Time
	ctx        context.Context // what the observer returned; may be nil
	settled    func(pending.Outcome)
}

// observe tells the observer that s is being made.
func (s *sending) observe(f func(*http.Request) (context.Context, func(pending.Outcome))) error {
	s.watched = &observation{made: time.Now()}
	r := s.view(s.values())
	rec := recovered(panics.Try(func() { s.watched.ctx, s.watched.settled = f(r) }))
	if rec != nil {
		s.p.caught(rec)
	}
	return rec.AsError()
}

func (o *observation) tell(a *answer) {
	if o.settled == nil {
		return
	}
	o.settled(pending.Outcome{Made: o.made, Sent: o.sent, Settled: time.Now(), Response: a.Response, Bytes: a.n, Err: a.Err})
}

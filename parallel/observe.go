package parallel

import (
	"context"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/pending"
)

// An observation holds what Config.Observe returned for a request, and the
// times that it will be told. It is also a context: the block's with the values
// of the request's own context, and before them those of the context that
// Observe returned.
type observation struct {
	exchange.Values // First may be nil
	made, sent      time.Time
	done            func(pending.Outcome) // returned by Observe; may be nil
	watched         *conns.Watched        // of First, or nil
}

// observe calls f, the block's Observe, with a copy of the request.
func (s *sending) observe(f func(*http.Request) (context.Context, func(pending.Outcome))) (err error) {
	o := &observation{made: time.Now()}
	o.Context, o.Guard = s.valued(), s.Guard
	s.observed = o
	r := s.View(o.Context)
	s.Guard.Run(func() {
		o.First, o.done = f(r)
		if o.First != nil {
			o.watched = conns.WatchedIn(o.First)
		}
	}, func(why error) { err = why })
	return err
}

// withWatcher calls f with the Watcher of the request's attempts, if the
// context that Observe returned has one. It runs user code: the Value of that
// context, and the methods of errors.
func (s *sending) withWatcher(f func(attempts.Watcher)) {
	if s.observed == nil || s.observed.First == nil {
		return
	}
	s.Guard.Run(func() {
		if to, ok := s.observed.First.Value(attempts.Key{}).(attempts.Watcher); ok {
			f(to)
		}
	}, func(error) {})
}

// Watched returns the Watched of the context that Observe returned, or nil.
func (s *sending) Watched() *conns.Watched {
	if s.observed == nil {
		return nil
	}
	return s.observed.watched
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

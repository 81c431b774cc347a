package recipes

import (
	"context"
	"net/http"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// A Breaker is Next behind a circuit breaker, for Client.HTTP.Transport: one for each
// service, lest a dead one shuts out the others. A Retry goes above it, so that each
// attempt counts.
//
// What it refuses fails with circuitbreaker.ErrOpen, which is no pending.ErrNotSent: an
// earlier attempt may have been sent.
type Breaker struct {
	Next    http.RoundTripper
	Breaker circuitbreaker.CircuitBreaker[*http.Response]
}

func (b *Breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	if !b.Breaker.TryAcquirePermit() {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, circuitbreaker.ErrOpen
	}
	resp, err := b.Next.RoundTrip(r)
	switch {
	case r.Context().Err() == context.Canceled:
		// The loser of a race says nothing about the service. To failsafe-go's own
		// executor all but a failure is a success, which ends a row of failures, and closes a
		// breaker that is half open. Here, a trial that was cancelled has failed, since the
		// permit must be given back.
		if b.Breaker.IsHalfOpen() {
			b.Breaker.RecordFailure()
		}
	case err != nil || resp.StatusCode >= 500:
		b.Breaker.RecordFailure()
	default:
		b.Breaker.RecordSuccess()
	}
	return resp, err
}

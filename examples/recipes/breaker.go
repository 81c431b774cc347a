package recipes

import (
	"context"
	"net/http"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// A Breaker puts a circuit breaker before Next. It is for
// Client.HTTP.Transport. Each service needs a Breaker of its own, so that one
// that is down does not shut out the others. Wrap a Breaker in Retry, not the
// reverse, so that each attempt counts.
//
// A request that it refuses fails with circuitbreaker.ErrOpen, which does not
// match pending.ErrNotSent: an earlier attempt may have been sent. So
// parallel.Retries sends an idempotent request again, after a pause. A function
// for Client.Retry that returns false for ErrOpen does not.
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
		// The loser of a race says nothing about the service. failsafe-go's own
		// executor counts everything but a failure as a success, which ends a
		// series of failures and closes a breaker that is half open. Here, a
		// trial that was canceled counts as a failure, since its permit must be
		// returned.
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

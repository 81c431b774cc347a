package recipes

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
)

// Retry is next with up to two retries of what may be done twice, after an error, a 429 or
// a 5xx: for Client.HTTP.Transport. It waits as long as Retry-After says; if that is longer
// than patience, the answer comes out at once, as the last one does.
//
// The waits and all attempts are one request to the block: they share its slot and its
// Timeout. What was cancelled is not tried again. A body is read into memory, whole, to be
// sent again. The error of a request is pending.ErrNotSent only if none of its attempts got
// a connection.
func Retry(next http.RoundTripper, patience time.Duration) http.RoundTripper {
	hopeless := func(resp *http.Response, err error) bool {
		return errors.Is(err, circuitbreaker.ErrOpen) || resp != nil && retryAfter(resp) > patience.Seconds()
	}
	closeUnused := func(e failsafe.ExecutionScheduledEvent[*http.Response]) { // failsafe-go doesn't
		if resp := e.LastResult(); resp != nil {
			io.CopyN(io.Discard, resp.Body, 64<<10)
			resp.Body.Close()
		}
	}
	policy := failsafehttp.NewRetryPolicyBuilder().
		WithBackoff(min(100*time.Millisecond, patience/2), patience).
		ReturnLastFailure(). // and not an error in place of the answer
		AbortIf(hopeless).
		OnRetryScheduled(closeUnused).
		Build()
	return &retrying{retry: failsafehttp.NewRoundTripper(next, policy), once: next}
}

type retrying struct{ retry, once http.RoundTripper }

func (t *retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return t.retry.RoundTrip(r)
	}
	return t.once.RoundTrip(r) // failsafe-go would send a POST again
}

// retryAfter is what resp asks for, in seconds. (A date is not looked at, by failsafe-go
// neither.)
func retryAfter(resp *http.Response) float64 {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // far too many are the most there are
	return float64(seconds)
}

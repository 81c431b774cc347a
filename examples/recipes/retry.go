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

// Retry returns a transport that calls next, and sends a request again, at most
// twice, after an error, a 429 or a 5xx. It is for Client.HTTP.Transport. It
// retries idempotent methods only, so no POST or PATCH. It waits as long as
// Retry-After says. If that is longer than patience, it returns the response at
// once. It returns the last response as it is.
//
// Prefer Client.Retry: between two attempts its requests hold no slot, each
// attempt has the whole Timeout, and it sends a POST again that was not sent.
// Use this transport for an http.Client that is used outside of blocks as well,
// or if failsafe-go's other policies are to see all attempts as one.
//
// To the block, all attempts and the pauses between them are one request: they
// share its slot and its Timeout. A canceled request is not sent again. A
// request's body is read into memory, to be sent again. The error matches
// pending.ErrNotSent only if no attempt got a connection.
//
// A POST that fails because a server closed a kept connection needs no Retry:
// give it an Idempotency-Key header. net/http takes that as a sign that the
// server recognizes a second copy, and sends the request again on a new
// connection, as it does with a GET.
func Retry(next http.RoundTripper, patience time.Duration) http.RoundTripper {
	hopeless := func(resp *http.Response, err error) bool {
		return errors.Is(err, circuitbreaker.ErrOpen) || resp != nil && retryAfter(resp) > patience.Seconds()
	}
	closeUnused := func(e failsafe.ExecutionScheduledEvent[*http.Response]) { // failsafe-go does not
		if resp := e.LastResult(); resp != nil {
			io.CopyN(io.Discard, resp.Body, 64<<10)
			resp.Body.Close()
		}
	}
	policy := failsafehttp.NewRetryPolicyBuilder().
		WithBackoff(min(100*time.Millisecond, patience/2), patience).
		ReturnLastFailure(). // instead of an error of its own
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

// retryAfter returns the Retry-After of resp in seconds. It ignores a date, as
// failsafe-go does.
func retryAfter(resp *http.Response) float64 {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // the maximum if it overflows
	return float64(seconds)
}

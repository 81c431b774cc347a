package parallel

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/pending"
)

// An Attempt describes one send of a request, which has just ended. From it, a
// Retry function decides whether the request is sent again.
type Attempt struct {
	N        int            // 1 for the first
	Request  *http.Request  // a copy of the request as it was made, without its body and what Auth adds
	Response *http.Response // nil if the attempt failed; its body is in memory unless a writer received it
	Err      error          // nil if there is a Response; of this attempt alone
	Sent     time.Time      // when the attempt got its slot
	Done     time.Time      // when it ended
}

// The pauses of Retries.
const (
	firstPause    = 100 * time.Millisecond // the longest before the second attempt
	longestPause  = 10 * time.Second
	mostRetryWait = time.Minute // of a Retry-After
)

// Retries returns a function for the Retry of a client, or of one request:
//
//	c := client.Client{Retry: parallel.Retries(3)}
//	h := p.Get(url, parallel.Retry(parallel.Retries(5)))
//
// (Retries(5) is not an Option itself.) The function sends a request again at
// most n times, and never if n is 0 or negative. It sends a request again:
//
//   - after a failure that matches pending.ErrNotSent, with any method, since
//     nothing was transmitted;
//   - after any other failure of the transport and after a timeout, if the
//     method is idempotent (RFC 9110, section 9.2.2) or the request has an
//     Idempotency-Key or X-Idempotency-Key header;
//   - after status 429 or 503, with any method, since the server did not
//     process the request;
//   - after status 408, 425, 502 or 504, if the method is idempotent or there
//     is such a key.
//
// The pause is that of the response's Retry-After header (in seconds, or a
// date). If the pause is more than a minute, the request is not sent again.
// Without the header the pause is random: between 0 and 100 ms before the
// second attempt, and up to twice as long before each further one, but at most
// 10 s.
//
// A Retry-After pauses this request alone: others to the same host are sent
// meanwhile. To pause the host, return [Later] from Wait, as the recipe
// examples/recipes/polite.go does.
//
// No time is added to a Retry-After, so requests that were refused together are
// sent again together. A server that counts the requests that it refuses (such
// as HAProxy, with a rate in a stick table) may refuse them each time. Pauses of
// different length helped little there: pace the requests with Wait.
//
// Many requests may use the function at once.
func Retries(n int) func(Attempt) (time.Duration, bool) {
	return func(a Attempt) (time.Duration, bool) {
		if a.N > n || !sendAgain(a) {
			return 0, false
		}
		if wait, ok := retryAfter(a); ok {
			return wait, wait <= mostRetryWait
		}
		most := longestPause
		if doublings := a.N - 1; doublings < 7 {
			most = min(most, firstPause<<max(doublings, 0))
		}
		return rand.N(most), true
	}
}

// sendAgain reports whether the outcome of a allows another attempt.
func sendAgain(a Attempt) bool {
	if a.Err != nil {
		return errors.Is(a.Err, pending.ErrNotSent) || isIdempotent(a.Request)
	}
	switch a.Response.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusBadGateway, http.StatusGatewayTimeout:
		return isIdempotent(a.Request)
	}
	return false
}

// isIdempotent reports whether r may be processed twice with the same effect as
// once, because of its method, or of a key by which the server recognizes it.
// (net/http looks at the same headers.)
func isIdempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != ""
}

// retryAfter returns the pause that the server asks for (RFC 9110, section
// 10.2.3), never below 0, and whether it asks for one.
func retryAfter(a Attempt) (wait time.Duration, ok bool) {
	if a.Response == nil {
		return 0, false
	}
	text := a.Response.Header.Get("Retry-After")
	seconds, err := strconv.ParseUint(text, 10, 64) // the largest number, if it is out of range
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(24*time.Hour/time.Second))) * time.Second, true
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return max(date.Sub(a.Done), 0), true
}

// Retry sets the function that decides whether this request is sent again, in
// place of the client's Retry. The usual one is that of [Retries]:
// Retry(Retries(3)). If decide is nil, the request is not sent again.
func Retry(decide func(Attempt) (time.Duration, bool)) Option {
	if decide == nil {
		decide = func(Attempt) (time.Duration, bool) { return 0, false }
	}
	return func(r *Request) error { r.Retry = decide; return nil }
}

// Later returns an error for Wait to return. The request then gives back its
// slot, and its host is set aside for d: its requests stay queued, other hosts
// are served, and no goroutine waits. After d, Wait is called again. The
// request keeps its place, before all requests of that host that were made
// later.
//
// When d is over, Wait is called for all requests of that host that get a slot.
// A Wait that lets one of them pass returns Later for all the others once more:
// with 100 slots, it is called about 100 times for each request that is sent. A
// small HostLimit keeps that number small. Wait may be called late. A limiter
// with a burst of 1 loses that time; with a burst of 2 or more it keeps its
// rate.
//
// The host is set aside in the block and in the blocks within it. Requests that
// have passed Wait continue. If a host is set aside twice, the later end
// counts.
//
// If Wait was called for a redirect to another host, the request cannot give
// back its slot: it keeps its slot and its goroutine for d, and its Timeout
// runs.
//
// A Wait that returns Later must first give back what it has reserved, for
// example with Cancel of a rate.Reservation. The error may be wrapped. If d is
// 0 or negative, Later returns nil, and the request is sent.
func Later(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return exchange.Later(d)
}

package recipes

import (
	"net/http"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// PerHost is a Client.Wait that paces the requests to each host by a limiter of its own.
// Give the client a HostLimit below its Limit too: a request holds its slot while it
// waits, and without one a single host's can hold them all.
//
// It is asked once for a request, so the later hops of a redirect are not paced. Where the
// block's deadline would pass in the wait, the limiter says so at once, with an error that
// is pending.ErrNotSent and not context.DeadlineExceeded.
//
// It keeps some 150 bytes for each host that it ever met. A limiter that was forgotten would
// start with a full burst; so a crawler that meets hosts without end makes a PerHost for each
// block, and what it keeps is gone with that.
func PerHost(limit rate.Limit, burst int) func(*http.Request) error {
	var (
		mu       sync.Mutex
		limiters = make(map[string]*rate.Limiter)
	)
	of := func(host string) *rate.Limiter {
		mu.Lock()
		defer mu.Unlock()
		l := limiters[host]
		if l == nil {
			l = rate.NewLimiter(limit, burst)
			limiters[strings.Clone(host)] = l // host is a part of the URL, which it would keep
		}
		return l
	}
	return func(r *http.Request) error {
		return of(strings.ToLower(r.URL.Host)).Wait(r.Context())
	}
}

package recipes

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/idna"
	"golang.org/x/time/rate"
)

// PerHost returns a function for Client.Wait that paces the requests to each
// origin by a limiter of its own. Give the client a HostLimit below its Limit
// as well: a request holds its slot while it waits, and without a HostLimit the
// requests to one host can hold all slots.
//
// Wait is called once for each request, so the later hops of a redirect are not
// paced. If the block's deadline would pass during the wait, the limiter fails
// at once, with an error that matches pending.ErrNotSent and not
// context.DeadlineExceeded.
//
// PerHost keeps about 150 bytes for each origin that it has met. If it forgot a
// limiter, the next one would start with a full burst. A crawler that meets
// hosts without end makes a PerHost for each block, which is freed with the
// block.
func PerHost(limit rate.Limit, burst int) func(*http.Request) error {
	var (
		mu       sync.Mutex // guards limiters
		limiters = make(map[string]*rate.Limiter)
	)
	limiter := func(origin string) *rate.Limiter {
		mu.Lock()
		defer mu.Unlock()
		l := limiters[origin]
		if l == nil {
			l = rate.NewLimiter(limit, burst)
			limiters[origin] = l
		}
		return l
	}
	return func(r *http.Request) error { return limiter(origin(r.URL)).Wait(r.Context()) }
}

// maxUnicode is the longest host in bytes that is converted to ASCII. No name
// of the DNS is longer, and the time that IDNA takes grows with the square of
// the length.
const maxUnicode = 1024

// origin returns the identity of the origin of u: its scheme, the host that
// net/http dials, and the port. The text of a URL's Host is not one:
// bücher.example and xn--bcher-kva.example are the same host, and h and h:80
// the same port.
func origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), u.Hostname(), u.Port()
	if len(host) <= maxUnicode {
		// Lookup is the profile of net/http. It refuses some names in ASCII,
		// which net/http dials without asking.
		if ascii, err := idna.Lookup.ToASCII(host); err == nil {
			host = ascii
		}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String() // IPv6 has several texts for one address
	} else {
		host = strings.ToLower(host)
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

package recipes

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/parallel"
)

// PerHost returns a function for Client.Wait that paces the requests to each
// origin by a limiter of its own. If a request has to wait, PerHost returns
// parallel.Later: the request gives back its slot, the queue sets its host
// aside, and other hosts are served.
//
// When a pause ends, PerHost is called for all requests of the host that fit in
// flight, and one of them is sent. So give the client a HostLimit: for 1,000
// requests to one host PerHost is called 95,000 times without one, 4,000 times
// with a HostLimit of 4, and 2,000 times with 1. A HostLimit of 1 also keeps
// the requests to a host in order.
//
// Several blocks share the rate. Which of them has the next turn is left to
// chance. A redirect to another host waits for its turn there, and keeps its
// slot meanwhile.
//
// PerHost keeps about 150 bytes for each origin that it has met. If it forgot a
// limiter, the next one would start with a full burst. A crawler that meets
// hosts without end makes a PerHost for each block, which is freed with the
// block.
func PerHost(limit rate.Limit, burst int) func(*http.Request) error {
	var (
		mu       sync.Mutex // guards limiters, and makes one step of a Reserve and its Cancel
		limiters = make(map[string]*rate.Limiter)
	)
	return func(r *http.Request) error {
		key := origin(r.URL)
		mu.Lock()
		defer mu.Unlock()
		l := limiters[key]
		if l == nil {
			l = rate.NewLimiter(limit, burst)
			limiters[key] = l
		}
		now := time.Now()
		turn := l.ReserveN(now, 1)
		if !turn.OK() {
			return errors.New("a limiter with a burst of 0 lets no request through")
		}
		pause := turn.DelayFrom(now)
		if pause > 0 {
			// Cancel gives back nothing if another request has reserved a later
			// turn meanwhile. So this function holds mu until it has canceled.
			turn.CancelAt(now)
		}
		return parallel.Later(pause)
	}
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

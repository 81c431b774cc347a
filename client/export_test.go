package client

import "net/http"

// Timed is next under an http.Client's Timeout.
func Timed(next http.RoundTripper) http.RoundTripper { return timed{next} }

// GateKeeps returns the number of hosts that the gate keeps something of, as the
// transport tr reaches them.
func GateKeeps(tr http.RoundTripper) (n int) {
	gates.mu.Lock()
	defer gates.mu.Unlock()
	for at := range gates.leads {
		if at.transport == tr {
			n++
		}
	}
	return n
}

// SharedTransport returns the transport of clients without their own, to have it
// trust a test's certificate.
func SharedTransport() *http.Transport { return shared() }

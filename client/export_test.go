package client

import "net/http"

// NewGate is the gate of the shared transport, before next.
func NewGate(next http.RoundTripper) http.RoundTripper { return &gate{next: next} }

// Timed is next under an http.Client's Timeout.
func Timed(next http.RoundTripper) http.RoundTripper { return timed{next} }

// GateKeeps is the number of hosts that the gate keeps something of.
func GateKeeps(g http.RoundTripper) int {
	gate := g.(*gate)
	gate.mu.Lock()
	defer gate.mu.Unlock()
	return len(gate.hosts)
}

// SharedTransport is the transport of clients without their own, to have it trust a
// test's certificate.
func SharedTransport() *http.Transport { return shared().next.(*http.Transport) }

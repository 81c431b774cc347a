package client

import (
	"net/http"
	"testing"
	"time"
)

// GateKeeps returns the number of leads that the gate has for the transport tr.
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

// SharedTransport returns the transport of clients without their own, so that a
// test can make it trust a certificate.
func SharedTransport() *http.Transport { return shared() }

// SetPatience sets the longest wait at the gate until the test ends.
func SetPatience(t testing.TB, d time.Duration) {
	before := patience
	patience = d
	t.Cleanup(func() { patience = before })
}

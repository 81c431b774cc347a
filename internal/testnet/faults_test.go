package testnet_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/abreast-go/abreast/internal/testnet"
)

// The servers speak the protocol of their name, serve /healthy, and count open
// connections. (Tests that use a fault show that it is the right one.)
func TestFaults_healthy(t *testing.T) {
	for origin, proto := range map[string]string{
		"http":                 "HTTP/1.1",
		"https":                "HTTP/1.1",
		"h2":                   "HTTP/2.0",
		"h2 of one stream":     "HTTP/2.0",
		"h2 that refuses once": "HTTP/2.0",
		"answers once":         "HTTP/1.1",
	} {
		t.Run(origin, func(t *testing.T) {
			f := testnet.NewFaults(t)
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.Roots}, ForceAttemptHTTP2: true}
			defer tr.CloseIdleConnections()
			before := testnet.Descriptors()
			resp, err := tr.RoundTrip(request(t, f.Origins[origin]+"/healthy"))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := testnet.Healthy; resp.Proto != proto || err != nil || string(b) != want && origin != "h2 that refuses once" {
				t.Errorf("%s and %q, %v; want %s and %q", resp.Proto, b, err, proto, want)
			}
			if n := f.Open(); n != 1 {
				t.Errorf("%d connections are open, want 1", n)
			}
			if now := testnet.Descriptors(); before > 0 && now <= before {
				t.Errorf("%d file descriptors are open with a connection, %d without", now, before)
			}
			for f.Open() > 0 {
				tr.CloseIdleConnections()
				runtime.Gosched()
			}
			if n := len(f.Came()) + f.Requests(); n < 1 {
				t.Error("no server counted the request")
			}
		})
	}
}

// request returns a GET of url.
func request(t *testing.T, url string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNowhereResolver_notFound(t *testing.T) {
	_, err := testnet.NowhereResolver.LookupHost(context.Background(), "nowhere.example")
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("LookupHost: %v, want a *net.DNSError that says not found", err)
	}
}

package recipes_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// http3Server returns the URL of a server of h over HTTP/3, and a client of it.
func http3Server(t *testing.T, h http.Handler) (string, client.Client) {
	t.Helper()
	pair := httptest.NewTLSServer(h) // for its certificate
	t.Cleanup(pair.Close)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: pair.TLS.Certificates})}
	go srv.Serve(conn)
	t.Cleanup(func() { srv.Close(); conn.Close() })
	tr := &http3.Transport{TLSClientConfig: pair.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	t.Cleanup(func() { tr.Close() })
	return "https://" + conn.LocalAddr().String(), client.Client{HTTP: &http.Client{Transport: tr}, Timeout: 10 * time.Second}
}

// When a block ends, its requests over HTTP/3 stop at the server as well.
func TestHTTP3_endOfBlock(t *testing.T) {
	const limit, n = 20, 40
	arrived, gone := make(chan struct{}, n), make(chan struct{}, n)
	url, c := http3Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	c.Limit = limit
	var handles []*pending.Pending
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for range n {
			handles = append(handles, p.Post(url, parallel.Body("text/plain", strings.NewReader("body"))))
		}
		for range limit {
			<-arrived
		}
		return nil
	})
	for range limit {
		<-gone
	}
	for i, h := range handles {
		_, err := h.Response()
		if notSent := errors.Is(err, pending.ErrNotSent); !errors.Is(err, parallel.ErrEnded) || notSent != (i >= limit) {
			t.Errorf("request %d: %v (not sent: %v)", i, err, notSent)
		}
	}
	if len(arrived) > 0 {
		t.Errorf("%d requests came after the end", len(arrived))
	}
}

// http3.Transport calls the hooks of httptrace that prove that nothing was sent.
func TestHTTP3_notSent(t *testing.T) {
	url, c := http3Server(t, http.NotFoundHandler())
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	strangers := &http3.Transport{TLSClientConfig: &tls.Config{}}
	defer strangers.Close()
	for name, tc := range map[string]struct {
		url      string
		tr       http.RoundTripper
		timedOut bool
	}{
		"no answer":           {fmt.Sprintf("https://%s/", silent.LocalAddr()), c.HTTP.Transport, true},
		"unknown certificate": {url, strangers, false},
	} {
		c := client.Client{HTTP: &http.Client{Transport: tc.tr}, Timeout: 300 * time.Millisecond}
		if !tc.timedOut {
			c.Timeout = 10 * time.Second
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Post(tc.url, parallel.Body("text/plain", strings.NewReader("body"))).Response()
			if !errors.Is(err, pending.ErrNotSent) || errors.Is(err, context.DeadlineExceeded) != tc.timedOut {
				t.Errorf("%s: %v; want ErrNotSent, and a timeout: %v", name, err, tc.timedOut)
			}
			return nil
		})
	}
}

package client_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests promise 24 over real sockets. Package parallel tests, in fake
// time, that dials and handshakes end.

// counting returns a server on loopback, and the number of connections that
// were made to it.
func counting(t testing.TB, h http.Handler) (srv *httptest.Server, connections *atomic.Int32) {
	connections = new(atomic.Int32)
	srv = httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, connections
}

// Every request of a round needs a connection of its own. The next round must
// find them all.
func TestTransport_roundsReuseConnections(t *testing.T) {
	const rounds, requests = 20, 20
	var mu sync.Mutex
	var here int
	together := make(chan struct{})
	srv, connections := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		mine := together
		if here++; here == requests { // the round is complete
			close(together)
			here, together = 0, make(chan struct{})
		}
		mu.Unlock()
		<-mine
		io.WriteString(w, "an answer")
	}))
	tr := client.NewTransport()
	defer tr.CloseIdleConnections()
	c := client.Client{HTTP: &http.Client{Transport: tr}}
	for range rounds {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range requests {
				p.Get(srv.URL)
			}
			for h := range p.Arrivals() {
				if _, err := h.Response(); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
	}
	if n := connections.Load(); n != requests {
		t.Errorf("%d rounds of %d requests took %d connections, want %d", rounds, requests, n, requests)
	}
}

// Clients without a transport of their own share one.
func TestTransport_sharedByDefault(t *testing.T) {
	srv, connections := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "an answer") }))
	for _, c := range []client.Client{{}, {HTTP: &http.Client{}}, {HTTP: &http.Client{Timeout: time.Hour}, Limit: 1}} {
		resp, err := get(t, c, srv.URL)
		if err != nil || body(t, resp) != "an answer" {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	if err := client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL).Bytes()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("four requests in a row by four clients took %d connections, want 1", n)
	}
}

// Neither the shared transport nor NewTransport needs http.DefaultTransport to
// be a *http.Transport.
func TestTransport_replacedDefaultIsHarmless(t *testing.T) {
	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()
	http.DefaultTransport = roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("the replaced default was used")
	})
	srv, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "an answer") }))
	for name, hc := range map[string]*http.Client{"none": nil, "NewTransport": {Transport: client.NewTransport()}} {
		resp, err := get(t, client.Client{HTTP: hc}, srv.URL)
		if err != nil || body(t, resp) != "an answer" {
			t.Errorf("with %s: %v, %v", name, resp, err)
		}
	}
}

// NewTransport has the settings of http.DefaultTransport, except those that its
// documentation names.
func TestNewTransport_keepsDefaults(t *testing.T) {
	type settings struct {
		DisableKeepAlives, DisableCompression        bool
		ForceAttemptHTTP2                            bool
		MaxConnsPerHost                              int
		IdleConnTimeout, TLSHandshakeTimeout         time.Duration
		ResponseHeaderTimeout, ExpectContinueTimeout time.Duration
	}
	of := func(tr *http.Transport) settings {
		return settings{
			tr.DisableKeepAlives, tr.DisableCompression, tr.ForceAttemptHTTP2, tr.MaxConnsPerHost,
			tr.IdleConnTimeout, tr.TLSHandshakeTimeout, tr.ResponseHeaderTimeout, tr.ExpectContinueTimeout,
		}
	}
	theirs, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatalf("http.DefaultTransport is a %T", http.DefaultTransport)
	}
	ours := client.NewTransport()
	if diff := cmp.Diff(of(theirs), of(ours)); diff != "" {
		t.Errorf("settings (-http.DefaultTransport +NewTransport):\n%s", diff)
	}
	if ours.MaxResponseHeaderBytes != 1<<20 {
		t.Errorf("MaxResponseHeaderBytes = %d, want 1 MiB", ours.MaxResponseHeaderBytes)
	}
	if other := client.NewTransport(); other == ours {
		t.Error("NewTransport returned the same transport twice")
	}
}

// The changes that a user makes to the transport apply, also to a clone, and it
// still speaks HTTP/2.
func TestNewTransport_canBeChanged(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for name, clone := range map[string]func(*http.Transport) *http.Transport{
		"as it is": func(tr *http.Transport) *http.Transport { return tr },
		"a clone":  (*http.Transport).Clone,
	} {
		tr := client.NewTransport()
		tr.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		tr.TLSClientConfig.RootCAs = roots
		tr = clone(tr)
		resp, err := get(t, client.Client{HTTP: &http.Client{Transport: tr}}, srv.URL)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if proto := body(t, resp); proto != "HTTP/2.0" {
			t.Errorf("%s: the request was sent over %s, want HTTP/2.0", name, proto)
		}
		tr.CloseIdleConnections()
	}
}

func TestNewTransport_decompresses(t *testing.T) {
	srv, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			io.WriteString(z, "packed")
		}
	}))
	resp, err := get(t, client.Client{}, srv.URL)
	if err != nil || body(t, resp) != "packed" || !resp.Uncompressed {
		t.Errorf("%v, %v; want a decompressed body", resp, err)
	}
}

// The header of a response may have 1 MiB, and no more.
func TestNewTransport_limitsHeaders(t *testing.T) {
	srv, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", map[string]int{"/fits": 1<<20 - 4<<10, "/too-long": 1<<20 + 1}[r.URL.Path]))
	}))
	if resp, err := get(t, client.Client{}, srv.URL+"/fits"); err != nil {
		t.Errorf("a header of nearly 1 MiB: %v, %v; want a response", resp, err)
	}
	if resp, err := get(t, client.Client{}, srv.URL+"/too-long"); err == nil {
		t.Errorf("a header of more than 1 MiB: %v, want an error", resp.Status)
	}
}

// A canceled request ends its TLS handshake: a server that accepts and sends
// nothing sees the end of the connection.
func TestCancel_closesConnection(t *testing.T) {
	for name, leave := range map[string]func(*pending.Pending){
		"block ends": func(*pending.Pending) {},
		"Cancel":     func(h *pending.Pending) { h.Cancel(); <-h.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			hello, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				defer conn.Close()
				conn.Read(make([]byte, 1))
				close(hello) // the handshake has begun
				_, err = io.Copy(io.Discard, conn)
				ended <- err
			}()
			tr := client.NewTransport()
			tr.TLSHandshakeTimeout = 0 // it would end the handshake too
			c := client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := p.Get("https://" + l.Addr().String())
				<-hello
				leave(h)
				return nil
			})
			watchdog, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			select {
			case <-ended: // with an EOF or a reset
			case <-watchdog.Done():
				t.Error("the handshake continues after its request was canceled")
			}
		})
	}
}

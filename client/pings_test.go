package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
)

// A path is a network in memory, and a listener on it. After a cut, the
// connections that were made before stay open and carry nothing more, as behind
// a NAT that has forgotten them.
type path struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	dead []*atomic.Bool // guarded by mu
}

func newPath() *path { return &path{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *path) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, left := net.Pipe()
	right, far := net.Pipe()
	dead := new(atomic.Bool)
	p.mu.Lock()
	p.dead = append(p.dead, dead)
	p.mu.Unlock()
	pass := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if !dead.Load() {
				to.Write(buf[:n])
			}
		}
	}
	go pass(left, right)
	go pass(right, left)
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut cuts the connections that were made so far, and returns their number.
func (p *path) cut() (connections int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, dead := range p.dead {
		dead.Store(true)
	}
	return len(p.dead)
}

func (p *path) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *path) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *path) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// onPath calls f, in fake time, with a client of an HTTP/2 server at the other
// end of a path. The client's transport is what change returns for one of
// NewTransport.
func onPath(t *testing.T, h http.Handler, change func(*http.Transport) *http.Transport, f func(*testing.T, *path, client.Client)) {
	synctest.Test(t, func(t *testing.T) {
		way := newPath()
		srv := &httptest.Server{Listener: way, Config: &http.Server{Handler: h}, EnableHTTP2: true}
		srv.StartTLS()
		defer srv.Close()
		pool := x509.NewCertPool()
		pool.AddCert(srv.Certificate())
		tr := client.NewTransport()
		tr.DialContext = client.DialContext(way.dial)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
		tr = change(tr)
		defer tr.CloseIdleConnections()
		f(t, way, client.Client{HTTP: &http.Client{Transport: tr}, BaseURL: "https://example.com"})
	})
}

// HTTP/2 requests went over a connection that a NAT had forgotten for a quarter
// of an hour: 250 failed in a row.
func TestPings_findDeadConnection(t *testing.T) {
	proto := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	for name, change := range map[string]func(*http.Transport) *http.Transport{
		"NewTransport": func(tr *http.Transport) *http.Transport { return tr },
		"a clone":      (*http.Transport).Clone,
	} {
		t.Run(name, func(t *testing.T) {
			onPath(t, proto, change, func(t *testing.T, way *path, c client.Client) {
				resp, err := get(t, c, "/")
				if err != nil || body(t, resp) != "HTTP/2.0" {
					t.Fatalf("before the cut: %v, %v", resp, err)
				}
				if n := way.cut(); n != 1 {
					t.Fatalf("%d connections before the cut, want 1", n)
				}
				c.Timeout = time.Second
				start := time.Now()
				for err = io.EOF; err != nil && time.Since(start) < time.Hour; {
					_, err = get(t, c, "/")
				}
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("the dead connection was used for %v, want 30s at most", took)
				}
				if n := way.cut(); n != 2 {
					t.Errorf("%d connections, want 2", n)
				}
			})
		})
	}
}

// A server that answers pings may take any time for a response.
func TestPings_spareSlowServer(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(10 * time.Minute) })
	onPath(t, slow, (*http.Transport).Clone, func(t *testing.T, way *path, c client.Client) {
		c.Timeout = time.Hour
		if _, err := get(t, c, "/"); err != nil {
			t.Error(err)
		}
		if n := way.cut(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

package parallel_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests are of promise 24: which dials and connections a request leaves
// behind. Reuse, and real sockets, are tested with client.NewTransport.

// http2Server returns a server on loopback that speaks HTTP/2.
func http2Server(t testing.TB, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log connections that were not needed
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// A rack numbers the dials of a test and runs each with the test's function.
type rack struct {
	mu    sync.Mutex
	begun int
	dial  func(ctx context.Context, n int) (net.Conn, error) // n from 1
}

func (r *rack) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	r.mu.Lock()
	r.begun++
	n := r.begun
	r.mu.Unlock()
	return r.dial(ctx, n)
}

func (r *rack) dials() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// No dial continues after its request was canceled. The context of the dial
// ends at once, however the request ends.
func TestCancel_endsDial(t *testing.T) {
	for name, end := range waysToEnd {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 10)
				r := &rack{dial: func(ctx context.Context, _ int) (net.Conn, error) {
					<-ctx.Done()
					ended <- time.Now()
					return nil, ctx.Err()
				}}
				c := client.Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: parallel.DialContext(r.Dial)}}, Timeout: -1}
				start := time.Now()
				end(t, c, "http://h/")
				synctest.Wait()
				if len(ended) != 1 {
					t.Fatalf("%d of %d dials ended with their request, want all", len(ended), r.dials())
				}
				if d := (<-ended).Sub(start); d != time.Second {
					t.Errorf("the dial ended after %v, want 1s", d)
				}
			})
		})
	}
}

// waysToEnd make a request of url that ends, or times out, a second later.
var waysToEnd = map[string]func(t *testing.T, c client.Client, url string){
	"Cancel": func(t *testing.T, c client.Client, url string) {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get(url)
			<-time.After(time.Second)
			h.Cancel()
			<-h.Done()
			return nil
		})
	},
	"the block ends": func(t *testing.T, c client.Client, url string) {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get(url)
			<-time.After(time.Second)
			return nil
		})
	},
	"Timeout": func(t *testing.T, c client.Client, url string) {
		c.Timeout = time.Second
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get(url).Response()
			return nil
		})
	},
	"HTTP.Timeout": func(t *testing.T, c client.Client, url string) {
		c.HTTP.Timeout = time.Second
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get(url).Response()
			return nil
		})
	},
	"its own context": func(t *testing.T, c client.Client, url string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Do(r).Response()
			return nil
		})
	},
}

// If a dial completes just as its request is canceled, the connection is
// closed.
func TestCancel_closesLateConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var theirs net.Conn
		r := &rack{dial: func(ctx context.Context, _ int) (net.Conn, error) {
			<-ctx.Done() // but returns a connection
			var ours net.Conn
			ours, theirs = net.Pipe()
			return ours, nil
		}}
		c := client.Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: parallel.DialContext(r.Dial)}}}
		waysToEnd["the block ends"](t, c, "http://h/")
		synctest.Wait()
		defer theirs.Close()
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read at the other end of the connection = %v, want io.EOF", err)
		}
	})
}

// No TLS handshake continues after its request was canceled: the connection is
// closed at once.
func TestCancel_endsHandshake(t *testing.T) {
	for name, end := range waysToEnd {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 10)
				r := &rack{dial: func(context.Context, int) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						io.Copy(io.Discard, theirs) // sends nothing
						theirs.Close()
						ended <- time.Now()
					}()
					return ours, nil
				}}
				c := client.Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: parallel.DialContext(r.Dial)}}, Timeout: -1}
				start := time.Now()
				end(t, c, "https://h/")
				synctest.Wait()
				if len(ended) != 1 {
					t.Fatalf("%d of %d handshakes ended with their request, want all", len(ended), r.dials())
				}
				if d := (<-ended).Sub(start); d != time.Second {
					t.Errorf("the handshake ended after %v, want 1s", d)
				}
			})
		})
	}
}

// A request that belongs to no block is dialed as usual.
func TestDialContext_outsideBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		s.Transport.DialContext = parallel.DialContext(s.Dial)
		resp, err := s.Client().Get("http://h/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
			t.Errorf("body = %q, %v; want %q", b, err, "hello")
		}
	})
}

// A lines is a network that holds up each connection after the first, in its
// dial or in its TLS handshake, until the test lets it continue.
type lines struct {
	*testnet.Server
	secure *tls.Config // nil: no TLS

	mu  sync.Mutex
	all []*line
}

// A line is the client's end of one connection.
type line struct {
	net.Conn
	held     chan struct{}   // closed by the test
	dial     context.Context // it was dialed with
	shutting sync.Once
	closed   chan struct{}
}

func (l *line) Close() error {
	l.shutting.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

func (l *line) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// newLines returns a network with a server. Its handler waits at "/hold" for
// release, and at "/never" forever.
func newLines(t testing.TB, overTLS bool) (ls *lines, release func()) {
	held := make(chan struct{})
	ls = &lines{Server: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			select {
			case <-held:
			case <-r.Context().Done():
			}
		case "/never":
			<-r.Context().Done()
		}
		io.WriteString(w, "hello")
	}))}
	ls.Transport.DialContext = parallel.DialContext(ls.dial)
	if overTLS {
		ls.secure, ls.Transport.TLSClientConfig = selfSigned(t)
	}
	return ls, func() { close(held) }
}

func (ls *lines) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l := &line{held: make(chan struct{}), dial: ctx, closed: make(chan struct{})}
	ls.mu.Lock()
	ls.all = append(ls.all, l)
	if len(ls.all) == 1 {
		close(l.held)
	}
	ls.mu.Unlock()
	if ls.secure == nil {
		select {
		case <-l.held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	conn, err := ls.Server.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if l.Conn = conn; ls.secure != nil {
		var front net.Conn
		l.Conn, front = net.Pipe()
		go relay(tls.Server(&heldUp{front, l}, ls.secure), conn)
	}
	return l, nil
}

// relay copies between two connections until one of them ends, and closes both.
func relay(a, b net.Conn) {
	go func() {
		io.Copy(b, a)
		b.Close()
	}()
	io.Copy(a, b)
	a.Close()
}

// A heldUp is the server's end of a line. It sends nothing until the line is
// released.
type heldUp struct {
	net.Conn
	line *line
}

func (h *heldUp) Write(b []byte) (int, error) {
	select {
	case <-h.line.held:
		return h.Conn.Write(b)
	case <-h.line.closed:
		return 0, net.ErrClosed
	}
}

// selfSigned returns the TLS configurations of a server named h and of its
// client.
func selfSigned(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"h"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// spare calls fn in a block with a request for path that has the first line,
// which another request returned, while the second line, which was begun for
// it, is held up.
func (ls *lines) spare(t *testing.T, release func(), path string, fn func(p *parallel.Parallel, h *pending.Pending)) {
	c := client.Client{HTTP: ls.Client(), Timeout: -1, BaseURL: "http://h"}
	if ls.secure != nil {
		c.BaseURL = "https://h"
	}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		first := p.Get("/hold")
		synctest.Wait()
		h := p.Get(path)
		synctest.Wait()
		if len(ls.all) != 2 {
			t.Fatalf("%d lines for two requests, want 2", len(ls.all))
		}
		release()
		if got := text(t, first); got != "hello" {
			t.Errorf("the first body = %q, want %q", got, "hello")
		}
		synctest.Wait()
		fn(p, h)
		return nil
	})
}

// keepsOther cancels a request after another one has taken the line that was
// begun for it, and checks that the other one is answered.
func (ls *lines) keepsOther(t *testing.T, release func()) {
	ls.spare(t, release, "/never", func(p *parallel.Parallel, h *pending.Pending) {
		close(ls.all[1].held)
		synctest.Wait()
		other := p.Post("/slow", parallel.Body("", readFunc(func([]byte) (int, error) {
			<-time.After(time.Second)
			return 0, io.EOF
		})))
		synctest.Wait()
		if len(ls.all) != 2 {
			t.Fatalf("%d lines, want 2: the other request was to take the second", len(ls.all))
		}
		h.Cancel()
		<-h.Done()
		if got := text(t, other); got != "hello" {
			t.Errorf("the other request's body = %q, want %q", got, "hello")
		}
	})
}

// A request may get another connection than the one that is dialed for it. If
// it succeeds, the dial continues, for other requests. If it is canceled, the
// dial ends.
func TestSpareConnection(t *testing.T) {
	for name, overTLS := range map[string]bool{"in its dial": false, "in its handshake": true} {
		t.Run("request succeeds, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ls, release := newLines(t, overTLS)
				ls.spare(t, release, "/", func(p *parallel.Parallel, h *pending.Pending) {
					if got := text(t, h); got != "hello" {
						t.Errorf("body = %q, want %q", got, "hello")
					}
				})
				synctest.Wait()
				l := ls.all[1]
				if !overTLS && l.dial.Err() != nil || l.isClosed() {
					t.Fatal("the spare connection was closed although its request succeeded")
				}
				close(l.held)
				synctest.Wait()

				// Now the spare connection is used.
				c := client.Client{HTTP: ls.Client(), BaseURL: "http://h"}
				if overTLS {
					c.BaseURL = "https://h"
				}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("/never")
					synctest.Wait()
					if got := text(t, p.Get("/")); got != "hello" {
						t.Errorf("body = %q, want %q", got, "hello")
					}
					return nil
				})
				if len(ls.all) != 2 {
					t.Errorf("%d lines, want 2", len(ls.all))
				}
			})
		})
		t.Run("request is canceled, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ls, release := newLines(t, overTLS)
				ls.spare(t, release, "/never", func(p *parallel.Parallel, h *pending.Pending) {
					h.Cancel()
					<-h.Done()
					synctest.Wait()
					l := ls.all[1]
					if overTLS && !l.isClosed() {
						t.Error("the handshake continues")
					}
					if !overTLS && l.dial.Err() == nil {
						t.Error("the dial continues")
					}
					close(l.held) // a dial that continues would not end otherwise
				})
			})
		})
	}
}

// If the connection that was dialed for a canceled request serves another
// request, it is not closed.
func TestCancel_keepsConnectionInUse(t *testing.T) {
	for name, overTLS := range map[string]bool{"HTTP": false, "HTTPS": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ls, release := newLines(t, overTLS)
				ls.keepsOther(t, release)
			})
		})
	}
}

// A canceled request gives up its dial. A request that waits for its turn under
// MaxConnsPerHost then dials itself.
func TestCancel_otherRequestDialsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		r := &rack{dial: func(ctx context.Context, n int) (net.Conn, error) {
			if n == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return s.Dial(ctx, "tcp", "h:80")
		}}
		s.Transport.DialContext, s.Transport.MaxConnsPerHost = parallel.DialContext(r.Dial), 1
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get("http://h/")
			synctest.Wait()
			other := p.Get("http://h/")
			synctest.Wait()
			h.Cancel()
			if got := text(t, other); got != "hello" {
				t.Errorf("the other request's body = %q, want %q", got, "hello")
			}
			return nil
		})
	})
}

// The end of a block closes no idle connection: the requests of the next block
// use it.
func TestEnd_keepsIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		s.Transport.DialContext = parallel.DialContext(s.Dial)
		c := client.Client{HTTP: s.Client()}
		for range 10 {
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				if got := text(t, p.Get("http://h/")); got != "hello" {
					t.Errorf("body = %q, want %q", got, "hello")
				}
				return nil
			})
		}
		if n := s.Dials(); n != 1 {
			t.Errorf("%d connections for ten blocks in a row, want 1", n)
		}
	})
}

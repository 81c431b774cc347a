package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// secure returns a TLS server on loopback, with HTTP/2 or without. It answers
// when as many requests as burst have come, and counts its connections.
func secure(t *testing.T, http2 bool, burst int) (srv *httptest.Server, connections *atomic.Int32) {
	connections = new(atomic.Int32)
	var here atomic.Int32
	all := make(chan struct{})
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if int(here.Add(1)) == burst {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
	}))
	srv.EnableHTTP2 = http2
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, connections
}

// trusting makes tr trust the certificates of srvs, and returns it.
func trusting(tr *http.Transport, srvs ...*httptest.Server) *http.Transport {
	pool := x509.NewCertPool()
	for _, srv := range srvs {
		pool.AddCert(srv.Certificate())
	}
	tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	return tr
}

// A wrapper is a transport around another, like those that trace or count.
type wrapper struct{ next http.RoundTripper }

func (w wrapper) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), wrapper{}, "a span")))
}

// Fifty requests go at once to hosts without a connection. With a transport of
// NewTransport they opened fifty connections to a host that speaks HTTP/2: the
// gate was only in front of the shared transport.
func TestGate_oneConnectionForHTTP2(t *testing.T) {
	for name, transport := range map[string]func(*http.Transport) http.RoundTripper{
		"NewTransport":         func(tr *http.Transport) http.RoundTripper { return tr },
		"a clone":              func(tr *http.Transport) http.RoundTripper { return tr.Clone() },
		"a wrapper":            func(tr *http.Transport) http.RoundTripper { return wrapper{tr} },
		"an incomparable type": func(tr *http.Transport) http.RoundTripper { return roundTrip(tr.RoundTrip) },
		"wrappers of a clone":  func(tr *http.Transport) http.RoundTripper { return &wrapper{wrapper{tr.Clone()}} },
	} {
		t.Run(name, func(t *testing.T) {
			client.SetPatience(t, time.Hour)
			const burst = 50
			two, twos := secure(t, true, burst)
			one, ones := secure(t, false, burst)
			plain, plains := counting(t, two.Config.Handler) // by then the handler answers at once
			rt := transport(trusting(client.NewTransport(), two, one))
			c := client.Client{HTTP: &http.Client{Transport: rt}, Limit: -1}
			t.Cleanup(c.HTTP.CloseIdleConnections)
			err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				for range burst { // alternately: the gate of one host must not hold the other
					p.Get(two.URL)
					p.Get(one.URL)
				}
				for p.HasPending() {
					resp, err := p.Next()
					if err != nil {
						return err
					}
					if want := map[bool]int{true: 2, false: 1}["https://"+resp.Request.URL.Host == two.URL]; resp.ProtoMajor != want {
						t.Errorf("%s answered with %s, want HTTP/%d", resp.Request.URL, resp.Proto, want)
					}
				}
				_, err := p.Get(plain.URL).Response()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int32{"HTTP/2": twos.Load(), "HTTP/1": ones.Load(), "http": plains.Load()}
			if _, direct := rt.(*http.Transport); !direct && got["HTTP/2"] <= burst/5 {
				got["HTTP/2"] = 1 // requests that came at the end of the handshake have dialed, on a busy machine a few
			}
			if diff := cmp.Diff(map[string]int32{"HTTP/2": 1, "HTTP/1": burst, "http": 1}, got); diff != "" {
				t.Errorf("connections for %d requests at once (-want +got):\n%s", burst, diff)
			}
			if name == "an incomparable type" {
				return // its key in the gate is another
			}
			if n := client.GateKeeps(rt); n != 0 {
				t.Errorf("the gate keeps %d leads after the last request, want 0", n)
			}
		})
	}
}

// Blocks that share a transport share its gate.
func TestGate_spansBlocks(t *testing.T) {
	client.SetPatience(t, time.Hour)
	const burst = 50
	srv, connections := secure(t, true, burst)
	tr := trusting(client.NewTransport(), srv)
	t.Cleanup(tr.CloseIdleConnections)
	var all sync.WaitGroup
	for range burst {
		all.Go(func() {
			c := client.Client{HTTP: &http.Client{Transport: tr}}
			if _, err := get(t, c, srv.URL); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("%d blocks of one request each took %d connections, want 1", burst, n)
	}
}

// The zero Client has the gate. (One connection is enough: the burst is smaller
// than the number of streams that net/http opens before the server has sent its
// limit.)
func TestGate_defaultClientDialsOnce(t *testing.T) {
	client.SetPatience(t, time.Hour)
	const burst = 50
	srv, connections := secure(t, true, burst)
	tr := client.SharedTransport()
	before := tr.TLSClientConfig
	trusting(tr, srv)
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		tr.TLSClientConfig = before
	})
	tr.TLSClientConfig.NextProtos = []string{"h2", "http/1.1"} // net/http sets it on a transport's first use only
	err := client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for range burst {
			p.Get(srv.URL)
		}
		for p.HasPending() {
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d requests at once took %d connections, want 1", burst, n)
	}
}

// The gate does not remember that a host has spoken HTTP/2. If it speaks HTTP/1
// later, requests go over HTTP/1 without an error.
func TestGate_hostChangesProtocol(t *testing.T) {
	client.SetPatience(t, time.Hour)
	const burst = 20
	two, twos := secure(t, true, burst)
	one, ones := secure(t, false, burst)
	var now atomic.Pointer[httptest.Server]
	now.Store(two)
	tr := trusting(client.NewTransport(), two, one)
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, now.Load().Listener.Addr().String())
	}
	t.Cleanup(tr.CloseIdleConnections)
	c := client.Client{HTTP: &http.Client{Transport: tr}, Limit: -1}
	round := func() {
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range burst {
				p.Get("https://example.com/")
			}
			for p.HasPending() {
				if _, err := p.Next(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	round()
	now.Store(one)
	two.CloseClientConnections()
	tr.CloseIdleConnections()
	round()
	got := map[string]int32{"HTTP/2": twos.Load(), "HTTP/1": ones.Load()}
	if diff := cmp.Diff(map[string]int32{"HTTP/2": 1, "HTTP/1": burst}, got); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

// A connecting is a transport that calls the httptrace hooks as net/http does,
// and keeps the times at which requests looked for a connection. A request gets
// one after connect, or never if that is 0, and a response after answer.
type connecting struct {
	start           time.Time
	connect, answer time.Duration

	mu  sync.Mutex
	at  []time.Duration // when requests looked for a connection; guarded by mu
	err error           // in place of a response
}

func (s *connecting) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	trace.GetConn(net.JoinHostPort(req.URL.Hostname(), "443")) // the form in which net/http writes it
	if err := req.Context().Err(); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	s.mu.Lock()
	s.at = append(s.at, time.Since(s.start))
	s.mu.Unlock()
	answer := time.After(s.answer)
	var connected <-chan time.Time
	if s.connect > 0 {
		connected = time.After(s.connect)
	}
	for {
		select {
		case <-connected:
			trace.GotConn(httptrace.GotConnInfo{})
		case <-answer:
			if s.err != nil {
				return nil, s.err
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// The others follow when the first request to a host gets a connection or ends.
func TestGate_opensBehindFirst(t *testing.T) {
	const ms = time.Millisecond
	refused := errors.New("connection refused")
	tests := map[string]struct {
		transport *connecting
		cancel    time.Duration // when the first is canceled; 0: never
		others    time.Duration // when the others look for a connection
	}{
		"once it has a connection":                     {&connecting{connect: 30 * ms, answer: time.Hour}, 0, 30 * ms},
		"once it fails":                                {&connecting{answer: 20 * ms, err: refused}, 0, 20 * ms},
		"once it is answered, without a trace":         {&connecting{answer: 40 * ms}, 0, 40 * ms},
		"once it is canceled":                          {&connecting{answer: time.Hour}, 50 * ms, 50 * ms},
		"after a quarter of a second, where it stalls": {&connecting{answer: time.Hour}, 0, 250 * ms},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := test.transport
				tr.start = time.Now()
				c := client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					first := p.Get("https://h/")
					synctest.Wait()
					p.Get("https://h/")
					p.Get("https://h/")
					p.Get("https://other/")
					if test.cancel > 0 {
						<-time.After(test.cancel)
						first.Cancel()
					}
					<-time.After(time.Minute)
					if n := client.GateKeeps(tr); tr.answer == time.Hour && n != 2 {
						t.Errorf("the gate keeps %d leads, want 2, of the hosts with requests in flight", n)
					}
					return nil
				})
				if diff := cmp.Diff([]time.Duration{0, 0, test.others, test.others}, tr.at); diff != "" {
					t.Errorf("times of the first, of the first to another host, and of the others (-want +got):\n%s", diff)
				}
				if n := client.GateKeeps(tr); n != 0 {
					t.Errorf("the gate keeps %d leads after the last request, want 0", n)
				}
			})
		})
	}
}

// Promises 5, 16 and 21: a request that waits behind the first ends when its
// own context ends, and was never sent.
func TestGate_waitEndsWithRequest(t *testing.T) {
	tests := map[string]struct {
		end  func(*pending.Pending)
		opts []parallel.Option
		want error
	}{
		"canceled":  {func(h *pending.Pending) { h.Cancel() }, nil, context.Canceled},
		"timed out": {func(*pending.Pending) { <-time.After(time.Second) }, []parallel.Option{parallel.Timeout(100 * time.Millisecond)}, context.DeadlineExceeded},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck := &connecting{start: time.Now(), answer: time.Hour}
				dials := client.NewTransport()
				dials.DialContext = client.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
					stuck.at = append(stuck.at, 0)
					<-ctx.Done()
					return nil, ctx.Err()
				})
				for _, tr := range []http.RoundTripper{stuck, dials} {
					body := &unread{}
					stuck.at = nil
					c := client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1}
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						p.Get("https://h/")
						synctest.Wait()
						second := p.Post("https://h/", append(test.opts, parallel.Body("", body))...)
						synctest.Wait()
						test.end(second)
						_, err := second.Response()
						if !errors.Is(err, test.want) || !errors.Is(err, pending.ErrNotSent) {
							t.Errorf("%T: Response() = %v, want %v and ErrNotSent", tr, err, test.want)
						}
						return nil
					})
					if len(stuck.at) != 1 {
						t.Errorf("%T: %d requests looked for a connection, want 1", tr, len(stuck.at))
					}
					if n := body.closed.Load(); n != 1 {
						t.Errorf("%T: the body was closed %d times, want once", tr, n)
					}
				}
			})
		})
	}
}

// Promise 21 holds if http.Client's own Timeout ends the wait, although its
// error does not say where the request was.
func TestGate_httpTimeoutIsNotSent(t *testing.T) {
	client.SetPatience(t, time.Hour)
	for range 20 { // net/http checks whether the deadline has passed, and sometimes it has not
		synctest.Test(t, func(t *testing.T) {
			dials := client.NewTransport()
			dials.DialContext = client.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			c := client.Client{HTTP: &http.Client{Transport: dials}}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				p.Get("https://h/") // looks for a connection
				synctest.Wait()
				waits := client.Client{HTTP: &http.Client{Transport: dials, Timeout: 100 * time.Millisecond}}
				return waits.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Get("https://h/").Response()
					if !errors.Is(err, pending.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Response() = %v, want ErrNotSent and DeadlineExceeded", err)
					}
					return nil
				})
			})
		})
	}
}

// An unread is a body that counts how often it is closed.
type unread struct{ closed atomic.Int32 }

func (*unread) Read([]byte) (int, error) { return 0, errors.New("must not be read") }
func (c *unread) Close() error           { c.closed.Add(1); return nil }

// Over a real transport, the others follow when the first has a connection, and
// do not wait for its response.
func TestGate_opensAtConnection(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"direct":    func(rt http.RoundTripper) http.RoundTripper { return rt },
		"a wrapper": func(rt http.RoundTripper) http.RoundTripper { return wrapper{rt} },
	} {
		t.Run(name, func(t *testing.T) {
			var came atomic.Int32
			slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				came.Add(1)
				time.Sleep(time.Minute)
			})
			same := func(tr *http.Transport) *http.Transport { return tr }
			onPath(t, slow, same, func(t *testing.T, way *path, c client.Client) {
				c.HTTP.Transport = wrap(c.HTTP.Transport)
				c.Timeout = -1
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					hs := []*pending.Pending{p.Get("/"), p.Get("/"), p.Get("/")}
					<-time.After(100 * ms) // less than the gate's patience
					if n := came.Load(); n != 3 {
						t.Errorf("%d requests came to the server before its first response, want 3", n)
					}
					_, err := pending.All(hs...)
					if err != nil {
						t.Error(err)
					}
					return nil
				})
				if n := way.cut(); n != 1 {
					t.Errorf("%d connections, want 1", n)
				}
			})
		})
	}
}

// Promise 21: a request that had waited at the gate and was then sent in a way
// that needs no connection was said not to be sent.
func TestGate_registeredProtocolIsNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		tr := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
		tr.RegisterProtocol("https", roundTrip(func(r *http.Request) (*http.Response, error) {
			sent++
			<-time.After(time.Second)
			return nil, errors.New("reset by peer")
		}))
		c := client.Client{HTTP: &http.Client{Transport: tr}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Post("https://h/")
			synctest.Wait()
			_, err := p.Post("https://h/").Response()
			if sent != 2 || err == nil || errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%d requests were sent, Response() = %v; want 2, and an error that is not ErrNotSent", sent, err)
			}
			return nil
		})
	})
}

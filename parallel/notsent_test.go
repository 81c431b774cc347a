package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 21: errors of requests that were carried out matched ErrNotSent,
// because another request with the same context had a refused dial.
func TestErrNotSent_aboutThisRequest(t *testing.T) {
	const order = "http://shop/orders"
	through := func(addr string) func(*http.Request) (*url.URL, error) {
		return http.ProxyURL(&url.URL{Scheme: "http", Host: addr, User: url.UserPassword("u", "secret")})
	}
	tell := func(network *http.Transport, r *http.Request, url string) error {
		other, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, nil)
		if err != nil {
			return err
		}
		_, err = network.RoundTrip(other)
		return err
	}
	for name, tc := range map[string]struct {
		transport func(network *http.Transport) http.RoundTripper // all dials of network are refused
		proxy     func(*http.Request) (*url.URL, error)
		body      string
		want      bool
	}{
		"the network":                         {want: true},
		"the network, with a body":            {body: "an order", want: true},
		"the network through a proxy":         {proxy: through("proxy:3128"), want: true},
		"through a proxy with a default port": {proxy: through("proxy"), want: true},
		"something around the network": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) { return n.RoundTrip(r.Clone(r.Context())) })
		}, body: "an order", want: true},
		"something around, through an unknown proxy": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(n.RoundTrip)
		}, proxy: through("proxy:3128")},
		"a handler in the process": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (resp *http.Response, err error) {
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					err = tell(n, r, "http://billing/")
				}).ServeHTTP(httptest.NewRecorder(), r)
				return nil, err
			})
		}},
		"an audit log": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				tell(n, r, "https://audit/")
				return nil, errors.New("reset by peer")
			})
		}},
		"an audit log at the same address": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				tell(n, r, "http://shop/audit")
				return nil, errors.New("reset by peer")
			})
		}},
		"an audit log at the same address, after a broken read": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				tell(n, r, "http://shop/audit")
				return nil, &net.OpError{Op: "read", Net: "tcp", Err: io.EOF}
			})
		}},
		"another port of the host": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) { return nil, tell(n, r, "http://shop:8080/") })
		}},
		"a second way, after the body was read": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				io.Copy(io.Discard, r.Body)
				r.Body, _ = r.GetBody()
				return n.RoundTrip(r)
			})
		}, body: "an order"},
		"a response before a body that breaks off": {transport: func(n *http.Transport) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				tell(n, r, order)
				return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("x"), &bytes.Buffer{})), ContentLength: 9}, nil
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			network := &http.Transport{Proxy: tc.proxy, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errDial
			}}
			hc := &http.Client{Transport: network}
			if tc.transport != nil {
				hc.Transport = tc.transport(network)
			}
			c := client.Client{HTTP: hc}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				var opts []parallel.Option
				if tc.body != "" {
					opts = append(opts, parallel.Body("", strings.NewReader(tc.body)))
				}
				_, err := p.Post(order, opts...).Response()
				if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
					t.Errorf("Response() = %v, ErrNotSent: %v; want %v", err, errors.Is(err, pending.ErrNotSent), tc.want)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("Response() error = %v, which shows the proxy's password", err)
				}
				return nil
			})
		})
	}
}

// Promise 21: with a user's http.Client and without package client, the error
// of a request that followed a redirect matched ErrNotSent.
func TestErrNotSent_afterRedirect(t *testing.T) {
	for name, tc := range map[string]struct {
		location string
		want     bool
	}{
		"none":              {want: true},
		"to another host":   {location: "http://other/"},
		"to another scheme": {location: "https://shop/orders"},
		"on the host":       {location: "/orders/1"},
	} {
		for _, from := range []string{"http://shop/orders", "http://u:p@shop/orders"} {
			t.Run(name+" from "+from, func(t *testing.T) {
				network := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errDial }}
				hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if tc.location == "" || r.Response != nil {
						return network.RoundTrip(r)
					}
					return &http.Response{StatusCode: 303, Header: http.Header{"Location": {tc.location}}, Body: http.NoBody, Request: r}, nil
				})}
				parallel.Run(t.Context(), parallel.Config{Send: hc.Do}, func(p *parallel.Parallel) error {
					_, err := p.Post(from).Response()
					if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
						t.Errorf("Response() = %v, ErrNotSent: %v; want %v", err, errors.Is(err, pending.ErrNotSent), tc.want)
					}
					return nil
				})
			})
		}
	}
}

// Promise 21: a dial that looks up its host over HTTP, with the context that it
// gets, got a connection, which was taken for the connection of the request.
func TestErrNotSent_lookupInDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		traced := 0
		tr := &http.Transport{DialContext: parallel.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
			ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://registry/shop", nil)
			if err != nil {
				return nil, err
			}
			resp, err := registry.Client().Do(ask)
			if err != nil {
				return nil, err
			}
			resp.Body.Close()
			return nil, errDial
		})}
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { traced++ }})
		c := client.Client{HTTP: &http.Client{Transport: tr}}
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			_, err := p.Post("http://shop/orders").Response()
			if !errors.Is(err, errRefused) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Response() = %v, want %v and ErrNotSent", err, errRefused)
			}
			return nil
		})
		if traced != 2 {
			t.Errorf("the caller's trace has %d GetConns, want 2, since the lookup has the caller's context", traced)
		}
	})
}

// Promise 21: POSTs failed with nothing written, because the server had closed
// an idle connection, and their errors did not match ErrNotSent. net/http does
// not mark this error (golang/go issue 15723).
func TestErrNotSent_closedWhileIdle(t *testing.T) {
	long := strings.Repeat("x", 1000)
	around := func(tr *http.Transport) http.RoundTripper { return roundTrip(tr.RoundTrip) }
	for name, tc := range map[string]struct {
		send   func(p *parallel.Parallel, url string) *pending.Pending // nil means POST
		path   string
		buffer int
		around func(*http.Transport) http.RoundTripper
		reads  bool // the server reads the request before it closes
		want   bool
		ok     bool // net/http sends it again
	}{
		"POST":                                    {want: true},
		"POST, something around":                  {around: around, want: true},
		"POST, a long line":                       {path: long, want: true},
		"POST, a long line and something around":  {path: long, around: around},
		"POST, a line longer than the buffer":     {path: strings.Repeat(long, 5)},
		"POST, a line longer than a small buffer": {path: long, buffer: 1000},
		"POST, in a buffer that is large enough":  {path: strings.Repeat(long, 5), buffer: 6000, want: true},
		"POST that was read":                      {reads: true},
		"GET":                                     {send: func(p *parallel.Parallel, url string) *pending.Pending { return p.Get(url) }, ok: true},
		"POST with a key": {send: func(p *parallel.Parallel, url string) *pending.Pending {
			return p.Post(url, parallel.Header("Idempotency-Key", "7"))
		}, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if tc.reads && r.URL.Path != "/first" {
						panic(http.ErrAbortHandler)
					}
				}))
				s.Transport.WriteBufferSize = tc.buffer
				var kept, theirs net.Conn // the two ends of the first connection
				s.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := s.Dial(ctx, network, addr)
					if kept != nil || err != nil {
						return c, err
					}
					kept, theirs = net.Pipe()
					go relay(theirs, c)
					return kept, nil
				}
				hc := &http.Client{Transport: s.Transport}
				if tc.around != nil {
					hc.Transport = tc.around(s.Transport)
				}
				c := client.Client{HTTP: hc}
				// The connection ends when the request has got it.
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
					if info.Reused && info.Conn == kept && !tc.reads {
						theirs.Close()
						synctest.Wait()
					}
				}})
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					if _, err := p.Get("http://h/first").Response(); err != nil {
						t.Fatal(err)
					}
					var h *pending.Pending
					if u := "http://h/" + tc.path; tc.send != nil {
						h = tc.send(p, u)
					} else {
						h = p.Post(u)
					}
					_, err := h.Response()
					if tc.ok {
						if err != nil {
							t.Errorf("Response() error = %v, want nil, since net/http sends the request again", err)
						}
						return nil
					}
					if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
						t.Errorf("Response() = %v, ErrNotSent: %v; want %v", err, errors.Is(err, pending.ErrNotSent), tc.want)
					}
					const text = "the server closed the connection before it answered: "
					if said := strings.Contains(err.Error(), text); said == tc.want {
						t.Errorf("Response() error = %v; has %q: %v, want %v", err, text, said, !tc.want)
					}
					return nil
				})
			})
		})
	}
}

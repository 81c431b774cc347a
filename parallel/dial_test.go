package parallel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 24: net/http's negotiation with a proxy continued after the request:
// with SOCKS as long as the proxy sent nothing, with CONNECT for a minute.
func TestCancel_endsNegotiation(t *testing.T) {
	for name, tc := range map[string]struct {
		proxy string
		url   string
		says  string // all that the proxy sends
	}{
		"SOCKS":                      {"socks5://proxy:1080", "http://h/", ""},
		"SOCKS, a method":            {"socks5://proxy:1080", "http://h/", "\x05\x00"},
		"SOCKS, half a reply":        {"socks5h://proxy:1080", "http://h/", "\x05\x00\x05\x00\x00\x01"},
		"SOCKS, HTTPS":               {"socks5://proxy:1080", "https://h/", "\x05\x00"},
		"SOCKS, then TLS":            {"socks5://proxy:1080", "https://h/", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		"CONNECT":                    {"http://proxy:3128", "https://h/", ""},
		"CONNECT, half a response":   {"http://proxy:3128", "https://h/", "HTTP/1.1 200 Connection established\r\nVia: p\r\n"},
		"CONNECT, then TLS":          {"http://proxy:3128", "https://h/", "HTTP/1.1 200 Connection established\r\n\r\n"},
		"TLS with the proxy":         {"https://proxy:3129", "http://h/", ""},
		"TLS with the proxy, HTTPS":  {"https://proxy:3129", "https://h/", "\x16\x03\x03\x00\x7a"},
		"without a proxy, half done": {"", "https://h/", "\x16\x03\x03\x00\x7a"},
	} {
		for way, end := range waysToEnd {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ended := make(chan time.Time, 10)
					dial := func(context.Context, string, string) (net.Conn, error) {
						ours, theirs := net.Pipe()
						go io.WriteString(theirs, tc.says)
						go func() {
							io.Copy(io.Discard, theirs)
							theirs.Close()
							ended <- time.Now()
						}()
						return ours, nil
					}
					tr := &http.Transport{DialContext: parallel.DialContext(dial)}
					if tc.proxy != "" {
						proxy, err := url.Parse(tc.proxy)
						if err != nil {
							t.Fatal(err)
						}
						tr.Proxy = http.ProxyURL(proxy)
					}
					start := time.Now()
					end(t, client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1}, tc.url)
					synctest.Wait()
					if len(ended) != 1 {
						t.Fatalf("%d connections were closed with their request, want 1", len(ended))
					}
					if d := (<-ended).Sub(start); d != time.Second {
						t.Errorf("the connection was closed after %v, want 1s", d)
					}
				})
			})
		}
	}
}

// A canceled request does not close a connection through a proxy that another
// request uses.
func TestCancel_leavesProxiedConnection(t *testing.T) {
	for name, greeting := range map[string]string{
		"http://proxy:3128":   "",
		"socks5://proxy:1080": "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ls, release := newLines(t, false)
				dial := ls.dial
				ls.Transport.DialContext = parallel.DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := dial(ctx, network, addr)
					if err != nil || greeting == "" {
						return c, err
					}
					ours, theirs := net.Pipe()
					go func() {
						io.ReadFull(theirs, make([]byte, 3))
						io.WriteString(theirs, greeting[:2])
						io.ReadFull(theirs, make([]byte, 4+1+len("h")+2))
						io.WriteString(theirs, greeting[2:])
						relay(theirs, c)
					}()
					return ours, nil
				})
				proxy, err := url.Parse(name)
				if err != nil {
					t.Fatal(err)
				}
				ls.Transport.Proxy = http.ProxyURL(proxy)
				ls.keepsOther(t, release)
			})
		})
	}
}

// Promise 6: a panic in a dial ended the process, because net/http dials on its
// own goroutine. runtime.Goexit there left the request waiting.
func TestDial_panic(t *testing.T) {
	for name, tc := range map[string]struct {
		dial   func()
		raised any
		text   string
	}{
		"panic":         {func() { panic("no registry") }, "no registry", "no registry"},
		"an error":      {func() { panic(errRefused) }, errRefused, errRefused.Error()},
		"raised again":  {func() { r := panics.NewRecovered(0, "no registry"); panic(&r) }, "no registry", "no registry"},
		"Goexit":        {func() { runtime.Goexit() }, nil, "runtime.Goexit"},
		"a later Close": {nil, "no Close", "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &http.Transport{MaxConnsPerHost: 1, DialContext: parallel.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
					if tc.dial != nil {
						tc.dial()
					}
					<-ctx.Done()
					return panicsInClose{}, nil
				})}
				c := client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1}
				var err error
				var cause error
				raised := panics.Try(func() {
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						h := p.Post("http://h/")
						if tc.dial == nil {
							synctest.Wait()
							h.Cancel()
						}
						_, err = h.Response()
						synctest.Wait()
						cause = context.Cause(p.Context())
						return nil
					})
				})
				if err == nil || !strings.Contains(err.Error(), tc.text) || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("Response() = %v; want ErrNotSent and %q", err, tc.text)
				}
				if tc.raised == nil {
					if raised != nil || cause != nil {
						t.Errorf("the block raised %v, and was canceled with %v; want neither", raised, cause)
					}
					return
				}
				if raised == nil {
					t.Fatal("the block raised nothing")
				}
				if r, ok := raised.Value.(*panics.Recovered); !ok || r.Value != tc.raised {
					t.Errorf("the block raised %v, want %v", raised.Value, tc.raised)
				}
				if cause == nil {
					t.Error("the block was not canceled")
				}
			})
		})
	}
}

type panicsInClose struct{ net.Conn }

func (panicsInClose) Close() error { panic("no Close") }

// One dead address of two used up a request's time: net/http dials without the
// request's deadline, so a net.Dialer gave the dead address half of its own 30
// seconds.
func TestDial_deadline(t *testing.T) {
	own := func(t *testing.T, d time.Duration) *http.Request {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, tc := range map[string]struct {
		timeout, http, own time.Duration
		want               []time.Duration
	}{
		"Timeout":      {timeout: 5 * time.Second, want: []time.Duration{5 * time.Second}},
		"HTTP.Timeout": {timeout: 5 * time.Second, http: 3 * time.Second, want: []time.Duration{3 * time.Second}},
		"its own":      {timeout: 5 * time.Second, own: 2 * time.Second, want: []time.Duration{2 * time.Second}},
		"none":         {timeout: -1, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				tr := &http.Transport{DialContext: parallel.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
					if d, ok := ctx.Deadline(); ok {
						got = append(got, d.Sub(start))
					}
					return nil, errRefused
				})}
				c := client.Client{HTTP: &http.Client{Transport: tr, Timeout: tc.http}, Timeout: tc.timeout}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					if tc.own > 0 {
						p.Do(own(t, tc.own)).Response()
					} else {
						p.Get("http://h/").Response()
					}
					return nil
				})
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("deadlines of the dial (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A late context ends a moment after its deadline.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// A dial that ended at its request's deadline hid why the request ended, if it
// was a moment ahead of the request.
func TestDial_deadlineKeepsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second+time.Millisecond, errRefused)
		defer cancel()
		tr := &http.Transport{DialContext: parallel.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		})}
		c := client.Client{HTTP: &http.Client{Transport: tr}}
		c.Parallel(lateContext{ctx, time.Now().Add(time.Second)}, func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, errRefused) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Response() = %v; want %v, a timeout and ErrNotSent", err, errRefused)
			}
			return nil
		})
	})
}

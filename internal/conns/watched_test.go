package conns

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A counter is a Watcher that counts the calls of each method.
type counter map[string]int

func (c counter) GetConn(string)                              { c["GetConn"]++ }
func (c counter) DNSStart(httptrace.DNSStartInfo)             { c["DNSStart"]++ }
func (c counter) DNSDone(httptrace.DNSDoneInfo)               { c["DNSDone"]++ }
func (c counter) ConnectStart(_, _ string)                    { c["ConnectStart"]++ }
func (c counter) ConnectDone(_, _ string, _ error)            { c["ConnectDone"]++ }
func (c counter) TLSHandshakeStart()                          { c["TLSHandshakeStart"]++ }
func (c counter) TLSHandshakeDone(tls.ConnectionState, error) { c["TLSHandshakeDone"]++ }
func (c counter) GotConn(httptrace.GotConnInfo)               { c["GotConn"]++ }
func (c counter) WroteRequest(httptrace.WroteRequestInfo)     { c["WroteRequest"]++ }
func (c counter) GotFirstResponseByte()                       { c["GotFirstResponseByte"]++ }

// A watched request is one whose context is made from a Watched.
type watched struct {
	request
	ctx context.Context
}

func (r watched) Watched() *Watched { return WatchedIn(r.ctx) }

// A Watcher is told of each event once, and so is everyone else, whoever else
// is in the context, and whether net/http or a user's code calls the hooks.
func TestWatched_toldOnce(t *testing.T) {
	hooks := func(ctx context.Context, to counter) context.Context {
		return httptrace.WithClientTrace(ctx, countingTrace(to))
	}
	watcher := func(ctx context.Context, to counter) context.Context {
		return &Watched{Context: ctx, Watcher: to}
	}
	type join = func(context.Context, counter) context.Context
	for name, joined := range map[string][]join{
		"alone":         {watcher},
		"after others":  {hooks, watcher},
		"before others": {watcher, hooks},
		"two":           {watcher, watcher},
		"among others":  {hooks, watcher, hooks, watcher, hooks},
	} {
		for by, rt := range map[string]http.RoundTripper{"Transport": new(http.Transport), "another": roundTripper{}} {
			t.Run(name+" by "+by, func(t *testing.T) {
				ctx := t.Context()
				var told []counter
				for _, join := range joined {
					to := make(counter)
					told = append(told, to)
					ctx = join(ctx, to)
				}
				c := New(watched{request{t}, ctx})
				begin(ctx, c, 0)
				req, err := http.NewRequest(http.MethodGet, "http://h/", nil)
				if err != nil {
					t.Fatal(err)
				}
				w := WatchedIn(ctx)
				from := ctx
				if w != nil {
					from = w.Context
				}
				c.Watch(req.Method, req.URL.Scheme, w, httptrace.ContextClientTrace(from))
				req = req.WithContext(c)
				c.SetRequest(req)
				Hop(req, rt)

				// As net/http and a DialContext call them.
				trace := httptrace.ContextClientTrace(req.Context())
				dial := trace
				trace.GetConn("h:80")
				if by == "Transport" {
					dial = httptrace.ContextClientTrace(req.Context())
				}
				dial.DNSStart(httptrace.DNSStartInfo{})
				dial.DNSDone(httptrace.DNSDoneInfo{})
				dial.ConnectStart("tcp", "h:80")
				dial.ConnectDone("tcp", "h:80", nil)
				dial.TLSHandshakeStart()
				dial.TLSHandshakeDone(tls.ConnectionState{}, nil)
				trace.GotConn(httptrace.GotConnInfo{})
				trace.WroteRequest(httptrace.WroteRequestInfo{})
				trace.GotFirstResponseByte()
				want := counter{
					"GetConn": 1, "DNSStart": 1, "DNSDone": 1, "ConnectStart": 1, "ConnectDone": 1, "TLSHandshakeStart": 1,
					"TLSHandshakeDone": 1, "GotConn": 1, "WroteRequest": 1, "GotFirstResponseByte": 1,
				}
				for i, got := range told {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("number %d is told (-want +got):\n%s", i, diff)
					}
				}

				// A net.Dialer finds its hooks by another key.
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				conn, err := new(net.Dialer).DialContext(req.Context(), "tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
				want["ConnectStart"], want["ConnectDone"] = 2, 2
				for i, got := range told {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("after a dial, number %d is told (-want +got):\n%s", i, diff)
					}
				}
			})
		}
	}
}

// roundTripper is a transport of another type than *http.Transport.
type roundTripper struct{}

func (roundTripper) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, http.ErrNotSupported
}

// Whoever looks up the hooks gets the same ones, on any goroutine.
func TestWatched_oneSetOfHooks(t *testing.T) {
	ctx := &Watched{Context: t.Context(), Watcher: make(counter)}
	found := make(chan *httptrace.ClientTrace)
	for range 10 {
		go func() { found <- httptrace.ContextClientTrace(ctx) }()
	}
	first := <-found
	for range 9 {
		if got := <-found; got != first || got == nil {
			t.Errorf("ContextClientTrace() = %p, want %p", got, first)
		}
	}
}

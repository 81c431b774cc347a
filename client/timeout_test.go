package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 16, clause by clause, in exact times.

const ms = time.Millisecond

// slow is a handler that sends its header after "head" milliseconds, and the
// end of its body after "body" more. If there is a "to", it redirects there.
func slow(w http.ResponseWriter, r *http.Request) {
	wait := func(key string) bool {
		n, _ := strconv.Atoi(r.FormValue(key))
		select {
		case <-time.After(time.Duration(n) * ms):
			return true
		case <-r.Context().Done():
			return false
		}
	}
	if !wait("head") {
		return
	}
	if to := r.FormValue("to"); to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	io.WriteString(w, "a beginning")
	http.NewResponseController(w).Flush()
	if wait("body") {
		io.WriteString(w, " and an end")
	}
}

func TestTimeout(t *testing.T) {
	const never = "head=999999999"
	wait := func(d time.Duration) func(*http.Request) error {
		return func(*http.Request) error { <-time.After(d); return nil }
	}
	own := func(d time.Duration) []parallel.Option { return []parallel.Option{parallel.Timeout(d)} }
	cases := map[string]struct {
		client client.Client
		queue  string // query of the request that holds the only slot first, if any
		query  string // query for slow
		opts   []parallel.Option
		takes  time.Duration
		ok     bool
	}{
		"in time":              {client.Client{Timeout: 300 * ms}, "", "head=299", nil, 299 * ms, true},
		"too late":             {client.Client{Timeout: 300 * ms}, "", "head=301", nil, 300 * ms, false},
		"the body in time":     {client.Client{Timeout: 300 * ms}, "", "head=100&body=199", nil, 299 * ms, true},
		"the body too late":    {client.Client{Timeout: 300 * ms}, "", "head=100&body=201", nil, 300 * ms, false},
		"over all hops":        {client.Client{Timeout: 300 * ms}, "", "head=200&to=/%3Fhead=200", nil, 300 * ms, false},
		"not in the queue":     {client.Client{Timeout: 300 * ms, Limit: 1}, "head=5000", "head=299", nil, 5299 * ms, true},
		"after the queue":      {client.Client{Timeout: 300 * ms, Limit: 1}, "head=5000", "head=301", nil, 5300 * ms, false},
		"not in a host's":      {client.Client{Timeout: 300 * ms, HostLimit: 1}, "head=5000", "head=301", nil, 5300 * ms, false},
		"not in Wait":          {client.Client{Timeout: 300 * ms, Wait: wait(time.Hour)}, "", "head=299", nil, time.Hour + 299*ms, true},
		"after Wait":           {client.Client{Timeout: 300 * ms, Wait: wait(time.Hour)}, "", "head=301", nil, time.Hour + 300*ms, false},
		"not before After":     {client.Client{Timeout: 300 * ms}, "", "head=299", []parallel.Option{parallel.After(time.Hour)}, time.Hour + 299*ms, true},
		"after After":          {client.Client{Timeout: 300 * ms}, "", "head=301", []parallel.Option{parallel.After(time.Hour)}, time.Hour + 300*ms, false},
		"in Auth":              {client.Client{Timeout: 300 * ms, Auth: wait(200 * ms)}, "", "head=200", nil, 300 * ms, false},
		"its own, longer":      {client.Client{Timeout: 300 * ms}, "", "head=400", own(500 * ms), 400 * ms, true},
		"its own, shorter":     {client.Client{Timeout: 300 * ms}, "", "head=250", own(200 * ms), 200 * ms, false},
		"its own, of none":     {client.Client{Timeout: -1}, "", "head=250", own(200 * ms), 200 * ms, false},
		"its own, negative":    {client.Client{Timeout: 300 * ms}, "", "head=9999999", own(-1), 9999999 * ms, true},
		"its own, 0":           {client.Client{Timeout: 300 * ms}, "", never, own(0), 300 * ms, false},
		"none":                 {client.Client{Timeout: -1}, "", "head=9999999", nil, 9999999 * ms, true},
		"the default, in time": {client.Client{}, "", "head=29999", nil, 29999 * ms, true},
		"the default":          {client.Client{}, "", never, nil, 30 * time.Second, false},

		"HTTP.Timeout":               {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", never, nil, 300 * ms, false},
		"HTTP.Timeout, in the body":  {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", "body=301", nil, 300 * ms, false},
		"HTTP.Timeout is earlier":    {client.Client{HTTP: &http.Client{Timeout: 200 * ms}, Timeout: 300 * ms}, "", never, nil, 200 * ms, false},
		"HTTP.Timeout is later":      {client.Client{HTTP: &http.Client{Timeout: 300 * ms}, Timeout: 200 * ms}, "", never, nil, 200 * ms, false},
		"HTTP.Timeout, later than 0": {client.Client{HTTP: &http.Client{Timeout: time.Minute}}, "", never, nil, 30 * time.Second, false},
		"HTTP.Timeout, by itself":    {client.Client{HTTP: &http.Client{Timeout: time.Minute}, Timeout: -1}, "", never, nil, time.Minute, false},
		"HTTP.Timeout, and its own":  {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", never, own(time.Minute), 300 * ms, false},
		"HTTP.Timeout, not in Wait": {
			client.Client{HTTP: &http.Client{Timeout: 300 * ms}, Wait: wait(time.Hour)}, "", never, nil, time.Hour + 300*ms, false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(slow))
				c := tc.client
				hc := s.Client()
				if c.HTTP != nil {
					hc.Timeout = c.HTTP.Timeout
				}
				c.HTTP = hc
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					start := time.Now()
					if tc.queue != "" {
						p.Get("http://h/?"+tc.queue, parallel.Timeout(-1))
					}
					resp, err := p.Get("http://h/?"+tc.query, tc.opts...).Response()
					if d := time.Since(start); d != tc.takes {
						t.Errorf("it took %v, want %v", d, tc.takes)
					}
					var ue *url.Error
					switch {
					case !tc.ok && (!errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ue) || !ue.Timeout()):
						t.Errorf("Response() = %v, want a timeout", err)
					case !tc.ok && errors.Is(err, pending.ErrNotSent):
						t.Errorf("the request was sent, but its error matches ErrNotSent: %v", err)
					case tc.ok && err != nil:
						t.Errorf("Response() = %v, want a response", err)
					case tc.ok && body(t, resp) != "a beginning and an end":
						t.Error("the body is not the whole body")
					}
					return nil
				})
			})
		})
	}
}

// If the time of a request ends during Auth, the request was not sent. This
// holds for both timeouts.
func TestTimeout_inAuthIsNotSent(t *testing.T) {
	for name, c := range map[string]client.Client{
		"Timeout":      {HTTP: &http.Client{}, Timeout: 300 * time.Millisecond},
		"HTTP.Timeout": {HTTP: &http.Client{Timeout: 300 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.HTTP.Transport = testnet.New(t, http.NotFoundHandler()).Transport
				c.Auth = func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
				start := time.Now()
				_, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
					return p.Post("http://h/", parallel.Body("text/plain", strings.NewReader("body")))
				})
				if d := time.Since(start); d != 300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("Response() = %v after %v, want context.DeadlineExceeded and pending.ErrNotSent after 300ms", err, d)
				}
			})
		})
	}
}

// Promise 34: the text of a timeout says which time ran out, and how long it
// was. It matches what the error of any timeout matches.
func TestTimeout_saysWhose(t *testing.T) {
	const d, later = 300 * ms, 400 * ms
	const never, stuck = "head=999999999", "body=999999999"
	const (
		ofBlock = "context deadline exceeded (deadline of the block's context)"
		ofOwn   = "context deadline exceeded (deadline of the request's own context)"
		notSent = "request not sent: "
	)
	busy := errors.New("busy")
	type Option = parallel.Option
	blocks := func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
	silent := func(tr *http.Transport) { // never answers a handshake
		tr.DialContext = client.DialContext(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			return ours, nil
		})
	}
	dead := func(tr *http.Transport) { // never connects
		tr.DialContext = client.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		})
	}
	deadline := func(d time.Duration, cause error) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, d, cause)
		}
	}
	for name, tc := range map[string]struct {
		client  client.Client
		http    time.Duration // the Timeout of the http.Client
		prepare func(*http.Transport)
		opts    []Option
		query   string // empty means never
		tls     bool
		block   func(context.Context) (context.Context, context.CancelFunc) // the context of the block
		own     func(context.Context) (context.Context, context.CancelFunc) // of the request
		want    string
	}{
		"Timeout":                  {client: client.Client{Timeout: d}, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, body":            {client: client.Client{Timeout: d}, query: stuck, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, To":              {client: client.Client{Timeout: d}, query: stuck, opts: []Option{parallel.To(io.Discard)}, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, second hop":      {client: client.Client{Timeout: d}, query: "to=" + url.QueryEscape("http://other/?"+never), want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout of the request":   {client: client.Client{Timeout: later}, opts: []Option{parallel.Timeout(d)}, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, a dial":          {client: client.Client{Timeout: d}, prepare: dead, want: notSent + "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, a handshake":     {client: client.Client{Timeout: d}, prepare: silent, tls: true, want: notSent + "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, Auth":            {client: client.Client{Timeout: d, Auth: blocks}, want: notSent + "context deadline exceeded (Timeout of 300ms)"},
		"Timeout of a nanosecond":  {client: client.Client{Timeout: 1}, want: "context deadline exceeded (Timeout of 1ns)"},
		"Timeout, a Wait":          {client: client.Client{Timeout: d, Wait: func(*http.Request) error { return nil }}, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, before HTTP's":   {client: client.Client{Timeout: d}, http: later, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, before Stall":    {client: client.Client{Timeout: d, Stall: later}, want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, before block":    {client: client.Client{Timeout: d}, block: deadline(later, nil), want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, before own":      {client: client.Client{Timeout: d}, own: deadline(later, nil), want: "context deadline exceeded (Timeout of 300ms)"},
		"Timeout, body, retried":   {client: client.Client{Timeout: d, Retry: twice}, query: stuck, want: "after 2 attempts: context deadline exceeded (Timeout of 300ms)"},
		"Timeout, header, retried": {client: client.Client{Timeout: d, Retry: twice}, want: "after 2 attempts: context deadline exceeded (Timeout of 300ms)"},

		"HTTP.Timeout":                 {http: d, want: "context deadline exceeded (HTTP.Timeout of 300ms)"},
		"HTTP.Timeout, body":           {http: d, query: stuck, want: "context deadline exceeded (HTTP.Timeout of 300ms)"},
		"HTTP.Timeout, before Timeout": {client: client.Client{Timeout: later}, http: d, want: "context deadline exceeded (HTTP.Timeout of 300ms)"},
		"HTTP.Timeout, no Timeout":     {client: client.Client{Timeout: -1}, http: d, want: "context deadline exceeded (HTTP.Timeout of 300ms)"},
		"HTTP.Timeout, its own none":   {http: d, opts: []Option{parallel.Timeout(-1)}, want: "context deadline exceeded (HTTP.Timeout of 300ms)"},
		"HTTP.Timeout, a dial":         {http: d, prepare: dead, want: notSent + "context deadline exceeded (HTTP.Timeout of 300ms)"},

		"Stall":                {client: client.Client{Stall: d}, want: "context deadline exceeded (Stall: no progress for 300ms)"},
		"Stall, body":          {client: client.Client{Stall: d}, query: stuck, want: "context deadline exceeded (Stall: no progress for 300ms)"},
		"Stall of the request": {client: client.Client{Stall: later}, opts: []Option{parallel.Stall(d)}, want: "context deadline exceeded (Stall: no progress for 300ms)"},
		"Stall, a dial":        {client: client.Client{Stall: d}, prepare: dead, want: notSent + "context deadline exceeded (Stall: no progress for 300ms)"},
		"Stall, before HTTP's": {client: client.Client{Stall: d}, http: later, want: "context deadline exceeded (Stall: no progress for 300ms)"},
		"Stall, before block":  {client: client.Client{Stall: d}, block: deadline(later, nil), want: "context deadline exceeded (Stall: no progress for 300ms)"},

		"block":                 {block: deadline(d, nil), want: ofBlock},
		"block, body":           {block: deadline(d, nil), query: stuck, want: ofBlock},
		"block, no Timeout":     {client: client.Client{Timeout: -1}, block: deadline(d, nil), want: ofBlock},
		"block, a cause":        {block: deadline(d, busy), want: "context deadline exceeded: busy (deadline of the block's context)"},
		"block, After":          {block: deadline(d, nil), opts: []Option{parallel.After(time.Hour)}, want: notSent + ofBlock},
		"block, Wait":           {client: client.Client{Wait: blocks}, block: deadline(d, nil), want: notSent + ofBlock},
		"block, before Timeout": {client: client.Client{Timeout: later}, block: deadline(d, nil), want: ofBlock},
		"block, before Stall":   {client: client.Client{Stall: later}, block: deadline(d, nil), want: ofBlock},
		"block, before own":     {block: deadline(d, nil), own: deadline(later, nil), want: ofBlock},
		"block, over already":   {block: deadline(0, nil), want: notSent + ofBlock},
		"block, Later":          {client: client.Client{Wait: func(*http.Request) error { return parallel.Later(time.Hour) }}, block: deadline(d, nil), want: notSent + ofBlock},

		"own":                 {own: deadline(d, nil), want: ofOwn},
		"own, body":           {own: deadline(d, nil), query: stuck, want: ofOwn},
		"own, a cause":        {own: deadline(d, busy), want: "context deadline exceeded: busy (deadline of the request's own context)"},
		"own, After":          {own: deadline(d, nil), opts: []Option{parallel.After(time.Hour)}, want: notSent + ofOwn},
		"own, Wait":           {client: client.Client{Wait: blocks}, own: deadline(d, nil), want: notSent + ofOwn},
		"own, before Timeout": {client: client.Client{Timeout: later}, own: deadline(d, nil), want: ofOwn},
		"own, before HTTP's":  {http: later, own: deadline(d, nil), want: ofOwn},
		"own, over already":   {own: deadline(0, nil), want: notSent + ofOwn},

		"a dial's own": {prepare: func(tr *http.Transport) {
			tr.DialContext = client.DialContext(func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(d)
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
			})
		}, want: notSent + "dial tcp: i/o timeout"},
		"TLSHandshakeTimeout": {tls: true, prepare: func(tr *http.Transport) {
			silent(tr)
			tr.TLSHandshakeTimeout = d
		}, want: notSent + "net/http: TLS handshake timeout"},
		"ResponseHeaderTimeout": {prepare: func(tr *http.Transport) { tr.ResponseHeaderTimeout = d }, want: "timeout awaiting response headers"},
		"ResponseHeaderTimeout, before HTTP's": {http: later, prepare: func(tr *http.Transport) { tr.ResponseHeaderTimeout = d },
			want: "timeout awaiting response headers"},
	} {
		for protocol, start := range servers {
			t.Run(name+", "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, http.HandlerFunc(slow))
					if tc.prepare != nil {
						tc.prepare(s.Transport)
					}
					c := tc.client
					c.HTTP = s.Client()
					c.HTTP.Timeout = tc.http
					query := tc.query
					if query == "" {
						query = never
					}
					target := "http://h/?" + query
					if tc.tls {
						target = "https://h/?" + query
					}
					ctx, own := t.Context(), t.Context()
					var cancel context.CancelFunc
					if tc.block != nil {
						ctx, cancel = tc.block(ctx)
						defer cancel()
					}
					if tc.own != nil {
						own, cancel = tc.own(own)
						defer cancel()
					}
					var err error
					c.Parallel(ctx, func(p *parallel.Parallel) error {
						req, e := http.NewRequestWithContext(own, http.MethodGet, target, nil)
						if e != nil {
							t.Fatal(e)
						}
						_, err = p.Do(req, tc.opts...).Response()
						return nil
					})
					if err == nil {
						t.Fatal("Response() error = nil, want a timeout")
					}
					text, ok := strings.CutPrefix(err.Error(), fmt.Sprintf("Get %q: ", target))
					if text = strings.TrimPrefix(text, "http2: "); !ok || text != tc.want && text != "net/http: "+tc.want {
						t.Errorf("Response() error = %v\nwant %s", err, tc.want)
					}
					var ue *url.Error
					if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ue) || !ue.Timeout() || errors.Is(err, context.Canceled) {
						t.Errorf("%v: want a *url.Error that is a timeout and no cancel", err)
					}
					if strings.HasPrefix(tc.want, notSent) != errors.Is(err, pending.ErrNotSent) {
						t.Errorf("%v: ErrNotSent is %t", err, errors.Is(err, pending.ErrNotSent))
					}
					if strings.Contains(tc.want, "busy") && !errors.Is(err, busy) {
						t.Errorf("%v does not match the cause", err)
					}
				})
			})
		}
	}
}

// In real time, a context of a nanosecond has ended when it is made, and nothing
// is sent.
func TestTimeout_saysWhoseOfNanosecond(t *testing.T) {
	_, err := get(t, client.Client{Timeout: 1}, "http://127.0.0.1/")
	want := `Get "http://127.0.0.1/": request not sent: context deadline exceeded (Timeout of 1ns)`
	if err == nil || err.Error() != want {
		t.Errorf("Response() error = %v\nwant %s", err, want)
	}
}

// The Timeout of a request ends a block that is opened with its context: to the
// requests of that block, it is the deadline of their block's context, even if
// they have a longer Timeout.
func TestTimeout_saysWhoseInNestedBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(slow))
		var inner error
		c := client.Client{HTTP: s.Client(), Timeout: 300 * ms, Auth: func(r *http.Request) error {
			tokens := client.Client{HTTP: s.Client(), Timeout: 400 * ms}
			return tokens.Parallel(r.Context(), func(p *parallel.Parallel) error {
				_, inner = p.Get("http://tokens/?head=999999999").Response()
				return inner
			})
		}}
		_, outer := get(t, c, "http://h/")
		for err, want := range map[error]string{
			inner: `Get "http://tokens/?head=999999999": context deadline exceeded (deadline of the block's context)`,
			outer: `Get "http://h/": request not sent: context deadline exceeded (Timeout of 300ms)`,
		} {
			if err == nil || err.Error() != want {
				t.Errorf("Response() error = %v\nwant %s", err, want)
			}
		}
	})
}

// twice retries once.
func twice(a parallel.Attempt) (time.Duration, bool) { return 0, a.N < 2 }

package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests faults on the client's side of the network, in fake time:
// those of a transport, and those of a request's body.

var errOwn = errors.New("an error of the test")

// A failing is the end of a body: its Read fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An endsWith is a body that ends, without an error, when the context ends.
type endsWith struct{ context.Context }

func (b endsWith) Read([]byte) (int, error) { <-b.Done(); return 0, io.EOF }

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic(errOwn) }

// A closeless is a body that is whole, and whose Close fails.
type closeless struct{ io.Reader }

func (closeless) Close() error { return errOwn }

// half returns an option with a body whose second half is then. To close the
// body closes then.
func half(then io.ReadCloser) parallel.Option {
	return func(r *parallel.Request) error {
		err := parallel.Body("", struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader("half a body"), then), then})(r)
		r.ContentLength = 20
		return err
	}
}

func TestFaultOnOurSide(t *testing.T) {
	const never = 1000 * time.Hour
	answer := func(body io.ReadCloser) *http.Response {
		return &http.Response{StatusCode: 200, Header: make(http.Header), ContentLength: -1, Body: body}
	}
	whole := func() io.ReadCloser { return closeless{strings.NewReader(testnet.Healthy)} }
	cases := map[string]struct {
		transport roundTrip                // for this request; nil: net/http's
		body      func() []parallel.Option // of a POST; nil: a GET
		timeout   time.Duration
		leave     bool // the block ends after a second, with the request in flight

		want   verdict // nil: a response
		raised bool    // the panic is raised, so the others are canceled
		takes  time.Duration
	}{
		"ignores its context for 5s": {transport: func(r *http.Request) (*http.Response, error) {
			<-time.After(5 * time.Second)
			return nil, r.Context().Err()
		}, leave: true, want: is(context.Canceled), takes: 5 * time.Second},
		// A server that notices a cancellation may end its response properly,
		// and that may arrive. Half a body must not pass for a success. (Over
		// TLS, net/http reads on while it closes.)
		"answers as the block ends": {transport: func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return answer(whole()), nil
		}, leave: true, want: is(context.Canceled), takes: time.Second},
		"ends its body as the block ends": {transport: func(r *http.Request) (*http.Response, error) {
			return answer(closeless{endsWith{r.Context()}}), nil
		}, leave: true, want: is(context.Canceled), takes: time.Second},
		"ends its body as it times out": {transport: func(r *http.Request) (*http.Response, error) {
			return answer(closeless{endsWith{r.Context()}}), nil
		}, timeout: 2 * time.Second, want: is(context.DeadlineExceeded), takes: 2 * time.Second},
		"panics":                  {transport: func(*http.Request) (*http.Response, error) { panic(errOwn) }, want: is(errOwn), raised: true},
		"calls Goexit":            {transport: func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }, want: says("Goexit")},
		"returns nil and nil":     {transport: func(*http.Request) (*http.Response, error) { return nil, nil }, want: says("neither a response nor an error")},
		"a response and an error": {transport: func(*http.Request) (*http.Response, error) { return answer(whole()), errOwn }, want: is(errOwn)},
		"fails on Close":          {transport: func(*http.Request) (*http.Response, error) { return answer(whole()), nil }},
		"a body that fails": {transport: func(*http.Request) (*http.Response, error) {
			return answer(closeless{io.MultiReader(strings.NewReader("short"), failing{errOwn})}), nil
		}, want: is(errOwn)},
		"a body that panics": {transport: func(*http.Request) (*http.Response, error) {
			return answer(closeless{panicking{}}), nil
		}, want: is(errOwn), raised: true},

		"an upload that blocks, block ended": {body: func() []parallel.Option {
			r, _ := io.Pipe()
			return []parallel.Option{half(r)}
		}, leave: true, want: is(context.Canceled), takes: time.Second},
		"an upload that blocks, timed out": {body: func() []parallel.Option {
			r, _ := io.Pipe()
			return []parallel.Option{half(r)}
		}, timeout: 2 * time.Second, want: is(context.DeadlineExceeded), takes: 2 * time.Second},
		"an upload that fails half-way":  {body: func() []parallel.Option { return []parallel.Option{half(io.NopCloser(failing{errOwn}))} }, want: is(errOwn)},
		"an upload that panics half-way": {body: func() []parallel.Option { return []parallel.Option{half(io.NopCloser(panicking{}))} }, want: is(errOwn), raised: true},
		"an upload that ends half-way": {body: func() []parallel.Option { return []parallel.Option{half(io.NopCloser(failing{io.EOF}))} },
			// net/http closes the connection, and its reader may be the first
			// to report that.
			want: either(says("ContentLength=20 with Body length 11"), is(io.ErrClosedPipe))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := testnet.NewFaulty()
				defer f.Release()
				s := testnet.New(t, f)
				var inside atomic.Int64
				c := client.Client{Timeout: tc.timeout, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					inside.Add(1)
					defer inside.Add(-1)
					if tc.transport != nil && r.URL.Path == "/reads" {
						return tc.transport(r)
					}
					return s.Transport.RoundTrip(r)
				})}}
				const asked = "http://somebody:secret@h/reads"
				var h *pending.Pending
				var healthy []*pending.Pending
				start := time.Now()
				var err error
				raised := panics.Try(func() {
					err = c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						for range companions {
							healthy = append(healthy, p.Get("http://h/held", parallel.Timeout(never)))
						}
						synctest.Wait()
						if tc.body != nil {
							h = p.Post(asked, tc.body()...)
						} else {
							h = p.Get(asked)
						}
						if tc.leave {
							<-time.After(time.Second)
							return nil
						}
						<-h.Done()
						if !tc.raised { // the panic has canceled the others
							f.Release()
						}
						for _, other := range healthy {
							b, err := other.Bytes()
							if tc.raised && !errors.Is(err, context.Canceled) || !tc.raised && string(b) != testnet.Held {
								t.Errorf("a healthy request: Bytes() = %q, %v; want it whole, unless the panic was raised", b, err)
							}
						}
						return nil
					})
				})
				if n := inside.Load(); n != 0 {
					t.Errorf("%d RoundTrips are open after the block has ended, want 0", n)
				}
				if d := time.Since(start); d != tc.takes {
					t.Errorf("the block took %v, want %v", d, tc.takes)
				}
				if (raised != nil) != tc.raised || raised != nil && raised.Value.(*panics.Recovered).Value != errOwn {
					t.Errorf("raised %v, want a panic: %v", raised, tc.raised)
				}
				if err != nil {
					t.Errorf("Parallel: %v", err)
				}
				judge(t, h, tc.want, tc.body != nil)
				if b, err := get(t, c, "http://h/healthy"); err != nil || body(t, b) != testnet.Healthy {
					t.Errorf("a healthy request after the fault: %v", err)
				}
			})
		})
	}
}

// judge checks the result of a request for http://h/reads: its error, or the
// whole body.
func judge(t *testing.T, h *pending.Pending, want verdict, post bool) {
	t.Helper()
	b, err := h.Bytes()
	if want == nil {
		if err != nil || string(b) != testnet.Healthy {
			t.Errorf("Bytes() = %q, %v; want the whole body", b, err)
		}
		return
	}
	op := "Get"
	if post {
		op = "Post"
	}
	var ue *url.Error
	if err == nil || !want(err) || !errors.As(err, &ue) || ue.Op != op || ue.URL != "http://somebody:xxxxx@h/reads" {
		t.Errorf("Bytes() = %q, %v; the error is of the wrong kind, or not of %s", b, err, op)
	}
	if errors.Is(err, pending.ErrNotSent) {
		t.Errorf("the request came to the transport, but its error matches ErrNotSent: %v", err)
	}
}

// The body comes at one byte every 100 ms. The Timeout covers it to its last
// byte, to the nanosecond, and a part of it is not a success.
func TestDrip(t *testing.T) {
	for path, tc := range map[string]struct {
		takes time.Duration
		ok    bool
	}{
		"/drip?n=9":    {900 * time.Millisecond, true},
		"/drip?n=1000": {time.Second, false},
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, testnet.NewFaulty())
				c := client.Client{HTTP: s.Client(), Timeout: time.Second}
				start := time.Now()
				resp, err := get(t, c, "http://h"+path)
				if d := time.Since(start); d != tc.takes {
					t.Errorf("it took %v, want %v", d, tc.takes)
				}
				if tc.ok && (err != nil || body(t, resp) != strings.Repeat("x", 9)) || !tc.ok && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %v, want success: %v", err, tc.ok)
				}
			})
		})
	}
}

// Promises 15 and 16: a body that ends as http.Client's own Timeout ends fails
// as well, although the block does not see that Timeout.
func TestHTTPTimeout_truncatedBodyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: closeless{endsWith{r.Context()}}, Request: r}, nil
		})
		c := client.Client{HTTP: &http.Client{Transport: transport, Timeout: 2 * time.Second}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			judge(t, p.Get("http://somebody:secret@h/reads"), is(context.DeadlineExceeded), false)
			return nil
		})
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("it took %v, want 2s", d)
		}
	})
}

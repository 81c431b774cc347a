package parallel_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

var (
	errCallerLeft = errors.New("the caller left")
	errOwnEnded   = errors.New("the request's own context ended")
)

// A contextEnd is a way in which the context of a request in flight ends, one
// second after it was sent.
type contextEnd struct {
	opts       []parallel.Option
	end        func(h *pending.Pending, caller, own context.CancelCauseFunc)
	own        bool // only for a request with a context of its own
	err, cause error
}

var contextEnds = map[string]contextEnd{
	"the block ends": {
		end: func(*pending.Pending, context.CancelCauseFunc, context.CancelCauseFunc) {},
		err: context.Canceled, cause: parallel.ErrEnded,
	},
	"Cancel": {
		end: func(h *pending.Pending, _, _ context.CancelCauseFunc) { h.Cancel(); <-h.Done() },
		err: context.Canceled, cause: context.Canceled,
	},
	"the caller's context ends": {
		end: func(h *pending.Pending, caller, _ context.CancelCauseFunc) { caller(errCallerLeft); <-h.Done() },
		err: context.Canceled, cause: errCallerLeft,
	},
	"its own context ends": {
		end: func(h *pending.Pending, _, own context.CancelCauseFunc) { own(errOwnEnded); <-h.Done() },
		own: true,
		err: context.Canceled, cause: errOwnEnded,
	},
	"Timeout": {
		opts: []parallel.Option{parallel.Timeout(time.Second)},
		end:  func(h *pending.Pending, _, _ context.CancelCauseFunc) { <-h.Done() },
		err:  context.DeadlineExceeded, cause: context.DeadlineExceeded,
	},
	"Stall": {
		opts: []parallel.Option{parallel.Stall(time.Second)},
		end:  func(h *pending.Pending, _, _ context.CancelCauseFunc) { <-h.Done() },
		err:  context.Canceled, cause: context.DeadlineExceeded,
	},
}

// A foreignContext is a context of a type that package context does not know.
type foreignContext struct{ context.Context }

func (foreignContext) Value(any) any { return nil }

// contextChildren make what a transport makes of the context of a request.
var contextChildren = map[string]func(context.Context) context.Context{
	"itself":     func(ctx context.Context) context.Context { return ctx },
	"WithValue":  withValue,
	"WithCancel": withCancel,
	"WithTimeout": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		context.AfterFunc(ctx, cancel)
		return ctx
	},
	"WithCancel of WithValue":      func(ctx context.Context) context.Context { return withCancel(withValue(ctx)) },
	"WithCancel of a foreign type": func(ctx context.Context) context.Context { return withCancel(foreignContext{ctx}) },
}

func withValue(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextChildKey{}, "a value")
}

func withCancel(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, cancel)
	return ctx
}

type contextChildKey struct{}

// The context of a request and its children end with the request, at once and
// for the right cause, and AfterFunc runs then. A context of a foreign type that
// has no values hides the cause, as it does anywhere.
func TestContext_children(t *testing.T) {
	for name, tc := range contextEnds {
		for _, own := range []bool{false, true} {
			if tc.own && !own {
				continue
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					type ended struct {
						Err, Cause error
						After      time.Duration // when AfterFunc ran
					}
					var mu sync.Mutex
					got := make(map[string]ended)
					checkEnd(t, tc, own, roundTrip(func(r *http.Request) (*http.Response, error) {
						sent := time.Now()
						for name, child := range contextChildren {
							ctx := child(r.Context())
							context.AfterFunc(ctx, func() {
								mu.Lock()
								defer mu.Unlock()
								got[name] = ended{ctx.Err(), context.Cause(ctx), time.Since(sent)}
							})
						}
						<-r.Context().Done()
						return nil, errRefused
					}))
					synctest.Wait()
					want := make(map[string]ended)
					for name := range contextChildren {
						want[name] = ended{tc.err, tc.cause, time.Second}
					}
					want["WithCancel of a foreign type"] = ended{tc.err, tc.err, time.Second}
					mu.Lock()
					defer mu.Unlock()
					if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
						t.Errorf("with a context of its own: %v (-want +got):\n%s", own, diff)
					}
				})
			})
		}
	}
}

// net/http sends a request with a child of its context, and returns the cause
// of that as its error.
func TestContext_childOfNetHTTP(t *testing.T) {
	for name, tc := range contextEnds {
		for _, own := range []bool{false, true} {
			if tc.own && !own {
				continue
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
					var got error
					checkEnd(t, tc, own, roundTrip(func(r *http.Request) (*http.Response, error) {
						resp, err := srv.Transport.RoundTrip(r)
						got = err
						return resp, err
					}))
					if !errors.Is(got, tc.cause) {
						t.Errorf("with a context of its own: %v: net/http's error is %v, want %v", own, got, tc.cause)
					}
				})
			})
		}
	}
}

// checkEnd sends one request, and ends it after a second. It checks the error
// of the request.
func checkEnd(t *testing.T, tc contextEnd, own bool, transport http.RoundTripper) {
	t.Helper()
	caller, endCaller := context.WithCancelCause(t.Context())
	ofRequest, endOwn := context.WithCancelCause(context.Background())
	defer endOwn(nil)
	c := client.Client{HTTP: &http.Client{Transport: transport}}
	var h *pending.Pending
	c.Parallel(caller, func(p *parallel.Parallel) error {
		if own {
			h = p.Do(httpGet(ofRequest, "http://h/"), tc.opts...)
		} else {
			h = p.Get("http://h/", tc.opts...)
		}
		if tc.opts == nil {
			<-time.After(time.Second)
		}
		tc.end(h, endCaller, endOwn)
		return nil
	})
	if err := failure(t, h); !errors.Is(err, tc.cause) {
		t.Errorf("the error of the request is %v, want %v", err, tc.cause)
	}
}

// The context of a request has ended once the request is done. A function that
// was stopped before does not run.
func TestContext_afterDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ctx context.Context
		var ran, stopped bool
		c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			ctx = r.Context()
			context.AfterFunc(ctx, func() { ran = true })
			stop := context.AfterFunc(ctx, func() { t.Error("a function ran that was stopped") })
			stopped = stop()
			return &http.Response{StatusCode: 200}, nil
		})}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if ctx.Err() != context.Canceled || !ran || !stopped {
				t.Errorf("Err() = %v, the function ran: %v, the other was stopped: %v; want Canceled, true, true", ctx.Err(), ran, stopped)
			}
			return nil
		})
	})
}

// The deadline that a transport sees is that of the block's context, that of the
// request's own, or that of Timeout, which starts after Wait.
func TestContext_deadline(t *testing.T) {
	const none = -time.Second
	for name, tc := range map[string]struct {
		timeout, caller, own, want time.Duration
	}{
		"the default":           {0, none, none, 31 * time.Second},
		"Timeout":               {10 * time.Second, none, none, 11 * time.Second},
		"no Timeout":            {none, none, none, none},
		"the caller's":          {none, 7 * time.Second, none, 7 * time.Second},
		"the caller's is first": {10 * time.Second, 7 * time.Second, none, 7 * time.Second},
		"Timeout is first":      {3 * time.Second, 7 * time.Second, none, 4 * time.Second},
		"its own":               {none, none, 7 * time.Second, 7 * time.Second},
		"its own is first":      {10 * time.Second, 9 * time.Second, 7 * time.Second, 7 * time.Second},
		"its own is last":       {3 * time.Second, 7 * time.Second, 9 * time.Second, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				in := func(ctx context.Context) time.Duration {
					deadline, ok := ctx.Deadline()
					if !ok {
						return none
					}
					return deadline.Sub(start)
				}
				got := make(map[string]time.Duration)
				c := client.Client{
					Timeout: tc.timeout,
					Wait: func(r *http.Request) error {
						got["Wait"] = in(r.Context())
						<-time.After(time.Second)
						return nil
					},
					HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						got["RoundTrip"] = in(r.Context())
						child, cancel := context.WithTimeout(r.Context(), time.Hour)
						defer cancel()
						got["child"] = in(child)
						return &http.Response{StatusCode: 200}, nil
					})},
				}
				caller := t.Context()
				if tc.caller > 0 {
					var cancel context.CancelFunc
					caller, cancel = context.WithTimeout(caller, tc.caller)
					defer cancel()
				}
				own, waits := t.Context(), tc.caller
				if tc.own > 0 {
					var cancel context.CancelFunc
					own, cancel = context.WithTimeout(own, tc.own)
					defer cancel()
					if waits == none || tc.own < waits {
						waits = tc.own
					}
				}
				req, err := http.NewRequestWithContext(own, http.MethodGet, "http://h/", nil)
				if err != nil {
					t.Fatal(err)
				}
				c.Parallel(caller, func(p *parallel.Parallel) error {
					if _, err := p.Do(req).Response(); err != nil {
						t.Error(err)
					}
					return nil
				})
				want := map[string]time.Duration{"Wait": waits, "RoundTrip": tc.want, "child": tc.want}
				if tc.want == none {
					want["child"] = time.Second + time.Hour
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("deadlines after the start (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// As with net/http, the hooks of httptrace in the context of a request are
// called: those of its own context, or else those of the block's.
func TestContext_httptrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		c := client.Client{HTTP: s.Client()}
		got := make(map[string]int)
		counts := func(whose string) context.Context {
			return httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { got[whose]++ },
			})
		}
		own, err := http.NewRequestWithContext(counts("own"), http.MethodGet, "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Parallel(counts("block"), func(p *parallel.Parallel) error {
			p.Get("http://h/").Response()
			p.Get("http://h/", parallel.Timeout(time.Second)).Response()
			p.Do(own).Response()
			return nil
		})
		if diff := cmp.Diff(map[string]int{"block": 2, "own": 1}, got); diff != "" {
			t.Errorf("connections that each trace saw (-want +got):\n%s", diff)
		}
	})
}

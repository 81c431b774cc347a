package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// serve returns a client of a server that responds "ok" after it has read the
// request. /redirect redirects there. /slow responds only when its request is
// canceled.
func serve(t testing.TB) client.Client {
	s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			io.WriteString(w, "ok")
		}
	}))
	return client.Client{HTTP: s.Client(), BaseURL: "http://any"}
}

// waysOut are the ways in which a block's function can end.
var waysOut = []struct {
	name string
	out  func() error
	want departure
}{
	{"return", func() error { return nil }, departure{returned: true}},
	{"an error", func() error { return io.EOF }, departure{returned: true, err: io.EOF}},
	{"a panic", func() error { panic("out") }, departure{raised: "out"}},
	{"runtime.Goexit", func() error { runtime.Goexit(); return nil }, departure{}},
}

// Promise 1: however fn ends, the requests in flight are canceled, and the
// block waits until none of them is inside the HTTP client.
func TestEnd_cancelsAndWaits(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var transport slow
				c := client.Client{HTTP: &http.Client{Transport: &transport}}
				start := time.Now()
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						for range 5 {
							p.Get("http://any/")
						}
						p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://any/").Response() })
						<-time.After(time.Second)
						return way.out()
					})
				})
				if entered, left := transport.entered.Load(), transport.left.Load(); entered != 6 || left != 6 {
					t.Errorf("%d of %d RoundTrips have returned, want 6 of 6", left, entered)
				}
				if d := time.Since(start); d != 4*time.Second {
					t.Errorf("the block took %v, want 4s: 1s of fn, and 3s until the transport returned", d)
				}
				if got != way.want {
					t.Errorf("Parallel ended with %+v, want %+v", got, way.want)
				}
			})
		})
	}
}

// Promise 1: requests are canceled immediately, and the server sees it.
func TestEnd_serverSeesCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, canceled atomic.Int64
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun.Add(1)
			select {
			case <-r.Context().Done():
				canceled.Add(1)
			case <-time.After(time.Hour):
			}
		}))
		c := client.Client{HTTP: s.Client(), Timeout: -1}
		start := time.Now()
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range 5 {
				p.Get("http://any/")
			}
			<-time.After(time.Second)
			return nil
		})
		if d := time.Since(start); err != nil || d != time.Second {
			t.Errorf("Parallel() = %v after %v; want nil after 1s", err, d)
		}
		synctest.Wait()
		if begun.Load() != 5 || canceled.Load() != 5 {
			t.Errorf("the server saw %d requests, and %d canceled; want 5 and 5", begun.Load(), canceled.Load())
		}
	})
}

// Promise 1: the block waits for the user code that a request runs, of each
// kind.
func TestEnd_waitsForUserCode(t *testing.T) {
	for _, at := range places {
		if at.upload || at.caller {
			continue // the block waits for it at a mutex, where fake time does not advance, and does not start it
		}
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				var ctx context.Context
				var running, over atomic.Bool
				start := at.start(&c, func() {
					running.Store(true)
					<-ctx.Done()
					<-time.After(3 * time.Second)
					over.Store(true)
				})
				began := time.Now()
				err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					ctx = p.Context()
					start(p)
					synctest.Wait()
					if !running.Load() {
						t.Error("the user code is not running")
					}
					return nil
				})
				if d := time.Since(began); err != nil || d != 3*time.Second || !over.Load() {
					t.Errorf("Parallel() = %v after %v, the user code has returned: %v; want nil after 3s, true", err, d, over.Load())
				}
			})
		})
	}
}

// Promise 1: fn runs on the goroutine that called Parallel.
func TestFn_callersGoroutine(t *testing.T) {
	goroutine := func() string {
		b := make([]byte, 64)
		id, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), "[")
		return id
	}
	var in string
	client.Parallel(t.Context(), func(*parallel.Parallel) error {
		in = goroutine()
		return nil
	})
	if out := goroutine(); in != out {
		t.Errorf("fn ran on %s, want %s of its caller", in, out)
	}
}

// A nil argument panics at once.
func TestRun_nilArgumentsPanic(t *testing.T) {
	var none context.Context
	for _, nils := range []struct {
		what string
		open func() error
	}{
		{"a context", func() error {
			return client.Parallel(none, func(*parallel.Parallel) error { t.Error("fn was called"); return nil })
		}},
		{"a function", func() error { return client.Parallel(t.Context(), nil) }},
	} {
		got, _ := depart(nils.open).raised.(string)
		if !strings.Contains(got, "needs "+nils.what) || !strings.Contains(got, "nil") {
			t.Errorf("Parallel without %s panicked with %q, want a sentence that says so", nils.what, got)
		}
	}
}

// An incomparable is an error that cannot be compared with ==. Comparing it
// panics.
type incomparable []string

func (e incomparable) Error() string { return strings.Join(e, " ") }

// Promise 2: Parallel returns fn's error unchanged.
func TestFn_errorUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		var want error
		got := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, want = p.Get("no scheme://").Response()
			p.Get("/slow")
			return want
		})
		if want == nil || got != want {
			t.Errorf("Parallel() = %#v, want the same value that fn returned, %#v", got, want)
		}
		got = c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("/slow")
			return incomparable{"not", "found"}
		})
		if diff := cmp.Diff(incomparable{"not", "found"}, got); diff != "" {
			t.Errorf("Parallel() (-want +got):\n%s", diff)
		}
	})
}

// Promise 2: the failure of a request is not reported if nobody requests its
// result.
func TestFailure_unclaimedIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			failing := []*pending.Pending{
				p.Get("ftp://any/"),
				p.Get("http://any/", func(*parallel.Request) error { return io.EOF }),
				p.Get("/slow", parallel.Timeout(time.Second)),
				p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, io.EOF }),
				p.Do(nil),
			}
			for _, h := range failing {
				<-h.Done()
			}
			p.Get("/slow") // fails when the block ends
			return nil
		})
		if err != nil {
			t.Errorf("Parallel() = %v, want nil", err)
		}
	})
}

// isEnded fails the test unless err is the error of a request that was pending
// when its block ended.
func isEnded(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, parallel.ErrEnded) || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: error = %v, want ErrEnded and context.Canceled", what, err)
	}
}

// Promise 4: a handle remains usable after its block has ended.
func TestHandle_outlivesItsBlock(t *testing.T) {
	if !errors.Is(parallel.ErrEnded, context.Canceled) {
		t.Error("errors.Is(ErrEnded, context.Canceled) = false, want true")
	}
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		c.Limit = 2
		var answered, unread *pending.Pending
		open := make(map[string]*pending.Pending)
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			answered, unread = p.Get("/a"), p.Get("/b")
			text(t, answered)
			<-unread.Done()
			open["in flight"] = p.Get("/slow")
			open["in flight, with a context of its own"] = p.Do(httpGet(context.WithValue(t.Context(), key{}, 1), "/slow"))
			open["queued"] = p.Get("/c")
			open["delayed"] = p.Get("/d", parallel.After(time.Hour))
			open["Go"] = p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/e").Response() })
			open["Race"] = pending.Race(p.Get("/slow"), p.Get("/f"))
			synctest.Wait()
			return nil
		})
		for _, h := range []*pending.Pending{answered, unread, answered} {
			if got := text(t, h); got != "ok" {
				t.Errorf("body = %q after the end of the block, want ok", got)
			}
		}
		for name, h := range open {
			select {
			case <-h.Done():
			default:
				t.Errorf("%s: the handle is not done", name)
			}
			h.Cancel()
			_, err := h.Response()
			isEnded(t, name, err)
			_, err = h.Bytes()
			isEnded(t, name, err)
			isEnded(t, name, h.JSON(new(any)))
		}
	})
}

type key struct{}

func httpGet(ctx context.Context, url string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	return r
}

// Promise 4: a request made on a block that has ended fails and is not sent.
// This holds as well for the block of a Go function that ended within an open
// block.
func TestEnd_laterRequestsFailUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent.Add(1)
			return nil, io.EOF
		})}}
		check := func(t *testing.T, p *parallel.Parallel) {
			if p.Context().Err() == nil {
				t.Error("the block's context has not ended")
			}
			get := func(int) *pending.Pending { return p.Get("http://any/") }
			made := map[string]*pending.Pending{
				"Get":                 get(0),
				"Post":                p.Post("http://any/", parallel.JSON(1)),
				"Do":                  p.Do(httpGet(context.Background(), "http://any/")),
				"with an own context": p.Do(httpGet(context.WithValue(t.Context(), key{}, 1), "http://any/")),
				"with After":          p.Get("http://any/", parallel.After(time.Hour)),
				"Race":                pending.Race(get(0), get(0)),
				"Race, delayed":       pending.Race(get(0), p.Get("http://any/", parallel.After(time.Second))),
				"Go": p.Go(func(*parallel.Parallel) (*http.Response, error) {
					sent.Add(1)
					return nil, nil
				}),
			}
			for name, h := range made {
				isEnded(t, name, failure(t, h))
				if _, err := h.Response(); !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("%s: error = %v, want ErrNotSent", name, err)
				}
			}
			var items []int
			for i, h := range parallel.Each(p, slices.Values([]int{0, 1}), get) {
				items = append(items, i)
				isEnded(t, "Each", failure(t, h))
			}
			for i, h := range parallel.Ordered(p, slices.Values([]int{2, 3}), get) {
				items = append(items, i)
				isEnded(t, "Ordered", failure(t, h))
			}
			if diff := cmp.Diff([]int{0, 1, 2, 3}, items); diff != "" {
				t.Errorf("items after the end (-want +got):\n%s", diff)
			}
			if _, err := p.Next(); err != parallel.ErrNonePending {
				t.Errorf("Next() error = %v with all handles claimed, want ErrNonePending", err)
			}
			get(0)
			get(0)
			for range 2 {
				if !p.HasPending() {
					t.Error("HasPending() = false, want true")
				}
				_, err := p.Next()
				isEnded(t, "Next", err)
			}
			if _, err := p.Next(); err != parallel.ErrNonePending || p.HasPending() {
				t.Errorf("Next() error = %v and HasPending() = %v after the last handle; want ErrNonePending, false", err, p.HasPending())
			}
			if st := p.Stats(); st.Queued != 0 || st.InFlight != 0 {
				t.Errorf("Stats() = %+v, want nothing queued or in flight", st)
			}
		}

		var kept, inner *parallel.Parallel
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			kept = p
			text(t, p.Go(func(p *parallel.Parallel) (*http.Response, error) { inner = p; return nil, nil }))
			check(t, inner)
			if p.Context().Err() != nil {
				t.Error("the outer block has ended with the inner one")
			}
			return nil
		})
		check(t, kept)
		if cause := context.Cause(kept.Context()); cause != parallel.ErrEnded {
			t.Errorf("context.Cause() of the block's context = %v, want ErrEnded", cause)
		}

		// The same holds if the caller's context ended first, with its own
		// cause.
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errOwn)
		defer cancel()
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			kept = p
			<-p.Context().Done()
			return nil
		})
		check(t, kept)
		synctest.Wait()
		if n := sent.Load(); n != 0 {
			t.Errorf("%d requests were sent or functions run, want 0", n)
		}
	})
}

// Promises 4 and 11: a Race belongs to the block of its first racer and ends
// with it, even if its other racers go on.
func TestEnd_laterRaceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var inner *parallel.Parallel
			text(t, p.Go(func(p *parallel.Parallel) (*http.Response, error) { inner = p; return nil, nil }))
			start := time.Now()
			other := p.Get("/slow")
			isEnded(t, "Race", failure(t, pending.Race(inner.Get("/ok"), other)))
			if err := failure(t, other); !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
				t.Errorf("the other racer: error = %v after %v, want context.Canceled at once", err, time.Since(start))
			}
			return nil
		})
	})
}

// Promise 4: after the end, Next returns the unclaimed results, responses and
// failures.
func TestNext_afterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		var kept *parallel.Parallel
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			kept = p
			<-p.Get("/ok").Done()
			p.Get("/slow")
			text(t, p.Get("/claimed"))
			return nil
		})
		resp, err := kept.Next()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("Next() = %v, %v; want the response that was complete", resp, err)
		}
		_, err = kept.Next()
		isEnded(t, "Next", err)
		if _, err := kept.Next(); err != parallel.ErrNonePending {
			t.Errorf("Next() error = %v, want ErrNonePending", err)
		}
	})
}

var errOwn = errors.New("the caller's own cause")

// foreign is a context of a type that package context does not know.
type foreign struct{ context.Context }

func (f foreign) Done() <-chan struct{} { return f.Context.Done() }
func (f foreign) Value(any) any         { return nil }

// callersEnds are the ways in which a caller's context ends after one second.
var callersEnds = []struct {
	name    string
	context func(context.Context) (context.Context, context.CancelFunc)
	want    []error // targets that the errors of the other requests match
	timeout bool
}{
	{"cancel", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	}, []error{context.Canceled}, false},
	{"cancel with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errOwn) })
		return ctx, func() { cancel(nil) }
	}, []error{context.Canceled, errOwn}, false},
	{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}, []error{context.DeadlineExceeded}, true},
	{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, time.Second, errOwn)
	}, []error{context.DeadlineExceeded, errOwn}, true},
	{"cancel of a foreign context", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return foreign{ctx}, cancel
	}, []error{context.Canceled}, false},
}

// Promise 5: when the caller's context ends, every request that is not done
// fails. The transport ignores its context for three seconds, with two requests
// that hold the slots. Requests without a slot must not wait for that.
func TestContext_callersEnd(t *testing.T) {
	for _, end := range callersEnds {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ignorant slow
				c := serve(t)
				next := c.HTTP.Transport
				c.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/ignorant" {
						return ignorant.RoundTrip(r)
					}
					return next.RoundTrip(r)
				})
				c.Limit = 2
				ctx, cancel := end.context(t.Context())
				defer cancel()
				start := time.Now()
				err := c.Parallel(ctx, func(p *parallel.Parallel) error {
					done := p.Get("/ok")
					text(t, done)
					inFlight := []*pending.Pending{p.Get("/slow"), p.Get("/ignorant")}
					prompt := append(inFlight[:1:1],
						p.Get("/queued"),
						p.Do(httpGet(context.WithValue(t.Context(), key{}, 1), "/queued")),
						p.Get("/delayed", parallel.After(time.Hour)),
						p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/queued").Response() }),
						pending.Race(p.Get("/queued"), p.Get("/queued")),
					)
					for i, h := range prompt {
						isEndOf(t, end.want, end.timeout, failure(t, h))
						if d := time.Since(start); d != time.Second {
							t.Errorf("handle %d was done after %v, want 1s", i, d)
						}
					}
					for name, h := range map[string]*pending.Pending{
						"Get":   p.Get("/late"),
						"After": p.Get("/late", parallel.After(time.Second)),
						"Go":    p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/late").Response() }),
					} {
						err := failure(t, h)
						isEndOf(t, end.want, end.timeout, err)
						if d := time.Since(start); d != time.Second || !errors.Is(err, pending.ErrNotSent) {
							t.Errorf("%s made after the end: error = %v after %v, want ErrNotSent after 1s", name, err, d)
						}
					}
					isEndOf(t, end.want, end.timeout, failure(t, inFlight[1]))
					if d := time.Since(start); d != 4*time.Second {
						t.Errorf("the transport that ignores its context ran for %v, want 4s", d)
					}
					if got := text(t, done); got != "ok" {
						t.Errorf("body of the request that was done = %q, want ok", got)
					}
					return io.EOF
				})
				if err != io.EOF {
					t.Errorf("Parallel() = %v, want fn's error", err)
				}
				for _, want := range []error{nil, io.EOF} {
					if err := c.Parallel(ctx, func(p *parallel.Parallel) error { return want }); err != want {
						t.Errorf("Parallel() on a context that has ended = %v, want fn's error %v", err, want)
					}
				}
			})
		})
	}
}

// isEndOf fails the test unless err matches all of want, and no other kind of
// end.
func isEndOf(t testing.TB, want []error, timeout bool, err error) {
	t.Helper()
	var got []error
	for _, e := range []error{context.Canceled, context.DeadlineExceeded, errOwn, parallel.ErrEnded} {
		if errors.Is(err, e) {
			got = append(got, e)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("error %v matches %v, want %v", err, got, want)
	}
	var te interface{ Timeout() bool }
	if is := errors.As(err, &te) && te.Timeout(); is != timeout {
		t.Errorf("error %v: Timeout() = %v, want %v", err, is, timeout)
	}
}

// Promise 7: requests may be made while responses are being read.
func TestGet_whileResponsesAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(100 * time.Millisecond)
			io.WriteString(w, r.URL.Path)
		}))
		c := client.Client{HTTP: s.Client(), Limit: 3}
		start := time.Now()
		var got []string
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://any/")
			for h := range p.Arrivals() {
				at := text(t, h)
				got = append(got, at)
				if len(at) < 3 {
					p.Get("http://any" + at + "a")
					p.Get("http://any" + at + "b")
				}
			}
			return nil
		})
		slices.Sort(got)
		if diff := cmp.Diff([]string{"/", "/a", "/aa", "/ab", "/b", "/ba", "/bb"}, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != 400*time.Millisecond {
			t.Errorf("the crawl took %v, want 400ms: one page, two pages, then three and one", d)
		}
	})
}

// Promises 4 and 7: a request that is made while the block ends is either
// canceled with the block, or fails as one made after the end. Each request is
// counted once.
func TestGet_concurrentWithTheEnd(t *testing.T) {
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int64
			c := client.Client{Limit: 2, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				sent.Add(1)
				select {
				case <-time.After(time.Millisecond):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})}}
			var makers sync.WaitGroup
			var mu sync.Mutex
			var made []*pending.Pending
			var kept *parallel.Parallel
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				kept = p
				for range 4 {
					makers.Go(func() {
						for {
							var hs []*pending.Pending
							hs = append(hs, p.Get("http://any/"), p.Get("http://any/", parallel.After(time.Millisecond)))
							hs = append(hs, pending.Race(p.Get("http://any/")))
							hs = append(hs, p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://any/").Response() }))
							mu.Lock()
							made = append(made, hs...)
							mu.Unlock()
							if _, err := hs[0].Response(); errors.Is(err, parallel.ErrEnded) {
								return
							}
							p.Stats()
							p.HasPending()
						}
					})
				}
				for range round {
					p.Next()
				}
				return nil
			})
			makers.Wait()
			synctest.Wait()
			answered := 0
			for i, h := range made {
				select {
				case <-h.Done():
				default:
					t.Fatalf("handle %d of %d is not done", i, len(made))
				}
				if _, err := h.Response(); err != nil {
					isEnded(t, fmt.Sprint("handle ", i), err)
					continue
				}
				answered++
			}
			st := kept.Stats()
			if st.Queued != 0 || st.InFlight != 0 || st.Done-st.Failed != answered {
				t.Errorf("Stats() = %+v, want nothing pending, and %d done without failure", st, answered)
			}
			if int64(answered) > sent.Load() {
				t.Errorf("%d responses of %d RoundTrips", answered, sent.Load())
			}
		})
	}
}

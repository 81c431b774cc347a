package parallel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests are of promise 25.

// A logbook is an observer that records the outcomes, by URL.
type logbook struct {
	mu       sync.Mutex
	observed []string // in order
	told     map[string][]pending.Outcome
}

func (l *logbook) observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	url := r.URL.String()
	l.observed = append(l.observed, r.Method+" "+url)
	return nil, func(o pending.Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.told == nil {
			l.told = make(map[string][]pending.Outcome)
		}
		l.told[url] = append(l.told[url], o)
	}
}

// outcome returns the outcome of the request for url, which must have been
// reported once.
func (l *logbook) outcome(t testing.TB, url string) pending.Outcome {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.told[url]); n != 1 {
		t.Fatalf("%d outcomes of %s, want 1", n, url)
	}
	return l.told[url][0]
}

// goroutine returns a name of the goroutine that calls it.
func goroutine() string {
	stack := make([]byte, 64)
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack, false)]), "[")
	return name
}

// Observe is called for every request before the method that makes it returns,
// even if the request fails at once.
func TestObserve_calledAsRequestIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		var l logbook
		var on []string
		c := client.Client{HTTP: s.Client(), Limit: 1, BaseURL: "http://h/v2", Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			on = append(on, goroutine())
			return l.observe(r)
		}}
		var made []*pending.Pending
		var ended *parallel.Parallel
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			ended = p
			given, err := http.NewRequest(http.MethodPut, "http://other/given", nil)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made,
				p.Get("in-flight"), p.Head("queued"), p.Post("delayed", parallel.After(time.Hour)), p.Do(given),
				p.Delete("../out"), p.Patch("option", refuse[*parallel.Request]), p.Options("http://h/%zz"), p.Do(nil))
			if n := len(on); n != len(made) {
				t.Errorf("%d requests were made and %d observed, want all", len(made), n)
			}
			return nil
		})
		made = append(made, ended.Get("late"))
		want := []string{
			"GET http://h/v2/in-flight", "HEAD http://h/v2/queued", "POST http://h/v2/delayed", "PUT http://other/given",
			"DELETE ../out", "PATCH http://h/v2/option", "OPTIONS http://h/%zz", "GET ", "GET http://h/v2/late",
		}
		if diff := cmp.Diff(want, l.observed); diff != "" {
			t.Errorf("observed requests (-want +got):\n%s", diff)
		}
		for i, g := range on {
			if g != goroutine() {
				t.Errorf("%s was observed on %s, want the goroutine that made it", want[i], g)
			}
		}
		for i, h := range made {
			_, err := h.Response()
			o := l.outcome(t, strings.SplitN(want[i], " ", 2)[1])
			if err == nil || o.Err != err {
				t.Errorf("the outcome of %s has the error %v, want %v of its handle", want[i], o.Err, err)
			}
		}
	})
}

// An Outcome has exact times, the number of bytes of the body, and the result
// of the handle.
func TestOutcome(t *testing.T) {
	const (
		latency  = 300 * time.Millisecond // until the header
		transfer = 500 * time.Millisecond // of the rest of the body
		pace     = 100 * time.Millisecond // of Wait
	)
	type times struct{ Made, Sent, Done time.Duration } // since the start; -1 means never
	cases := map[string]struct {
		client client.Client
		path   string
		opts   []parallel.Option
		after  time.Duration // when the request is made
		end    func(*pending.Pending)
		times  times
		status int
		bytes  int64
		is     error
	}{
		"success":      {path: "/", times: times{0, 0, latency + transfer}, status: 200, bytes: 9},
		"made later":   {path: "/", after: time.Second, times: times{time.Second, time.Second, time.Second + latency + transfer}, status: 200, bytes: 9},
		"not 2xx":      {path: "/404", times: times{0, 0, latency}, status: 404, bytes: 4},
		"with To":      {path: "/", opts: []parallel.Option{parallel.To(io.Discard)}, times: times{0, 0, latency + transfer}, status: 200, bytes: 9},
		"decompressed": {path: "/gzip", times: times{0, 0, latency}, status: 200, bytes: 10_000},
		"queued": {
			client: client.Client{Limit: 1}, path: "/",
			times: times{0, latency + transfer, 2 * (latency + transfer)}, status: 200, bytes: 9,
		},
		"After": {
			path: "/", opts: []parallel.Option{parallel.After(time.Minute)},
			times: times{0, time.Minute, time.Minute + latency + transfer}, status: 200, bytes: 9,
		},
		"Wait, which holds a slot": {
			client: client.Client{Wait: func(*http.Request) error { <-time.After(pace); return nil }}, path: "/",
			times: times{0, 0, pace + latency + transfer}, status: 200, bytes: 9,
		},
		"refused by Wait": {
			client: client.Client{Wait: func(*http.Request) error { <-time.After(pace); return errRefused }}, path: "/",
			times: times{0, 0, pace}, is: errRefused,
		},
		"timed out in the body": {
			path: "/", opts: []parallel.Option{parallel.Timeout(latency + 10*time.Millisecond)},
			times: times{0, 0, latency + 10*time.Millisecond}, bytes: 5, is: context.DeadlineExceeded,
		},
		"timed out in the body, to a writer": {
			path: "/", opts: []parallel.Option{parallel.To(io.Discard), parallel.Timeout(latency + 10*time.Millisecond)},
			times: times{0, 0, latency + 10*time.Millisecond}, bytes: 5, is: context.DeadlineExceeded,
		},
		"refused by an option": {path: "/", opts: []parallel.Option{refuse[*parallel.Request]}, times: times{0, -1, 0}, is: errRefused},
		"canceled in the queue": {
			client: client.Client{Limit: 1}, path: "/", end: func(h *pending.Pending) { <-time.After(pace); h.Cancel() },
			times: times{0, -1, pace}, is: context.Canceled,
		},
		"canceled before After": {
			path: "/", opts: []parallel.Option{parallel.After(time.Minute)}, end: func(h *pending.Pending) { <-time.After(pace); h.Cancel() },
			times: times{0, -1, pace}, is: context.Canceled,
		},
		"canceled in flight": {
			path: "/", end: func(h *pending.Pending) { <-time.After(pace); h.Cancel() },
			times: times{0, 0, pace}, is: context.Canceled,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(latency):
					case <-r.Context().Done():
						return
					}
					switch r.URL.Path {
					case "/404":
						w.WriteHeader(http.StatusNotFound)
						io.WriteString(w, "none")
					case "/gzip":
						w.Header().Set("Content-Encoding", "gzip")
						w.Write(gzipped(make([]byte, 10_000)))
					default:
						io.WriteString(w, "begin")
						http.NewResponseController(w).Flush()
						select {
						case <-time.After(transfer):
							io.WriteString(w, "-end")
						case <-r.Context().Done():
						}
					}
				}))
				var l logbook
				c := tc.client
				c.HTTP, c.Observe = s.Client(), l.observe
				start := time.Now()
				var h *pending.Pending
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					if c.Limit == 1 {
						p.Get("http://h/first")
					}
					if tc.after > 0 {
						<-time.After(tc.after)
					}
					h = p.Get("http://h"+tc.path, tc.opts...)
					if tc.end != nil {
						tc.end(h)
					}
					<-h.Done()
					return nil
				})
				o := l.outcome(t, "http://h"+tc.path)
				since := func(at time.Time) time.Duration {
					if at.IsZero() {
						return -1
					}
					return at.Sub(start)
				}
				if diff := cmp.Diff(tc.times, times{since(o.Made), since(o.Sent), since(o.Done)}); diff != "" {
					t.Errorf("times of the Outcome (-want +got):\n%s", diff)
				}
				if o.Bytes != tc.bytes {
					t.Errorf("Outcome.Bytes = %d, want %d", o.Bytes, tc.bytes)
				}
				resp, err := h.Response()
				if o.Err != err || !errors.Is(o.Err, tc.is) {
					t.Errorf("Outcome.Err = %v, and the handle's error = %v; want both %v", o.Err, err, tc.is)
				}
				switch {
				case tc.is != nil:
					if o.Response != nil || resp != nil {
						t.Errorf("Outcome.Response = %v beside an error, want nil", o.Response)
					}
				case o.Response == nil || o.Response.StatusCode != tc.status || resp.StatusCode != tc.status:
					t.Errorf("Outcome.Response = %v, want one of status %d", o.Response, tc.status)
				}
			})
		})
	}
}

// The function that Observe returned is called as the last step before the
// handle is done. The handle waits for it.
func TestObserve_endIsTheLastStep(t *testing.T) {
	ways := map[string][]parallel.Option{
		"sent": nil, "refused": {refuse[*parallel.Request]}, "waiting": {parallel.After(time.Hour)},
	}
	for name, opts := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
				var made ledger
				told := false
				c := client.Client{HTTP: s.Client(), Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
					return nil, func(pending.Outcome) {
						made.check(t, "when the function of Observe is called", 1)
						<-time.After(time.Second)
						told = true
					}
				}}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					start := time.Now()
					h := p.Post("http://h/", append([]parallel.Option{parallel.Body("", made.body("content"))}, opts...)...)
					if name == "waiting" {
						h.Cancel()
					}
					<-h.Done()
					if d := time.Since(start); d != time.Second || !told {
						t.Errorf("the handle was done after %v, the function of Observe called: %v; want 1s, true", d, told)
					}
					return nil
				})
			})
		})
	}
}

type observedKey string

// If a method of an error ended the goroutine after the last attempt, the
// observer was never told.
func TestObserve_goexitInError(t *testing.T) {
	for nth, ended := 1, true; ended; nth++ {
		ended = false
		calls, told := 0, 0
		err := &hostileError{cause: io.EOF, do: func() {
			if calls++; calls == nth {
				ended = true
				runtime.Goexit()
			}
		}}
		cfg := parallel.Config{
			Send:  func(*http.Request) (*http.Response, error) { return nil, err },
			Retry: every(0, 3),
			Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(pending.Outcome) { told++ }
			},
		}
		parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
			failure(t, p.Get("http://h/"))
			return nil
		})
		if told != 1 {
			t.Errorf("Goexit in call %d of a method of the error: the observer was told %d times, want 1", nth, told)
		}
	}
}

// The values of the context that Observe returns are visible while the request
// is sent, before those of the request's own and of the block's context. The
// end of that context has no effect.
func TestObserve_contextValues(t *testing.T) {
	values := func(ctx context.Context) (got []string) {
		for _, k := range []observedKey{"block", "own", "observer", "all", "block and own", "nobody's"} {
			v, _ := ctx.Value(k).(string)
			got = append(got, v)
		}
		return got
	}
	with := func(ctx context.Context, name string, keys ...observedKey) context.Context {
		for _, k := range keys {
			ctx = context.WithValue(ctx, k, name)
		}
		return ctx
	}
	block := with(t.Context(), "block", "block", "all", "block and own")
	own := with(t.Context(), "own", "own", "all", "block and own")
	gone, cancel := context.WithCancel(with(t.Context(), "observer", "observer", "all"))
	cancel()

	seen := map[string][]string{}
	c := client.Client{
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			seen["transport"] = values(r.Context())
			return &http.Response{StatusCode: 200}, nil
		})},
		Wait: func(r *http.Request) error { seen["Wait"] = values(r.Context()); return nil },
		Auth: func(r *http.Request) error { seen["Auth"] = values(r.Context()); return nil },
		Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			seen["Observe"] = values(r.Context())
			return gone, nil
		},
	}
	c.Parallel(block, func(p *parallel.Parallel) error {
		r, err := http.NewRequestWithContext(own, http.MethodGet, "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Do(r).Response(); err != nil {
			t.Errorf("error with an ended context of Observe = %v, want nil", err)
		}
		return nil
	})
	sent := []string{"block", "own", "observer", "observer", "own", ""}
	want := map[string][]string{
		"Observe":   {"block", "own", "", "own", "own", ""},
		"Wait":      sent,
		"Auth":      sent,
		"transport": sent,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("values of the contexts (-want +got):\n%s", diff)
	}
}

// Observe may return a nil context and a nil function.
func TestObserve_returnsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		c := client.Client{HTTP: s.Client(), Observe: func(*http.Request) (context.Context, func(pending.Outcome)) { return nil, nil }}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if got := text(t, p.Get("http://h/")); got != "hello" {
				t.Errorf("body = %q, want %q", got, "hello")
			}
			if _, err := p.Get("http://h/%zz").Response(); err == nil {
				t.Error("Response() of a bad URL has no error")
			}
			return nil
		})
	})
}

// Observe gets a copy of the request without a body, after the options were
// applied. Changes of the copy have no effect.
func TestObserve_requestIsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Method+" "+r.Host+r.URL.String()+" "+r.Header.Get("X-Own")+" ")
			io.Copy(w, r.Body)
		}))
		c := client.Client{HTTP: s.Client(), Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			if r.Body != nil || r.Header.Get("X-Own") != "own" || r.URL.RawQuery != "x=1" {
				t.Errorf("observed body %v, header %v, URL %v; want no body, and what the options set", r.Body, r.Header, r.URL)
			}
			r.Method, r.Host = "BREW", "elsewhere"
			r.URL.Path = "/changed"
			r.Header.Set("X-Own", "changed")
			return nil, nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Post("http://h/", parallel.Header("X-Own", "own"), parallel.Query("x", "1"), parallel.Body("", strings.NewReader("content")))
			if got, want := text(t, h), "POST h/?x=1 own content"; got != want {
				t.Errorf("the server received %q, want %q", got, want)
			}
			if r := h.Request(); r.Method != "POST" || r.Header.Get("X-Own") != "own" {
				t.Errorf("Request() = %v, want it unchanged", r)
			}
			return nil
		})
	})
}

// Go and Race are not observed; the requests in them are.
func TestObserve_requestsOfGoAndRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
		var l logbook
		c := client.Client{HTTP: s.Client(), Observe: l.observe}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			text(t, p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://h/go").Response() }))
			text(t, pending.Race(p.Get("http://h/race")))
			return nil
		})
		if diff := cmp.Diff([]string{"GET http://h/go", "GET http://h/race"}, l.observed); diff != "" {
			t.Errorf("observed requests (-want +got):\n%s", diff)
		}
	})
}

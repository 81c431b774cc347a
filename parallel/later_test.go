package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// Promise 28.

// A pacer is a Wait that returns Later(d) for a host until a time.
type pacer struct {
	start time.Time

	mu    sync.Mutex
	until map[string]time.Duration // since the start
	calls map[string]int
}

func newPacer(until map[string]time.Duration) *pacer {
	return &pacer{start: time.Now(), until: until, calls: make(map[string]int)}
}

func (w *pacer) wait(r *http.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[r.URL.Host]++
	return parallel.Later(w.until[r.URL.Host] - time.Since(w.start))
}

// arrivals returns when each request came to a server, as "host/path at".
type arrivals struct {
	start time.Time
	takes time.Duration
	mu    sync.Mutex
	log   []string
}

func (s *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, fmt.Sprintf("%v %s%s", time.Since(s.start), r.Host, r.URL.Path))
	s.mu.Unlock()
	time.Sleep(s.takes)
}

func readAllOf(p *parallel.Parallel) (failed []error) {
	for p.HasPending() {
		if _, err := p.Next(); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// Fifty requests to a paused host hold back nothing of another host, and cost
// one call of Wait.
func TestLater_otherHostsAreServed(t *testing.T) {
	for _, limit := range []int{1, 3, 100} {
		t.Run(fmt.Sprint("Limit ", limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPacer(map[string]time.Duration{"paused": time.Hour})
				s := &arrivals{start: w.start}
				c := client.Client{HTTP: testnet.New(t, s).Client(), Limit: limit, Wait: w.wait}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for i := range 50 {
						p.Get(fmt.Sprint("http://paused/", i))
					}
					for i := range 3 {
						if _, err := p.Get(fmt.Sprint("http://free/", i)).Response(); err != nil {
							t.Error(err)
						}
					}
					if took := time.Since(w.start); took != 0 {
						t.Errorf("the other host was served after %v; want at once", took)
					}
					synctest.Wait()
					if got := p.Stats(); got.Queued != 50 || got.InFlight != 0 {
						t.Errorf("Stats() = %+v; want 50 queued", got)
					}
					w.mu.Lock()
					calls := w.calls["paused"]
					w.mu.Unlock()
					if calls > limit {
						t.Errorf("Wait was called %d times for the paused host; want no more than fit in flight", calls)
					}
					for _, err := range readAllOf(p) {
						t.Error(err)
					}
					return nil
				})
				var want []string
				for i := range 50 {
					want = append(want, fmt.Sprint("1h0m0s paused/", i))
				}
				got := s.log[3:]
				if limit > 1 { // several come at one moment
					slices.Sort(want)
					slices.Sort(got)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the paused host (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The requests of the host stay in order, and of two pauses the later end
// counts.
func TestLater_orderAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &arrivals{start: start}
		n := 0
		pauses := []time.Duration{2 * time.Second, 5 * time.Second, time.Second} // the first three are in Wait at once
		var mu sync.Mutex
		c := client.Client{BaseURL: "http://h", HTTP: testnet.New(t, s).Client(), Limit: 3, Wait: func(r *http.Request) error {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if n++; n <= len(pauses) {
				return fmt.Errorf("wrapped: %w", parallel.Later(pauses[n-1]))
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for i := range 6 {
				p.Get(fmt.Sprint("/", i))
			}
			for _, err := range readAllOf(p) {
				t.Error(err)
			}
			return nil
		})
		want := []string{"5.002s h/0", "5.002s h/1", "5.002s h/2", "5.003s h/3", "5.003s h/4", "5.003s h/5"}
		got := slices.Clone(s.log)
		slices.Sort(got) // those of one moment
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests at the server (-want +got):\n%s", diff)
		}
	})
}

// A request that was set aside is not an attempt, and neither are its body and
// its times touched.
func TestLater_isNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPacer(map[string]time.Duration{"h": time.Minute})
		var outcome pending.Outcome
		c := client.Client{
			HTTP: testnet.New(t, newFlaky(0, 0)).Client(), Wait: w.wait, Timeout: time.Second,
			Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(o pending.Outcome) { outcome = o }
			},
			Retry: func(a parallel.Attempt) (time.Duration, bool) {
				if a.N != 1 {
					t.Errorf("attempt %d; want 1", a.N)
				}
				return 0, false
			},
		}
		var bodies countedBodies
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			body, err := p.Post("http://h/", parallel.Body("", bodies.open("once "))).Bytes()
			if string(body) != "once 1" || err != nil {
				t.Errorf("Bytes() = %q, %v; want the body, sent once", body, err)
			}
			return nil
		})
		if outcome.Attempts != 1 || outcome.Sent.Sub(w.start) != time.Minute {
			t.Errorf("outcome = %+v; want one attempt, sent after a minute", outcome)
		}
		if opened, closed := bodies.counts(); opened != 1 || closed != 1 {
			t.Errorf("%d bodies were opened, %d closed", opened, closed)
		}
	})
}

// A request that is canceled while its host is set aside was never sent.
func TestLater_canceledIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var outcome pending.Outcome
		c := client.Client{
			Wait: func(*http.Request) error { return parallel.Later(time.Hour) },
			Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(o pending.Outcome) { outcome = o }
			},
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get("http://h/")
			synctest.Wait()
			h.Cancel()
			<-h.Done()
			return nil
		})
		if !outcome.Sent.IsZero() || outcome.Attempts != 0 {
			t.Errorf("Sent = %v, Attempts = %d; want neither", outcome.Sent, outcome.Attempts)
		}
	})
}

func TestLater_ofZeroOrLess(t *testing.T) {
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		if err := parallel.Later(d); err != nil {
			t.Errorf("Later(%v) = %v; want nil", d, err)
		}
	}
}

func TestLater_canEnd(t *testing.T) {
	cause := errors.New("the caller's cause")
	for name, test := range map[string]struct {
		end  func(h *pending.Pending, cancel context.CancelCauseFunc)
		want error
	}{
		"Cancel":           {func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() }, context.Canceled},
		"the caller's end": {func(_ *pending.Pending, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		"the block's end":  {nil, parallel.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				w := newPacer(map[string]time.Duration{"h": time.Hour})
				var bodies countedBodies
				var h *pending.Pending
				c := client.Client{HTTP: testnet.New(t, newFlaky(0, 0)).Client(), Wait: w.wait}
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					h = p.Post("http://h/", parallel.Body("", bodies.open("never")))
					synctest.Wait()
					if test.end != nil {
						test.end(h, cancel)
						<-h.Done()
					}
					return nil
				})
				if _, err := h.Response(); !errors.Is(err, test.want) || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("Response() = %v; want %v and ErrNotSent", err, test.want)
				}
				if took := time.Since(w.start); took != 0 {
					t.Errorf("it ended after %v; want at once", took)
				}
				if opened, closed := bodies.counts(); opened != closed {
					t.Errorf("%d bodies were opened, %d closed", opened, closed)
				}
			})
		})
	}
}

// A hop whose Wait returns Later waits for the end of the pause, and then for
// its place.
func TestLater_ofHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPacer(map[string]time.Duration{"busy": time.Minute})
		s := &arrivals{start: w.start, takes: time.Second}
		mux := http.NewServeMux()
		mux.Handle("busy/", s)
		mux.Handle("/", http.RedirectHandler("http://busy/hop", http.StatusFound))
		c := client.Client{HTTP: testnet.New(t, mux).Client(), Wait: w.wait, HostLimit: 1, Timeout: time.Hour}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://a/")
			p.Get("http://b/")
			synctest.Wait()
			p.Get("http://busy/later")
			for _, err := range readAllOf(p) {
				t.Error(err)
			}
			return nil
		})
		want := []string{"1m0s busy/hop", "1m1s busy/hop", "1m2s busy/later"}
		if diff := cmp.Diff(want, s.log); diff != "" {
			t.Errorf("requests at the server (-want +got):\n%s", diff)
		}
	})
}

// A Wait that returns a tiny Later each time never delays another host.
func TestLater_tinyAndEndless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &arrivals{start: start, takes: time.Second}
		c := client.Client{HTTP: testnet.New(t, s).Client(), Limit: 2, Wait: func(r *http.Request) error {
			if r.URL.Host == "never" {
				return parallel.Later(time.Microsecond)
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var others []*pending.Pending
			for i := range 10 {
				p.Get(fmt.Sprint("http://never/", i))
				others = append(others, p.Get(fmt.Sprint("http://other/", i)))
			}
			if _, err := pending.All(others...); err != nil {
				return err
			}
			// Two at a time would take 5 s. A slot is taken for a moment by
			// "never", which gives it back at once.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("the other host took %v; want 5s", took)
			}
			return nil
		})
	})
}

// Promises 28 and 29: a hop that waited for a place of the Limits called Wait
// although its host had been set aside meanwhile.
func TestLater_whileHopWaitsInLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/redirect":
				http.Redirect(w, r, "http://b/hop", http.StatusFound)
			case "/slow":
				time.Sleep(2 * time.Second)
			}
		}))
		start := time.Now()
		other := client.Client{HTTP: s.Client(), Shared: parallel.NewLimits(0, 2)}
		c := other
		var mu sync.Mutex
		got := make(map[string][]time.Duration) // when Wait was called for each path
		c.Wait = func(r *http.Request) error {
			mu.Lock()
			got[r.URL.Path] = append(got[r.URL.Path], time.Since(start))
			calls := len(got[r.URL.Path])
			mu.Unlock()
			if r.URL.Path == "/aside" && calls == 1 {
				time.Sleep(time.Second)
				return parallel.Later(10 * time.Second)
			}
			return nil
		}
		other.Parallel(t.Context(), func(p *parallel.Parallel) error {
			slow := p.Get("http://b/slow")
			synctest.Wait() // it has one of the two places at b
			err := c.Parallel(p.Context(), func(p *parallel.Parallel) error {
				aside := p.Get("http://b/aside")
				synctest.Wait() // it has the other
				hop := p.Get("http://a/redirect")
				_, err := pending.All(hop, aside)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			_, err = slow.Response()
			return err
		})
		want := map[string][]time.Duration{"/redirect": {0}, "/aside": {0, 11 * time.Second}, "/hop": {11 * time.Second}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls of Wait after the start (-want +got):\n%s", diff)
		}
	})
}

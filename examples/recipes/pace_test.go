package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// 500 requests a second to each host, and at most 4 of the 20 slots to one.
func ExamplePerHost() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()

	c := client.Client{Limit: 20, HostLimit: 4, Wait: recipes.PerHost(500, 1)}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 10 {
			p.Get(srv.URL)
		}
		for p.HasPending() {
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		fmt.Println(p.Stats().Done, "done")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 10 done
}

func TestPerHost_onePaceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		came := make(map[string][]time.Duration)
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			came[r.URL.Path] = append(came[r.URL.Path], time.Since(start))
		}))
		c := client.Client{HTTP: s.Client(), Wait: recipes.PerHost(10, 2)}
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var hs []*pending.Pending
			for range 4 {
				hs = append(hs, p.Get("http://one.example/1"), p.Get("http://two.example/2"))
			}
			hs = append(hs, p.Get("http://ONE.example/1"))
			_, err := pending.All(hs...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		const ms = time.Millisecond
		want := map[string][]time.Duration{"/1": {0, 0, 100 * ms, 200 * ms, 300 * ms}, "/2": {0, 0, 100 * ms, 200 * ms}}
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("when requests came (-want +got):\n%s", diff)
		}
	})
}

// Requests that waited in the limiter took all slots: another host waited for
// seven seconds, unless there was a HostLimit. Now no limit delays another
// host, and the paced requests come exactly in their time.
func TestPerHost_delaysNoOtherHost(t *testing.T) {
	for _, c := range []client.Client{{}, {Limit: 1}, {Limit: 4}, {HostLimit: 1}, {Limit: 4, HostLimit: 2}} {
		t.Run(fmt.Sprintf("Limit %d, HostLimit %d", c.Limit, c.HostLimit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				came := make(map[string][]time.Duration)
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					came[r.Host] = append(came[r.Host], time.Since(start))
				}))
				c := c
				c.HTTP, c.Wait = s.Client(), recipes.PerHost(10, 1)
				err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 100 {
						p.Get("http://busy.example/")
					}
					p.Get("http://other.example/")
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
				want := map[string][]time.Duration{"other.example": {0}}
				for i := range 100 {
					want["busy.example"] = append(want["busy.example"], time.Duration(i)*100*time.Millisecond)
				}
				if diff := cmp.Diff(want, came); diff != "" {
					t.Errorf("when requests came (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Two blocks share the rate.
func TestPerHost_holdsOverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var came []time.Duration
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			came = append(came, time.Since(start))
		}))
		c := client.Client{HTTP: s.Client(), Wait: recipes.PerHost(10, 1)}
		var blocks sync.WaitGroup
		for range 2 {
			blocks.Go(func() {
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 10 {
						p.Get("http://h/")
					}
					for p.HasPending() {
						if _, err := p.Next(); err != nil {
							t.Error(err)
						}
					}
					return nil
				})
			})
		}
		blocks.Wait()
		var want []time.Duration
		for i := range 20 {
			want = append(want, time.Duration(i)*100*time.Millisecond)
		}
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("when requests came (-want +got):\n%s", diff)
		}
	})
}

// A limiter that lets nothing through fails the request, or holds it back until
// its block's deadline.
func TestPerHost_nothingAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		wait  func(*http.Request) error
		after time.Duration
		late  bool
	}{
		"a burst of 0": {recipes.PerHost(10, 0), 0, false},
		"a rate of 0":  {recipes.PerHost(0, 1), time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.NotFoundHandler())
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				c := client.Client{HTTP: s.Client(), Wait: test.wait}
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					p.Get("http://h/").Response() // takes the burst, if there is one
					_, err := p.Get("http://h/").Response()
					late := errors.Is(err, context.DeadlineExceeded)
					if took := time.Since(start); !errors.Is(err, pending.ErrNotSent) || late != test.late || took != test.after {
						t.Errorf("after %v: %v; want ErrNotSent after %v, a deadline: %v", took, err, test.after, test.late)
					}
					return nil
				})
			})
		})
	}
}

// A request that waits in a rate.Limiter holds its slot. Without a HostLimit,
// the requests to one host hold all slots. See WARNINGS.md.
func TestLimiterWait_holdsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		busy := rate.NewLimiter(1, 1)
		c := client.Client{HTTP: s.Client(), Limit: 4, Wait: func(r *http.Request) error {
			if r.URL.Host == "busy.example" {
				return busy.Wait(r.Context())
			}
			return nil
		}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range 11 {
				p.Get("http://busy.example/")
			}
			if _, err := p.Get("http://other.example/").Response(); err != nil {
				t.Error(err)
			}
			return nil
		})
		if got := time.Since(start); got != 7*time.Second {
			t.Errorf("another host's request took %v; want 7s", got)
		}
	})
}

// rate.Limiter doesn't begin a wait that the block's deadline would end. See
// WARNINGS.md.
func TestLimiterWait_failsBeforeDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		limiter := rate.NewLimiter(rate.Every(time.Minute), 1)
		c := client.Client{HTTP: s.Client(), Wait: func(r *http.Request) error { return limiter.Wait(r.Context()) }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); err != nil {
				t.Error(err)
			}
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, pending.ErrNotSent) || errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
				t.Errorf("after %v: %v (a deadline: %v); want ErrNotSent at once, and no deadline",
					time.Since(start), err, errors.Is(err, context.DeadlineExceeded))
			}
			return nil
		})
	})
}

// Cancel of a reservation gives back nothing if another was made after it. See
// WARNINGS.md.
func TestReservation_cancelLosesTurn(t *testing.T) {
	now := time.Now()
	l := rate.NewLimiter(1, 1)
	l.ReserveN(now, 1)
	first, second := l.ReserveN(now, 1), l.ReserveN(now, 1)
	first.CancelAt(now)
	second.CancelAt(now)
	if got := l.ReserveN(now, 1).DelayFrom(now); got != 2*time.Second {
		t.Errorf("after both were canceled, the next turn comes in %v; want 2s, since one is lost", got)
	}
}

// PerHost keeps about 150 bytes for each origin, as its comment says.
func TestPerHost_memory(t *testing.T) {
	const hosts = 20_000
	wait := recipes.PerHost(1, 1)
	before := heap()
	for i := range hosts {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://host-%d.example/%0200d", i, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := wait(r); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / hosts
	runtime.KeepAlive(wait)
	t.Logf("%d bytes a host", each)
	if each < 100 || each > 200 {
		t.Errorf("%d bytes a host; want some 150", each)
	}
}

// heap is the size of what is alive.
func heap() int64 {
	for range 3 { // what a sync.Pool has is dropped by the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

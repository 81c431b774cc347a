package recipes_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

var seeds = flag.Int("seeds", 0, "compare all limits in TestAdapt_capacity, with so many `seeds`; 0 compares Adapt with the right limit")

// The capacity of a service changes from phase to phase. What is useful counts
// from the sixth second of each.
var capacities = [...]int{50, 10, 100}

const (
	phase = 12 * time.Second
	early = 5 * time.Second

	atRest  = 100 * time.Millisecond // what most requests take, within a fifth
	timeout = 400 * time.Millisecond // a later response is not useful
	most    = 200                    // the most in flight
)

// A service can serve as many requests at once as its capacity. If there are
// more, it refuses them with status 429 or 503, or it queues them, or it slows
// down: twice as many requests then take four times as long, so that half as
// many a second are served. One request in a hundred takes three times as long
// as others.
type service struct {
	manner string // refuses, queues or slows

	mu       sync.Mutex // guards the fields below
	random   *rand.Rand
	capacity int
	serving  int
	queue    []chan struct{}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	takes, turn := s.arrive()
	if takes == 0 {
		linger(r, time.Millisecond)
		w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[rand.N(2)])
		return
	}
	if turn != nil {
		<-turn
	}
	linger(r, takes)
	s.leave()
}

// arrive returns the time that a request takes, or 0 if it is refused, and the
// turn that it waits for, or nil.
func (s *service) arrive() (takes time.Duration, turn chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	factor := 0.8 + 0.4*s.random.Float64()
	if s.random.IntN(100) == 0 {
		factor = 3
	}
	if s.serving >= s.capacity {
		switch s.manner {
		case "refuses":
			return 0, nil
		case "queues":
			turn = make(chan struct{})
			s.queue = append(s.queue, turn)
			s.serving-- // until leave
		case "slows":
			load := float64(s.serving+1) / float64(s.capacity)
			factor *= load * load
		}
	}
	s.serving++
	return time.Duration(factor * float64(atRest)), turn
}

func (s *service) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving--
	s.admitLocked()
}

func (s *service) setCapacity(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = n
	s.admitLocked()
}

func (s *service) admitLocked() {
	for s.serving < s.capacity && len(s.queue) > 0 {
		close(s.queue[0])
		s.queue = s.queue[1:]
		s.serving++
	}
}

// A limiting limits the requests of a client. It returns a function that is
// called when the capacity changes, or nil.
type limiting func(c *client.Client) (changed func(capacity int))

func rightLimit(c *client.Client) func(int) {
	c.Shared = new(parallel.Limits)
	return func(n int) { c.Shared.Set(n, 0) }
}

func noLimit(c *client.Client) func(int) {
	c.Limit = most
	return nil
}

func adapt(slow time.Duration) limiting {
	return func(c *client.Client) func(int) {
		c.Shared = new(parallel.Limits)
		c.Retry = recipes.Adapt(c.Shared, most, slow, c.Retry)
		return nil
	}
}

// failsafeLimiter returns a builder with failsafe-go's defaults: from 1 to 200,
// 20 at first.
func failsafeLimiter() adaptivelimiter.Builder[any] { return adaptivelimiter.NewBuilder[any]() }

// failsafe has a limiter of failsafe-go, and a permit for each attempt. The
// limiter records responses and timeouts. Refusals are dropped, since it would
// take them for quick responses. A request waits for its permit before its
// Timeout starts.
func failsafe(b adaptivelimiter.Builder[any]) limiting {
	type key struct{}
	return func(c *client.Client) func(int) {
		l := b.Build()
		permit := func(r *http.Request) *adaptivelimiter.Permit {
			return r.Context().Value(key{}).(*adaptivelimiter.Permit)
		}
		c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) {
			return context.WithValue(r.Context(), key{}, new(adaptivelimiter.Permit)), nil
		}
		c.Wait = func(r *http.Request) (err error) {
			*permit(r), err = l.AcquirePermit(r.Context())
			return err
		}
		decide := c.Retry
		c.Retry = func(a parallel.Attempt) (time.Duration, bool) {
			if a.Response != nil && a.Response.StatusCode != http.StatusOK {
				(*permit(a.Request)).Drop()
			} else {
				(*permit(a.Request)).Record()
			}
			return decide(a)
		}
		return nil
	}
}

// A goodput is what came of the requests.
type goodput struct {
	useful [len(capacities)]float64 // responses a second, in each phase
	wasted float64                  // attempts that were refused or late, for each useful response
}

// measure always has more requests to send than the service can serve.
func measure(t *testing.T, seed int, manner string, limit limiting) (g goodput) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{manner: manner, random: rand.New(rand.NewPCG(uint64(seed), 0)), capacity: capacities[0]}
		c := client.Client{HTTP: testnet.New(t, s).Client(), Limit: -1, Ahead: 500, Timeout: timeout, Retry: parallel.Retries(4)}
		changed := limit(&c)
		var useful, wasted atomic.Int64
		decide := c.Retry
		c.Retry = func(a parallel.Attempt) (time.Duration, bool) {
			if a.Err == nil && a.Response.StatusCode == http.StatusOK {
				useful.Add(1)
			} else {
				wasted.Add(1)
			}
			return decide(a)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			for i, n := range capacities {
				s.setCapacity(n)
				if changed != nil {
					changed(n)
				}
				time.Sleep(early)
				before := useful.Load()
				time.Sleep(phase - early)
				g.useful[i] = float64(useful.Load()-before) / (phase - early).Seconds()
			}
			g.wasted = float64(wasted.Load()) / float64(useful.Load())
		}()
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			urls := func(yield func(string) bool) {
				for ctx.Err() == nil && yield("http://h/") {
				}
			}
			for _, h := range parallel.Each(p, urls, p.Get) {
				h.Response()
			}
			return nil
		})
	})
	return g
}

// After five seconds at each capacity, Adapt lets nearly as many useful
// responses through as the right limit does. The table shows others as well.
func TestAdapt_capacity(t *testing.T) {
	type contender struct {
		name string
		limiting
		checked bool
	}
	contenders := []contender{{"Adapt", adapt(120 * time.Millisecond), true}}
	if *seeds > 0 {
		contenders = append(contenders,
			contender{"Adapt, 200 ms", adapt(200 * time.Millisecond), false},
			contender{"failsafe-go", failsafe(failsafeLimiter()), false},
			contender{"failsafe-go, 100 ms", failsafe(failsafeLimiter().WithRecentWindow(100*time.Millisecond, time.Second, 10)), false},
			contender{"none", noLimit, false})
	}
	var table strings.Builder
	for _, service := range []struct {
		manner  string
		atLeast float64 // of what the right limit lets through
	}{{"refuses", 0.9}, {"queues", 0.9}, {"slows", 0.75}} {
		right := measureAll(t, service.manner, rightLimit)
		fmt.Fprintf(&table, "| %s | the right one |", service.manner)
		for p := range capacities {
			fmt.Fprintf(&table, " %s /s |", spread(right, "%.0f", func(seed int) float64 { return right[seed].useful[p] }))
		}
		fmt.Fprintf(&table, " %s |\n", spread(right, "%.2f", func(seed int) float64 { return right[seed].wasted }))

		for _, c := range contenders {
			all := measureAll(t, service.manner, c.limiting)
			fmt.Fprintf(&table, "| %s | %s |", service.manner, c.name)
			for p, capacity := range capacities {
				share := func(seed int) float64 { return all[seed].useful[p] / right[seed].useful[p] }
				for seed := range all {
					if c.checked && share(seed) < service.atLeast {
						t.Errorf("seed %d: a service that %s, with a capacity of %d: %.2f of what the right limit lets through; want %.2f",
							seed, service.manner, capacity, share(seed), service.atLeast)
					}
				}
				fmt.Fprintf(&table, " %s %% |", spread(all, "%.0f", func(seed int) float64 { return 100 * share(seed) }))
			}
			fmt.Fprintf(&table, " %s |\n", spread(all, "%.2f", func(seed int) float64 { return all[seed].wasted }))
		}
	}
	t.Log("\n" + table.String())
}

// measureAll measures with each seed.
func measureAll(t *testing.T, manner string, limit limiting) []goodput {
	var all []goodput
	for seed := range max(*seeds, 1) {
		all = append(all, measure(t, seed, manner, limit))
	}
	return all
}

// spread returns the median of the values for all seeds, the least and the
// most.
func spread(all []goodput, format string, value func(seed int) float64) string {
	var values []float64
	for seed := range all {
		values = append(values, value(seed))
	}
	slices.Sort(values)
	return fmt.Sprintf(format+" ("+format+"–"+format+")", values[len(values)/2], values[0], values[len(values)-1])
}

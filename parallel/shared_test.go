package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// Promise 29.

// A crowd is a server that knows how many requests it has at a time.
type crowd struct {
	takes time.Duration

	mu      sync.Mutex
	now     int
	most    int
	hosts   map[string]int
	mostOf  int // of one host
	served  int
	pending []string // what came, in order
}

func newCrowd(takes time.Duration) *crowd { return &crowd{takes: takes, hosts: make(map[string]int)} }

func (s *crowd) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.now++
	s.hosts[r.Host]++
	s.most, s.mostOf = max(s.most, s.now), max(s.mostOf, s.hosts[r.Host])
	s.pending = append(s.pending, r.URL.Path)
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-r.Context().Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	s.hosts[r.Host]--
	s.served++
}

func TestLimits_holdOverBlocks(t *testing.T) {
	for _, test := range []struct{ total, perHost, most, mostOf int }{
		{8, 0, 8, 8}, {0, 2, 6, 2}, {5, 2, 5, 2}, {0, 0, 600, 200}, {-1, -1, 600, 200},
	} {
		t.Run(fmt.Sprintf("%d, %d per host", test.total, test.perHost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(time.Second)
				shared := parallel.NewLimits(test.total, test.perHost)
				transport := testnet.New(t, s).Client()
				var blocks sync.WaitGroup
				for range 200 {
					blocks.Go(func() {
						c := client.Client{HTTP: transport, Shared: shared} // each block has its own client
						c.Parallel(t.Context(), func(p *parallel.Parallel) error {
							for i := range 3 {
								p.Get(fmt.Sprintf("http://host%d/", i))
							}
							for _, err := range readAllOf(p) {
								t.Error(err)
							}
							return nil
						})
					})
				}
				blocks.Wait()
				if s.most != test.most || s.mostOf != test.mostOf || s.served != 600 {
					t.Errorf("the server had %d at a time, %d for one host, %d in all; want %d, %d, 600", s.most, s.mostOf, s.served, test.most, test.mostOf)
				}
				if diff := cmp.Diff(parallel.Stats{Done: 600}, shared.Stats()); diff != "" {
					t.Errorf("Stats() (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A block with 10,000 queued requests delays a block with three by no more than
// their turns.
func TestLimits_takeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(1, 0)}
		ctx, cancel := context.WithCancel(t.Context())
		var long sync.WaitGroup
		long.Go(func() {
			c.Parallel(ctx, func(p *parallel.Parallel) error {
				for range 10_000 {
					p.Get("http://h/long")
				}
				readAllOf(p)
				return nil
			})
		})
		synctest.Wait()
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://h/short").Response() })
			p.Get("http://h/short")
			p.Get("http://h/short")
			for _, err := range readAllOf(p) {
				t.Error(err)
			}
			return nil
		})
		// Two of the long block come first: the one in flight, and one whose
		// turn it was.
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("the short block took %v; want 7s, its requests by turns with the other block's", took)
		}
		cancel()
		long.Wait()
	})
}

func TestLimits_set(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(10 * time.Second)
		shared := parallel.NewLimits(2, 0)
		c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: shared}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range 30 {
				p.Get("http://h/")
			}
			for _, step := range []struct{ total, perHost, after, now int }{
				{2, 0, 0, 2}, {5, 0, 0, 5}, {5, 7, 0, 5}, {0, 7, 0, 7}, {3, 7, 0, 7}, {3, 7, 10, 3}, {3, 1, 10, 1}, {0, 0, 0, 20},
			} {
				shared.Set(step.total, step.perHost)
				time.Sleep(time.Duration(step.after) * time.Second)
				synctest.Wait()
				if got := p.Stats().InFlight; got != step.now {
					t.Errorf("%d in flight after Set(%d, %d) and %d s; want %d", got, step.total, step.perHost, step.after, step.now)
				}
			}
			return nil
		})
	})
}

// Auth fetches a token through a client with the same Limits, while its request
// holds the only slot, at the only place of the host.
func TestLimits_authFetchesToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		shared := parallel.NewLimits(1, 1)
		tokens := client.Client{HTTP: testnet.New(t, s).Client(), Shared: shared}
		api := tokens
		api.Auth = func(r *http.Request) error {
			return tokens.Parallel(r.Context(), func(p *parallel.Parallel) error {
				_, err := pending.All(p.Get("http://h/token"), p.Get("http://other/token"))
				return err
			})
		}
		start := time.Now()
		api.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://h/1")
			p.Get("http://h/2")
			for _, err := range readAllOf(p) {
				t.Error(err)
			}
			return nil
		})
		if took := time.Since(start); took != 6*time.Second || s.most != 1 {
			t.Errorf("it took %v with %d at a time; want 6s and 1", took, s.most)
		}
	})
}

// A context that is kept after its request lends nothing.
func TestLimits_keptContextLendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		shared := parallel.NewLimits(1, 0)
		c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: shared}
		var kept context.Context
		first := c
		first.Auth = func(r *http.Request) error { kept = context.WithoutCancel(r.Context()); return nil }
		first.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			return err
		})
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://h/")
			c.Parallel(kept, func(p *parallel.Parallel) error {
				_, err := p.Get("http://h/").Response()
				return err
			})
			return nil
		})
		if s.most != 1 {
			t.Errorf("%d at a time; want 1", s.most)
		}
	})
}

// A redirect counts at the shared limit of the host that it leads to.
func TestLimits_holdAlongRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		mux := http.NewServeMux()
		mux.Handle("busy/", s)
		mux.Handle("/", http.RedirectHandler("http://busy/", http.StatusFound))
		shared := parallel.NewLimits(0, 2)
		transport := testnet.New(t, mux).Client()
		start := time.Now()
		var blocks sync.WaitGroup
		for i := range 10 {
			blocks.Go(func() {
				c := client.Client{HTTP: transport, Shared: shared}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Get(fmt.Sprintf("http://link%d/", i)).Response()
					if err != nil {
						t.Error(err)
					}
					return nil
				})
			})
		}
		blocks.Wait()
		if took := time.Since(start); s.most != 2 || took != 5*time.Second {
			t.Errorf("%d at a time, %v in all; want 2 and 5s", s.most, took)
		}
	})
}

// The block's own limits hold as well.
func TestLimits_besideOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		c := client.Client{HTTP: testnet.New(t, s).Client(), Limit: 3, HostLimit: 2, Shared: parallel.NewLimits(10, 10)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for i := range 20 {
				p.Get(fmt.Sprintf("http://host%d/", i%2))
			}
			readAllOf(p)
			return nil
		})
		if s.most != 3 || s.mostOf != 2 {
			t.Errorf("%d at a time, %d for one host; want 3 and 2", s.most, s.mostOf)
		}
	})
}

// When a block ends, its queued requests are not sent, and other blocks
// continue.
func TestLimits_blockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(1, 1)}
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("http://h/other")
					p.Get("http://h/other")
					for _, err := range readAllOf(p) {
						t.Error(err)
					}
					return nil
				})
			})
		}
		var queued []*pending.Pending
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range 5 {
				queued = append(queued, p.Get("http://h/ended"))
			}
			time.Sleep(1500 * time.Millisecond)
			return nil
		})
		others.Wait()
		for _, h := range queued[1:] {
			if _, err := h.Response(); !errors.Is(err, parallel.ErrEnded) {
				t.Errorf("Response() = %v; want ErrEnded", err)
			}
		}
	})
}

// Two blocks that Auth opened side by side shared the slot of its request. When
// a request of the first gave it back, nobody gave it to the second, which
// waited forever.
func TestLimits_authOpensSeveralBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		tokens := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(1, 1)}
		api := tokens
		api.Auth = func(r *http.Request) error {
			var blocks sync.WaitGroup
			for range 3 {
				blocks.Go(func() {
					tokens.Parallel(r.Context(), func(p *parallel.Parallel) error {
						_, err := pending.All(p.Get("http://h/token"), p.Get("http://other/token"))
						return err
					})
				})
			}
			blocks.Wait()
			return nil
		}
		start := time.Now()
		api.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			return err
		})
		if d := time.Since(start); d != 7*time.Second || s.most != 1 {
			t.Errorf("it took %v with %d at a time; want 7s and 1", d, s.most)
		}
	})
}

// A block may be opened in every function that gets the context of a request.
// In Observe the request holds no slot yet. The slot of the request around it
// counts.
func TestLimits_blockWithinCallback(t *testing.T) {
	for name, set := range map[string]func(c *client.Client, f func(*http.Request) error){
		"Wait": func(c *client.Client, f func(*http.Request) error) { c.Wait = f },
		"Auth": func(c *client.Client, f func(*http.Request) error) { c.Auth = f },
		"Observe": func(c *client.Client, f func(*http.Request) error) {
			c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) {
				f(r)
				return nil, nil
			}
		},
		"RoundTripper": func(c *client.Client, f func(*http.Request) error) {
			next := c.HTTP.Transport
			c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if err := f(r); err != nil {
					return nil, err
				}
				return next.RoundTrip(r)
			})}
		},
		"Retry": func(c *client.Client, f func(*http.Request) error) {
			c.Retry = func(a parallel.Attempt) (time.Duration, bool) {
				f(a.Request)
				return 0, false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(time.Second)
				plain := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(1, 1)}
				get := func(c *client.Client, url string) func(*http.Request) error {
					return func(r *http.Request) error {
						return c.Parallel(r.Context(), func(p *parallel.Parallel) error {
							_, err := p.Get(url).Response()
							return err
						})
					}
				}
				inner, outer := plain, plain
				set(&inner, get(&plain, "http://h/innermost"))
				outer.Auth = get(&inner, "http://other/inner")
				start := time.Now()
				err := outer.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Get("http://h/outer").Response()
					return err
				})
				if d := time.Since(start); err != nil || d != 3*time.Second || s.most != 1 {
					t.Errorf("%v after %v, with %d at a time; want 3s and 1", err, d, s.most)
				}
			})
		})
	}
}

// A block that is opened with the context of a request that is done runs on the
// slot of the request around it.
func TestLimits_contextOfDoneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(time.Second)
		plain := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(1, 0)}
		get := func(c *client.Client, ctx context.Context) (resp *http.Response, err error) {
			err = c.Parallel(ctx, func(p *parallel.Parallel) error {
				resp, err = p.Get("http://h/").Response()
				return err
			})
			return resp, err
		}
		outer := plain
		outer.Auth = func(r *http.Request) error {
			resp, err := get(&plain, r.Context())
			if err == nil {
				_, err = get(&plain, context.WithoutCancel(resp.Request.Context()))
			}
			return err
		}
		start := time.Now()
		_, err := get(&outer, t.Context())
		if d := time.Since(start); err != nil || d != 3*time.Second || s.most != 1 {
			t.Errorf("%v after %v, with %d at a time; want 3s and 1", err, d, s.most)
		}
	})
}

// A request that ran on the slot of another was not counted once that one was
// done.
func TestLimits_lentSlotStaysCounted(t *testing.T) {
	for name, limits := range map[string][2]int{"total": {1, 0}, "per host": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(time.Second)
				c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: parallel.NewLimits(limits[0], limits[1])}
				var left sync.WaitGroup
				first := c
				first.Auth = func(r *http.Request) error {
					ctx := context.WithoutCancel(r.Context())
					left.Go(func() {
						c.Parallel(ctx, func(p *parallel.Parallel) error {
							_, err := p.Get("http://h/").Response()
							return err
						})
					})
					synctest.Wait()
					return errors.New("no token")
				}
				first.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("http://h/").Response()
					return nil
				})
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Get("http://h/").Response()
					return err
				})
				left.Wait()
				if s.most != 1 || s.served != 2 {
					t.Errorf("%d at a time, %d in all; want 1 and 2", s.most, s.served)
				}
			})
		})
	}
}

// A slot that was given back let one request be sent, although it freed both
// its block's Limit and a place at its host, for which a request of another
// block waited.
func TestLimits_freedSlotServesSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("short/", newCrowd(time.Second))
		mux.Handle("long/", newCrowd(time.Minute))
		shared := parallel.NewLimits(0, 1)
		start := time.Now()
		var blocks sync.WaitGroup
		transport := testnet.New(t, mux).Client()
		for i, urls := range [][]string{{"http://short/", "http://long/"}, {"http://short/"}} {
			c := client.Client{HTTP: transport, Shared: shared, Limit: 1, Timeout: time.Hour}
			blocks.Go(func() {
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for _, url := range urls {
						p.Get(url)
					}
					readAllOf(p)
					if d, want := time.Since(start), []time.Duration{61 * time.Second, 2 * time.Second}[i]; d != want {
						t.Errorf("block %d took %v; want %v", i, d, want)
					}
					return nil
				})
			})
			synctest.Wait()
		}
		blocks.Wait()
	})
}

// The zero Limits, and negative numbers, limit nothing.
func TestLimits_none(t *testing.T) {
	for name, shared := range map[string]*parallel.Limits{
		"zero value": new(parallel.Limits), "zeros": parallel.NewLimits(0, 0), "negative": parallel.NewLimits(-7, -1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(time.Second)
				c := client.Client{HTTP: testnet.New(t, s).Client(), Shared: shared}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 50 {
						p.Get("http://h/")
					}
					time.Sleep(500 * time.Millisecond)
					shared.Set(-1, -1)
					for _, err := range readAllOf(p) {
						t.Error(err)
					}
					return nil
				})
				if s.most != 50 {
					t.Errorf("%d at a time; want 50", s.most)
				}
			})
		})
	}
}

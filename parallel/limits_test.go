package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// makeMany makes n requests of each kind that Limit keeps in the queue.
func makeMany(ctx context.Context, p *parallel.Parallel, n int) (hs []*pending.Pending) {
	own := context.WithValue(ctx, key{}, "own")
	for i := range n {
		switch i % 5 {
		case 0:
			hs = append(hs, p.Get("http://any/"))
		case 1:
			hs = append(hs, p.Get("http://any/", parallel.Timeout(-1)))
		case 2:
			hs = append(hs, p.Do(httpGet(own, "http://any/")))
		case 3:
			hs = append(hs, p.Get("http://any/", parallel.After(time.Millisecond)))
		case 4:
			hs = append(hs, p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://any/").Response() }))
		}
	}
	return hs
}

// Promise 3: after the block's context has ended, no queued request is sent.
// The first request gives its slot back just as the context ends, so a request
// that reaches the transport after it is too late. There are many rounds,
// because the worker with the slot races with the goroutine that empties the
// queue.
func TestQueue_emptiedByContext(t *testing.T) {
	for _, end := range append(callersEnds[:len(callersEnds):len(callersEnds)], struct {
		name    string
		context func(context.Context) (context.Context, context.CancelFunc)
		want    []error
		timeout bool
	}{"the block ends", context.WithCancel, []error{context.Canceled, parallel.ErrEnded}, false}) {
		t.Run(end.name, func(t *testing.T) {
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					var sent atomic.Int64
					c := client.Client{Limit: 1, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						sent.Add(1)
						<-r.Context().Done()
						return nil, r.Context().Err()
					})}}
					ctx, cancel := end.context(t.Context())
					defer cancel()
					var hs []*pending.Pending
					c.Parallel(ctx, func(p *parallel.Parallel) error {
						p.Get("http://any/first", parallel.Timeout(-1))
						hs = makeMany(ctx, p, 20)
						<-time.After(time.Millisecond)
						if end.name != "the block ends" {
							<-p.Context().Done()
							synctest.Wait()
						}
						return nil
					})
					if n := sent.Load(); n != 1 {
						t.Fatalf("%d requests were sent, want only the first", n)
					}
					for _, h := range hs {
						err := failure(t, h)
						isEndOf(t, end.want, end.timeout, err)
						if !errors.Is(err, pending.ErrNotSent) {
							t.Errorf("error = %v, want ErrNotSent", err)
						}
					}
				})
			}
		})
	}
}

// Promise 3, as counted by the server.
func TestQueue_serverSeesNothing(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, came := paced(t)
				c.Limit = 1
				depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						for range 50 {
							p.Get("/1s")
						}
						<-time.After(2500 * time.Millisecond)
						return way.out()
					})
				})
				<-time.After(time.Minute)
				if n := came.Load(); n != 3 {
					t.Errorf("the server received %d requests, want the 3 that were sent in 2.5s", n)
				}
			})
		})
	}
}

// Promise 3: a request that holds a slot is not sent if its context ends in a
// Wait or an Auth that ignores the context.
func TestSlot_notSentAfterContextEnds(t *testing.T) {
	type cancel = context.CancelFunc
	callers := func(_ *http.Request, caller, _ cancel) { caller() }
	leaving := func(r *http.Request, _, _ cancel) { <-r.Context().Done() }
	own := func(_ *http.Request, _, own cancel) { own() }
	for _, row := range []struct {
		name string
		in   string
		own  bool // the request has its own context, of a type unknown to package context
		end  func(r *http.Request, caller, own cancel)
	}{
		{"the caller's ends", "Wait", false, callers},
		{"the caller's ends", "Wait", true, callers},
		{"the caller's ends", "Auth", false, callers},
		{"the caller's ends", "Auth", true, callers},
		{"the block ends", "Wait", false, leaving},
		{"the block ends", "Wait", true, leaving},
		{"the block ends", "Auth", false, leaving},
		{"the block ends", "Auth", true, leaving},
		{"its own ends", "Wait", true, own},
	} {
		t.Run(fmt.Sprintf("%s in %s, with its own context: %v", row.name, row.in, row.own), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancelCaller := context.WithCancel(t.Context())
				defer cancelCaller()
				ownCtx, cancelOwn := context.WithCancel(t.Context())
				defer cancelOwn()
				sent := 0
				c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					sent++
					return nil, io.EOF
				})}}
				end := func(r *http.Request) error {
					row.end(r, cancelCaller, cancelOwn)
					return nil
				}
				if row.in == "Wait" {
					c.Wait = end
				} else {
					c.Auth = end
				}
				var h *pending.Pending
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					r := httpGet(context.Background(), "http://any/")
					if row.own {
						r = r.WithContext(foreign{ownCtx})
					}
					h = p.Do(r)
					synctest.Wait()
					return nil
				})
				if err := failure(t, h); sent != 0 || !errors.Is(err, context.Canceled) || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("%d requests were sent, error = %v; want 0, context.Canceled and ErrNotSent", sent, err)
				}
			})
		})
	}
}

// Promise 3: a worker that continues with the next request checks the context
// again.
func TestQueue_contextEndsBeforeNext(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var sent atomic.Int64
			c := client.Client{Limit: 1, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				sent.Add(1)
				<-time.After(time.Millisecond)
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})}}
			c.Observe = func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(pending.Outcome) { cancel() } // with the slot held
			}
			waited := 0
			c.Wait = func(*http.Request) error { waited++; return nil }
			c.Parallel(ctx, func(p *parallel.Parallel) error {
				first := p.Get("http://any/")
				makeMany(ctx, p, 20)
				drain(p)
				text(t, first)
				return nil
			})
			if n := sent.Load(); n != 1 || waited != 1 {
				t.Errorf("%d requests were sent, and Wait was called %d times; want only the first", n, waited)
			}
		})
	}
}

// A gauge is a handler that responds after 100 ms and counts how many requests
// it serves at once, in total and for each host.
type gauge struct {
	mu   sync.Mutex
	now  map[string]int
	most map[string]int
}

func (g *gauge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.add(+1, "", r.Host)
	select {
	case <-time.After(100 * time.Millisecond):
	case <-r.Context().Done():
	}
	g.add(-1, "", r.Host)
}

func (g *gauge) add(n int, keys ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil {
		g.now, g.most = make(map[string]int), make(map[string]int)
	}
	for _, k := range keys {
		g.now[k] += n
		g.most[k] = max(g.most[k], g.now[k])
	}
}

// Promise 3: neither the block's limit nor the limit of a host is exceeded, and
// both are used fully.
func TestLimit_neverExceeded(t *testing.T) {
	const everyHost = ""
	for _, with := range []struct {
		name             string
		limit, hostLimit int
		n                int // requests to each of two hosts
		nested           bool
		most             map[string]int
		took             time.Duration
	}{
		{"Limit 1", 1, 0, 5, false, map[string]int{everyHost: 1}, 1000 * time.Millisecond},
		{"Limit 3", 3, 0, 10, false, map[string]int{everyHost: 3}, 700 * time.Millisecond},
		{"Limit 3, in blocks of Go's", 3, 0, 10, true, map[string]int{everyHost: 3}, 700 * time.Millisecond},
		{"Limit 0 is 100", 0, 0, 101, false, map[string]int{everyHost: 100}, 300 * time.Millisecond},
		{"a negative Limit is none", -1, 0, 150, false, map[string]int{everyHost: 300}, 100 * time.Millisecond},
		{"a negative Limit is none, in blocks of Go's", -1, 0, 150, true, map[string]int{everyHost: 300}, 100 * time.Millisecond},
		{"HostLimit 2", -1, 2, 10, false, map[string]int{"a": 2, "b": 2, everyHost: 4}, 500 * time.Millisecond},
		{"HostLimit 2, in blocks of Go's", -1, 2, 10, true, map[string]int{"a": 2, "b": 2, everyHost: 4}, 500 * time.Millisecond},
		{"HostLimit 2 and Limit 3", 3, 2, 9, false, map[string]int{everyHost: 3}, 600 * time.Millisecond},
		{"HostLimit over Limit", 3, 5, 9, false, map[string]int{everyHost: 3}, 600 * time.Millisecond},
		{"a negative HostLimit is none", -1, -1, 10, false, map[string]int{"a": 10, "b": 10}, 100 * time.Millisecond},
	} {
		t.Run(with.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gauge
				s := testnet.New(t, &g)
				c := client.Client{HTTP: s.Client(), Limit: with.limit, HostLimit: with.hostLimit}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for i := range 2 * with.n {
						url := "http://" + string("ab"[i%2]) + "/"
						if with.nested && i%3 != 0 {
							p.Go(func(p *parallel.Parallel) (*http.Response, error) {
								if i%3 == 1 {
									return p.Get(url).Response()
								}
								return p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get(url).Response() }).Response()
							})
							continue
						}
						p.Get(url)
					}
					for h := range p.Arrivals() {
						text(t, h)
					}
					return nil
				})
				if d := time.Since(start); d != with.took {
					t.Errorf("the block took %v, want %v", d, with.took)
				}
				got := make(map[string]int)
				for host := range with.most {
					got[host] = g.most[host]
				}
				if diff := cmp.Diff(with.most, got); diff != "" {
					t.Errorf("most requests at once (-want +got):\n%s", diff)
				}
				if with.hostLimit > 0 && (g.most["a"] > with.hostLimit || g.most["b"] > with.hostLimit) {
					t.Errorf("most requests at once = %v, want at most %d for each host", g.most, with.hostLimit)
				}
			})
		})
	}
}

// Promise 3: however a request ends, its slot is returned once.
func TestLimit_releasedOnEveryOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		s := testnet.New(t, &g)
		c := client.Client{HTTP: s.Client(), Limit: 2, HostLimit: 1}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for i := range 20 {
				url := fmt.Sprintf("http://%d/", i%4)
				p.Get("no scheme://")
				p.Get(url, parallel.Timeout(50*time.Millisecond))
				h := p.Get(url)
				time.AfterFunc(time.Duration(i)*33*time.Millisecond, h.Cancel)
				pending.Race(p.Get(url), p.Get(url, parallel.After(10*time.Millisecond)))
				p.Go(func(p *parallel.Parallel) (*http.Response, error) { p.Get(url); return nil, nil })
				p.Get(url).Cancel()
			}
			drain(p)
			synctest.Wait() // until the losers of races are done
			if st := p.Stats(); st.Queued != 0 || st.InFlight != 0 || st.Done != 20*7 {
				t.Errorf("Stats() = %+v, want %d Done", st, 20*7)
			}
			start := time.Now()
			for range 2 {
				p.Get("http://0/")
				p.Get("http://1/")
			}
			drain(p)
			if d := time.Since(start); d != 200*time.Millisecond {
				t.Errorf("four more requests took %v, want 200ms, two at a time", d)
			}
			return nil
		})
	})
}

// Each block has its own limits.
func TestLimit_perBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		s := testnet.New(t, &g)
		c := client.Client{HTTP: s.Client(), Limit: 2, HostLimit: 2}
		start := time.Now()
		var blocks sync.WaitGroup
		for range 2 {
			blocks.Go(func() {
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 4 {
						p.Get("http://any/")
					}
					drain(p)
					return nil
				})
			})
		}
		blocks.Wait()
		if d := time.Since(start); d != 200*time.Millisecond || g.most[""] != 4 {
			t.Errorf("the blocks took %v with %d requests at once, want 200ms with 4", d, g.most[""])
		}
	})
}

// Promise 19: a busy host never holds back another host.
func TestHostLimit_doesntBlockOtherHosts(t *testing.T) {
	for _, limit := range []int{-1, 2} {
		t.Run(fmt.Sprint("Limit ", limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := paced(t)
				c.Limit, c.HostLimit = limit, 1
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					start := time.Now()
					for range 500 {
						p.Get("http://busy/1s")
					}
					for i := range 3 {
						if text(t, p.Get("http://idle/10ms")); time.Since(start) != time.Duration(i+1)*10*time.Millisecond {
							t.Errorf("response %d of the idle host came after %v, want 10ms each", i, time.Since(start))
						}
						for range 10 {
							p.Get("http://busy/1s")
						}
					}
					return nil
				})
			})
		})
	}
}

// Promise 19: requests for one host are sent in the order in which they were
// made, whether they waited for a slot or for their host.
func TestHostLimit_orderWithinHost(t *testing.T) {
	for _, with := range []struct {
		name             string
		limit, hostLimit int
	}{
		{"HostLimit 1", -1, 1}, {"HostLimit 1 and Limit 2", 2, 1}, {"Limit 1", 1, 0}, {"both 1", 1, 1},
	} {
		t.Run(with.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				got := make(map[string][]string)
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					got[r.Host] = append(got[r.Host], r.URL.Path)
					mu.Unlock()
					<-time.After(time.Duration(len(r.Host)) * 30 * time.Millisecond)
				}))
				c := client.Client{HTTP: s.Client(), Limit: with.limit, HostLimit: with.hostLimit}
				want := make(map[string][]string)
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					n := 0
					get := func(p *parallel.Parallel, host string) {
						path := fmt.Sprint("/", n)
						n++
						want[host] = append(want[host], path)
						p.Get("http://" + host + path)
					}
					for range 5 {
						get(p, "a")
						get(p, "a")
						get(p, "bb")
						get(p, "ccc")
					}
					// More requests, some of an inner block, while the first
					// ones wait for their host.
					text(t, p.Go(func(inner *parallel.Parallel) (*http.Response, error) {
						<-time.After(100 * time.Millisecond)
						get(inner, "a")
						get(p, "bb")
						get(inner, "a")
						get(p, "a")
						drain(inner)
						return nil, nil
					}))
					drain(p)
					return nil
				})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("order for each host (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Promise 19: with only a Limit, requests are sent in the order in which they
// were made, over all hosts. A request that waited for its host goes before
// those that were made later.
func TestQueue_sendsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		c, _ := paced(t)
		next := c.HTTP.Transport
		c.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			got = append(got, r.URL.Host+r.URL.Path)
			return next.RoundTrip(r)
		})
		c.Limit, c.HostLimit = 2, 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for _, u := range []string{"a/10ms", "a/20ms", "b/15ms", "c/40ms", "a/30ms", "d/1s"} {
				p.Get("http://" + u)
				synctest.Wait()
			}
			drain(p)
			return nil
		})
		// The second request of a is sent when the first is done, before c,
		// which was made later.
		if diff := cmp.Diff([]string{"a/10ms", "b/15ms", "a/20ms", "c/40ms", "a/30ms", "d/1s"}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// Promise 19: a request that is canceled while it waits for its host leaves the
// queue, and those behind it move up.
func TestHostLimit_cancelQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, came := paced(t)
		c.HostLimit = 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			var hs []*pending.Pending
			for range 6 {
				hs = append(hs, p.Get("/1s"))
			}
			for _, i := range []int{1, 3, 5} {
				hs[i].Cancel()
				if err := failure(t, hs[i]); time.Since(start) != 0 || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("error = %v after %v, want ErrNotSent at once", err, time.Since(start))
				}
			}
			for _, i := range []int{0, 2, 4} {
				text(t, hs[i])
			}
			if d := time.Since(start); d != 3*time.Second || came.Load() != 3 {
				t.Errorf("the others took %v and %d requests, want 3s and 3", d, came.Load())
			}
			return nil
		})
	})
}

// Promise 19: a host is a name and a port, however they are written.
func TestHostLimit_sameHost(t *testing.T) {
	for _, urls := range []struct {
		a, b string
		same bool
	}{
		{"http://a/", "http://a:80/", true},
		{"http://a/", "http://A/other?path", true},
		{"http://a/", "http://user:pw@a/", true},
		{"https://a/", "https://a:443/", true},
		{"http://[::1]/", "http://[::1]:80/", true},
		{"http://a/", "http://b/", false},
		{"http://a/", "http://a:81/", false},
		{"http://a/", "https://a/", false},
		{"http://a/", "http://a.b/", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			c := client.Client{HostLimit: 1, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-time.After(time.Second)
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})}}
			start := time.Now()
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				p.Get(urls.a)
				p.Get(urls.b)
				for h := range p.Arrivals() {
					text(t, h)
					got = append(got, fmt.Sprint(time.Since(start)))
				}
				return nil
			})
			want := []string{"1s", "1s"}
			if urls.same {
				want[1] = "2s"
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s and %s were done after %s, want %s", urls.a, urls.b, strings.Join(got, " and "), strings.Join(want, " and "))
			}
		})
	}
}

// The Unicode and ASCII forms of one host counted as two hosts.
func TestHostLimit_oneHostInManySpellings(t *testing.T) {
	for name, tc := range map[string]struct {
		urls []string
		most int // most requests in flight with a HostLimit of 1
	}{
		"a name":        {[]string{"http://bücher.example/", "http://xn--bcher-kva.example:80/", "http://BÜCHER.example:/", "http://b%C3%BCcher.example:080/"}, 1},
		"an address":    {[]string{"http://[::1]/", "http://[0::1]:80/", "http://[0:0:0:0:0:0:0:1]/"}, 1},
		"another sigma": {[]string{"http://βόλος.example/", "http://βόλοσ.example/"}, 2},
		"another port":  {[]string{"http://a.test/", "http://a.test:8080/"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gauge
				s := testnet.New(t, &g)
				c := client.Client{HTTP: s.Client(), HostLimit: 1}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for _, u := range tc.urls {
						p.Get(u)
					}
					drain(p)
					return nil
				})
				if got := g.most[""]; got != tc.most {
					t.Errorf("%d requests were in flight at once, want %d", got, tc.most)
				}
			})
		})
	}
}

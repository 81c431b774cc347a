package recipes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The server refuses the first request and asks for a pause of an hour. All
// requests to it pause for as long as the program allows.
func ExamplePolite() {
	start := time.Now()
	var asked, early atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("RateLimit", `"default";r=0;t=3600`)
			w.WriteHeader(http.StatusTooManyRequests)
		} else if time.Since(start) < 50*time.Millisecond {
			early.Add(1)
		}
	}))
	defer srv.Close()

	polite := recipes.Polite{Longest: 50 * time.Millisecond}
	c := client.Client{BaseURL: srv.URL, HostLimit: 1, Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(4))}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for n := range 5 {
			p.Post("/orders", parallel.JSON(n))
		}
		for p.HasPending() {
			resp, err := p.Next()
			if err != nil {
				return err
			}
			fmt.Println(resp.Status)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(asked.Load(), "requests,", early.Load(), "in the pause")
	// Output:
	// 200 OK
	// 200 OK
	// 200 OK
	// 200 OK
	// 200 OK
	// 6 requests, 0 in the pause
}

func TestPolite_headers(t *testing.T) {
	const s = time.Second
	soon := fmt.Sprint(time.Date(2000, 1, 1, 0, 0, 30, 0, time.UTC).Unix()) // fake time begins 30 s before
	for _, test := range []struct {
		status  int
		headers string // separated by "|"
		want    time.Duration
	}{
		{429, "Retry-After: 7", 7 * s},
		{503, "Retry-After: 7", 7 * s},
		{429, "Retry-After: Sat, 01 Jan 2000 00:00:30 GMT", 30 * s},
		{429, "Retry-After: Fri, 31 Dec 1999 00:00:00 GMT", 0},
		{200, "Retry-After: 7", 0},
		{404, "Retry-After: 7", 0},
		{429, "", 0},

		// bad or too long
		{429, "Retry-After: 61", time.Minute},
		{429, "Retry-After: 99999999999999999999999", time.Minute},
		{429, "Retry-After: 1e999", time.Minute},
		{429, "Retry-After: Thu, 01 Jan 2099 00:00:00 GMT", time.Minute},
		{429, "Retry-After: -7", 0},
		{429, "Retry-After: NaN", 0},
		{429, "Retry-After: soon", 0},

		{200, "RateLimit-Remaining: 0|RateLimit-Reset: 5", 5 * s},
		{429, "RateLimit-Remaining: 0|RateLimit-Reset: 5", 5 * s},
		{200, "RateLimit-Remaining: 1|RateLimit-Reset: 5", 0},
		{200, "RateLimit-Remaining: 0", 0},
		{200, "RateLimit-Reset: 5", 0},
		{200, "RateLimit-Remaining: 0|RateLimit-Reset: -5", 0},
		{200, "RateLimit-Remaining: 0|X-RateLimit-Reset: 5", 0},
		{200, "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 5", 5 * s},
		{200, "X-Ratelimit-Remaining: 0|X-Ratelimit-Reset: " + soon, 30 * s},
		{200, "X-RateLimit-Remaining: 0|X-RateLimit-Reset: " + soon + ".5", 30500 * time.Millisecond},
		{200, "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 946684799", 0}, // a second ago
		{403, "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 99999999999", time.Minute},

		{200, `RateLimit: "default";r=0;t=30`, 30 * s},
		{200, `RateLimit: "default"; t=30; r=0`, 30 * s},
		{200, `RateLimit: "default";r=1;t=30`, 0},
		{200, `RateLimit: "default";r=0`, 0},
		{200, `RateLimit: "day";r=9;t=3000, "burst";r=0;t=3;pk=:c2VjcmV0:, "minute";r=0;t=20`, 20 * s},
		{200, `RateLimit: "day";r=9;t=3000|RateLimit: "minute";r=0;t=20`, 20 * s},
		{200, `RateLimit: "r=0, \";r=0;t=20;x";r=1;t=3`, 0},
		{200, `RateLimit: "never ends;r=0;t=20`, 0},
		{200, `RateLimit: ";"`, 0},
		{200, `RateLimit: ,;=,"`, 0},

		{429, `Retry-After: 7|RateLimit-Remaining: 0|RateLimit-Reset: 5|RateLimit: "default";r=0;t=9`, 9 * s},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.headers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/second" {
						return
					}
					for line := range strings.SplitSeq(test.headers, "|") {
						name, value, _ := strings.Cut(line, ": ")
						w.Header().Add(name, value)
					}
					w.WriteHeader(test.status)
				}))
				var polite recipes.Polite
				c := client.Client{HTTP: srv.Client(), Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(0))}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					if _, err := p.Get("http://h/first").Response(); err != nil {
						t.Error(err)
					}
					start := time.Now()
					if _, err := p.Get("http://h/second").Response(); err != nil {
						t.Error(err)
					}
					if got := time.Since(start); got != test.want {
						t.Errorf("the host was paused for %v; want %v", got, test.want)
					}
					return nil
				})
			})
		})
	}
}

// A pause holds for all blocks and clients, which share nothing else, and for
// no other host. The request that was refused is sent again when it is over,
// and not before.
func TestPolite_pausesEveryBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		came := make(map[string]int) // by host and time
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			came[fmt.Sprint(r.Host, " ", time.Since(start))]++
			if r.Host == "busy" && time.Since(start) < 5*time.Second {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}))
		var polite recipes.Polite
		var blocks sync.WaitGroup
		for range 3 {
			blocks.Go(func() {
				c := client.Client{HTTP: s.Client(), HostLimit: 1, Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(1))}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for n := range 50 {
						p.Post("http://busy/", parallel.JSON(n))
						p.Post("http://free/", parallel.JSON(n))
					}
					for p.HasPending() {
						if resp, err := p.Next(); err != nil || resp.StatusCode != http.StatusOK {
							t.Errorf("Next() = %v, %v; want 200", resp, err)
						}
					}
					return nil
				})
			})
		}
		blocks.Wait()
		refused := came["busy 0s"] // no more than the blocks have in flight
		if refused < 1 || refused > 3 {
			t.Errorf("%d requests were refused; want at most one of each block", refused)
		}
		if diff := cmp.Diff(map[string]int{"free 0s": 150, "busy 0s": refused, "busy 5s": 150}, came); diff != "" {
			t.Errorf("when requests came (-want +got):\n%s", diff)
		}
	})
}

// The last hop of a redirect is paused, and not the host that led to it.
func TestPolite_ofRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var came []string
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			came = append(came, fmt.Sprint(time.Since(start), " ", r.Host, r.URL.Path))
			switch {
			case r.URL.Path == "/moved":
				http.Redirect(w, r, "http://busy/", http.StatusFound)
			case r.Host == "busy" && len(came) == 2:
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		var polite recipes.Polite
		c := client.Client{HTTP: s.Client(), Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(0))}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for _, url := range []string{"http://door/moved", "http://door/", "http://door/moved"} {
				if _, err := p.Get(url).Response(); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		want := []string{"0s door/moved", "0s busy/", "0s door/", "0s door/moved", "5s busy/"}
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// Of two pauses of a host the later end counts.
func TestPolite_laterEndCounts(t *testing.T) {
	for _, test := range []struct {
		asked [2]string // in seconds; the second response comes a second later
		want  time.Duration
	}{{[2]string{"5", "9"}, 10 * time.Second}, {[2]string{"9", "5"}, 9 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second) // so that both requests are here
				if r.URL.RawQuery == "late" {
					time.Sleep(time.Second)
				}
				w.Header().Set("Retry-After", r.URL.Path[1:])
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			var polite recipes.Polite
			c := client.Client{HTTP: s.Client(), Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(0))}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				first, second := p.Get("http://h/"+test.asked[0]), p.Get("http://h/"+test.asked[1]+"?late")
				if _, err := pending.All(first, second); err != nil {
					t.Error(err)
				}
				start := time.Now().Add(-time.Second)
				if _, err := p.Get("http://h/0").Response(); err != nil {
					t.Error(err)
				}
				if got := time.Since(start) - time.Second; got != test.want {
					t.Errorf("pauses of %v s ended after %v; want %v", test.asked, got, test.want)
				}
				return nil
			})
		})
	}
}

// Retry is not called for a request that can't be sent again, as the comment of
// Polite says.
func TestPolite_onceReadBodyIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		var polite recipes.Polite
		c := client.Client{HTTP: s.Client(), Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(0))}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for _, h := range []struct {
				body io.Reader
				want time.Duration
			}{{io.MultiReader(strings.NewReader("x")), 0}, {strings.NewReader("x"), 0}, {strings.NewReader("x"), 5 * time.Second}} {
				p.Post("http://h/", parallel.Body("", h.body)).Response()
				if got := time.Since(start); got != h.want {
					t.Errorf("done after %v; want %v", got, h.want)
				}
			}
			return nil
		})
	})
}

// A Polite that has met 20,000 hosts keeps those whose pause is not over.
func TestPolite_forgetsHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polite recipes.Polite
		note := polite.Retry(parallel.Retries(0))
		before := heap()
		for i := range 20_000 {
			r := &http.Request{URL: &url.URL{Scheme: "http", Host: fmt.Sprintf("host-%d.example", i)}}
			note(parallel.Attempt{Request: r, Done: time.Now(), Response: &http.Response{
				StatusCode: 429, Header: http.Header{"Retry-After": {"10"}}}}) // has no Request
			if polite.Wait(r) == nil {
				t.Fatalf("host %d is not paused", i)
			}
			time.Sleep(time.Second)
		}
		if kept := heap() - before; kept > 64<<10 {
			t.Errorf("%d bytes are kept", kept)
		}
		runtime.KeepAlive(&polite)
	})
}

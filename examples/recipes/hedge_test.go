package recipes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	"github.com/abreast-go/abreast/waterfall"
)

// The server forgets the first request for /slow. Without a hedge, the program
// would wait for its Timeout.
func ExampleHedge() {
	var slow atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" && slow.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "here it is")
	}))
	defer srv.Close()

	hedge := &recipes.Hedge{}
	c := client.Client{BaseURL: srv.URL, Observe: hedge.Observe}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 100 { // so long does it learn
			if _, err := hedge.Get(p, "/").Bytes(); err != nil {
				return err
			}
		}
		body, err := hedge.Get(p, "/slow").Bytes()
		fmt.Printf("%s, after %d requests\n", body, slow.Load())
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// here it is, after 2 requests
}

// A slow service takes as long as the query says. Of a URL with the query
// "1s,10ms,20ms:503" the first request takes 1 s, the second 10 ms, and the
// third 20 ms, and is answered with 503. Others take 10 ms.
type slow struct {
	mu                         sync.Mutex // guards the fields below
	came                       map[string]int
	received                   []string // methods, headers and bodies
	canceled, inFlight, atMost int
}

func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	n := s.came[r.URL.String()]
	s.came[r.URL.String()]++
	s.received = append(s.received, fmt.Sprintf("%s %v %s", r.Method, r.Header, body))
	s.inFlight++
	s.atMost = max(s.atMost, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	took, status := 10*time.Millisecond, http.StatusOK
	if each := strings.Split(r.URL.RawQuery, ","); n < len(each) && each[n] != "" {
		text, code, _ := strings.Cut(each[n], ":")
		took, _ = time.ParseDuration(text)
		fmt.Sscan(code, &status)
	}
	select {
	case <-time.After(took):
		w.WriteHeader(status)
		fmt.Fprint(w, n+1)
	case <-r.Context().Done():
		s.mu.Lock()
		s.canceled++
		s.mu.Unlock()
	}
}

// forget forgets the requests that came.
func (s *slow) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.came)
	s.received, s.atMost, s.canceled = nil, 0, 0
}

// all returns the requests that came, with headers and bodies.
func (s *slow) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// hedged runs fn in a block of c whose hedge has seen n requests of 10 ms to
// the host h. The service has counted none of them.
func hedged(t *testing.T, c client.Client, hedge *recipes.Hedge, n int, fn func(p *parallel.Parallel, s *slow)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{came: make(map[string]int)}
		c.HTTP, c.BaseURL = testnet.New(t, s).Client(), "http://h"
		if c.Observe == nil {
			c.Observe = hedge.Observe
		}
		if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for range n {
				if _, err := hedge.Get(p, "/").Bytes(); err != nil {
					return err
				}
			}
			s.forget()
			fn(p, s)
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

// near reports whether a time is want, except for the 1 % of the sketch.
func near(got, want time.Duration) bool {
	return got >= want-want/50 && got <= want+want/40
}

// A late request is sent a second time, the slower of the two is canceled, and
// both are in the picture.
func TestHedge_late(t *testing.T) {
	var rec waterfall.Recorder
	hedge := new(recipes.Hedge)
	c := client.Client{Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
		if r.URL.RawQuery == "" {
			return hedge.Observe(r)
		}
		ctx, done := rec.Observe(r)
		_, learn := hedge.Observe(r)
		return ctx, func(o pending.Outcome) { done(o); learn(o) }
	}}
	hedged(t, c, hedge, 100, func(p *parallel.Parallel, s *slow) {
		start := time.Now()
		body, err := hedge.Get(p, "/?10s,10ms").Bytes()
		if took := time.Since(start); string(body) != "2" || err != nil || !near(took, 20*time.Millisecond) {
			t.Errorf("Bytes() = %q, %v after %v; want 2 after 20ms", body, err, took)
		}
		start = time.Now()
		body, err = hedge.Get(p, "/?15ms,10s").Bytes()
		if took := time.Since(start); string(body) != "1" || err != nil || took != 15*time.Millisecond {
			t.Errorf("Bytes() = %q, %v after %v; want 1 after 15ms", body, err, took)
		}
		synctest.Wait()
		if len(s.all()) != 4 || s.canceled != 2 {
			t.Errorf("the server has %d requests, %d of them canceled; want 4, 2", len(s.all()), s.canceled)
		}
		var b bytes.Buffer
		rec.Text(&b, 100)
		var rows []string
		for line := range strings.Lines(b.String()) {
			if url, rest, ok := strings.Cut(line, " |"); ok {
				rows = append(rows, url+" "+strings.Fields(rest[strings.Index(rest, "|")+1:])[1])
			}
		}
		want := []string{"GET /?10s,10ms canceled", "GET /?10s,10ms 200", "GET /?15ms,10s 200", "GET /?15ms,10s canceled"}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("rows (-want +got):\n%s\n%s", diff, b.String())
		}
	})
}

// Until a hundred requests to a host have been seen, nothing to it is hedged.
func TestHedge_learnsFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		learnt int
		url    string
		want   int
	}{
		"99 requests":  {99, "/?1s", 1},
		"100 requests": {100, "/?1s", 2},
		"another host": {100, "http://other/?1s", 1},
		"another port": {100, "http://h:81/?1s", 1},
	} {
		t.Run(name, func(t *testing.T) {
			hedge := new(recipes.Hedge)
			hedged(t, client.Client{}, hedge, tc.learnt, func(p *parallel.Parallel, s *slow) {
				if _, err := hedge.Get(p, tc.url).Bytes(); err != nil || len(s.all()) != tc.want {
					t.Errorf("%d requests, %v; want %d", len(s.all()), err, tc.want)
				}
			})
		})
	}
}

// Only requests that a server may receive twice are hedged.
func TestHedge_methods(t *testing.T) {
	const key = "Idempotency-Key"
	for name, tc := range map[string]struct {
		method string
		body   io.Reader
		opts   []parallel.Option
		want   int
	}{
		"GET":                     {"GET", nil, nil, 2},
		"no method":               {"", nil, nil, 2},
		"HEAD":                    {"HEAD", nil, nil, 2},
		"PUT":                     {"PUT", strings.NewReader("body"), nil, 2},
		"PUT of a stream":         {"PUT", io.MultiReader(strings.NewReader("body")), nil, 1},
		"DELETE":                  {"DELETE", nil, nil, 2},
		"POST":                    {"POST", nil, nil, 1},
		"PATCH":                   {"PATCH", nil, nil, 1},
		"POST with a key":         {"POST", strings.NewReader("body"), []parallel.Option{parallel.Header(key, "7")}, 2},
		"POST of JSON with a key": {"POST", nil, []parallel.Option{parallel.Header(key, "7"), parallel.JSON(7)}, 2},
		"PUT of a stream, option": {"PUT", nil, []parallel.Option{parallel.Body("text/plain", io.MultiReader(strings.NewReader("body")))}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			hedge := new(recipes.Hedge)
			hedged(t, client.Client{}, hedge, 100, func(p *parallel.Parallel, s *slow) {
				r, err := http.NewRequest(tc.method, "http://h/?1s", tc.body)
				if err != nil {
					t.Fatal(err)
				}
				h := hedge.Do(p, r, tc.opts...)
				r.URL, r.Header = nil, nil // it has a copy
				if _, err := h.Bytes(); err != nil || len(s.all()) != tc.want {
					t.Errorf("%d requests, %v; want %d", len(s.all()), err, tc.want)
				}
				if diff := cmp.Diff(s.all()[0], s.all()[tc.want-1]); diff != "" {
					t.Errorf("first and second request:\n%s", diff)
				}
			})
		})
	}
}

// When every request is slow, at most a tenth is sent again.
func TestHedge_budget(t *testing.T) {
	for name, tc := range map[string]struct {
		budget          float64
		learnt, n, want int
	}{
		"an eighth":           {0.125, 100, 1000, 134}, // and ten that were saved up, but not quite
		"no more is saved up": {0.125, 500, 10, 10},
		"the default":         {0, 100, 1000, 109}, // 0.1 in floating point is a little less
		"none":                {-1, 100, 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			hedge := &recipes.Hedge{Budget: tc.budget, Quantile: 0.01} // stay at 10 ms
			hedged(t, client.Client{}, hedge, tc.learnt, func(p *parallel.Parallel, s *slow) {
				for n := range tc.n {
					if _, err := hedge.Get(p, fmt.Sprintf("/%d?1s,1s", n)).Bytes(); err != nil {
						t.Error(err)
					}
				}
				if got := len(s.all()) - tc.n; got != tc.want {
					t.Errorf("%d requests more; want %d", got, tc.want)
				}
			})
		})
	}
}

// Both requests need a slot, and call Wait.
func TestHedge_limits(t *testing.T) {
	for name, tc := range map[string]struct {
		c    client.Client
		want int // in flight at most
	}{
		"Limit 1":     {client.Client{Limit: 1}, 1},
		"Limit 2":     {client.Client{Limit: 2}, 2},
		"HostLimit 1": {client.Client{HostLimit: 1}, 1},
		"Shared":      {client.Client{Shared: parallel.NewLimits(1, 0)}, 1},
		"none":        {client.Client{Limit: -1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var waits atomic.Int32
			tc.c.Wait = func(*http.Request) error { waits.Add(1); return nil }
			hedge := new(recipes.Hedge)
			hedged(t, tc.c, hedge, 100, func(p *parallel.Parallel, s *slow) {
				_, err := hedge.Get(p, "/?100ms").Bytes()
				synctest.Wait()
				if err != nil || s.atMost != tc.want || len(s.all()) != tc.want || waits.Load() != int32(100+tc.want) {
					t.Errorf("%d requests, %d at once, %d Waits, %v; want %[5]d, %[5]d, 10%[5]d", len(s.all()), s.atMost, waits.Load(), err, tc.want)
				}
			})
		})
	}
}

// The time in the queue and in the pause of a retry doesn't count, and doesn't
// teach.
func TestHedge_onlyInFlight(t *testing.T) {
	hedge := new(recipes.Hedge)
	c := client.Client{Limit: 2, Retry: func(a parallel.Attempt) (time.Duration, bool) {
		return time.Second, a.Response != nil && a.Response.StatusCode == http.StatusServiceUnavailable
	}}
	hedged(t, c, hedge, 100, func(p *parallel.Parallel, s *slow) {
		for _, u := range []string{"/a?1s", "/b?1s"} {
			p.Do(post(u))
		}
		body, err := hedge.Get(p, "/?9ms").Bytes()
		if string(body) != "1" || err != nil || len(s.all()) != 3 {
			t.Errorf("Bytes() = %q, %v, and %d requests; want 1, 3", body, err, len(s.all()))
		}
		for n := range 10 {
			body, err := hedge.Get(p, fmt.Sprintf("/%d?5ms:503,9ms", n)).Bytes()
			if want := 5 + 2*n; string(body) != "2" || err != nil || len(s.all()) != want {
				t.Errorf("Bytes() = %q, %v, and %d requests; want 2, %d", body, err, len(s.all()), want)
			}
		}
		start := time.Now()
		body, err = hedge.Get(p, "/?20s,10ms").Bytes()
		if took := time.Since(start); string(body) != "2" || err != nil || !near(took, 20*time.Millisecond) {
			t.Errorf("Bytes() = %q, %v after %v; want 2 after 20ms", body, err, took)
		}
	})
}

func post(url string) *http.Request {
	r, _ := http.NewRequest("POST", url, nil)
	return r
}

// The second response is used only if it is 2xx. Otherwise the result is the
// first, as without a hedge.
func TestHedge_results(t *testing.T) {
	for name, tc := range map[string]struct {
		url    string
		status int
		body   string
		sent   int
		took   time.Duration
	}{
		"both in time":       {"/?5ms", 200, "1", 1, 5},
		"an early failure":   {"/?5ms:404,5ms", 404, "1", 1, 5},
		"the second fails":   {"/?1s,5ms:503", 200, "1", 2, 1000},
		"the first fails":    {"/?30ms:500,1s", 200, "2", 2, 1010},
		"both fail":          {"/?30ms:500,5ms:503", 500, "1", 2, 30},
		"the second is best": {"/?1s,5ms", 200, "2", 2, 15},
	} {
		t.Run(name, func(t *testing.T) {
			hedge := new(recipes.Hedge)
			hedged(t, client.Client{}, hedge, 100, func(p *parallel.Parallel, s *slow) {
				start := time.Now()
				resp, err := hedge.Get(p, tc.url).Response()
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != tc.status || string(body) != tc.body || len(s.all()) != tc.sent || !near(took, tc.took*time.Millisecond) {
					t.Errorf("status %d, body %s, %d requests, %v; want %+v", resp.StatusCode, body, len(s.all()), took, tc)
				}
			})
		})
	}
}

// A canceled Get cancels both requests. A bad URL fails like that of p.Get.
func TestHedge_cancel(t *testing.T) {
	hedge := new(recipes.Hedge)
	hedged(t, client.Client{}, hedge, 100, func(p *parallel.Parallel, s *slow) {
		h := hedge.Get(p, "/?1h,1h")
		<-time.After(time.Second)
		h.Cancel()
		if _, err := h.Response(); !errors.Is(err, context.Canceled) {
			t.Errorf("Response() error = %v; want context.Canceled", err)
		}
		synctest.Wait()
		if s.canceled != 2 {
			t.Errorf("%d requests were canceled; want 2", s.canceled)
		}
		for _, bad := range []string{"http://h\x00", "/../..", "http://user:pass word@h/%zz"} {
			_, got := hedge.Get(p, bad).Response()
			_, want := p.Get(bad).Response()
			if got == nil || got.Error() != want.Error() {
				t.Errorf("Response() error = %v; want %v", got, want)
			}
		}
	})
}

// What is learnt is forgotten as times change. Failures, and requests that were
// canceled before they were late, teach nothing.
func TestHedge_learns(t *testing.T) {
	for name, tc := range map[string]struct {
		learnt int
		urls   []string
		n      int
		each   time.Duration // canceled after this time
		want   time.Duration // in which a request of an hour is hedged
	}{
		"nothing new":      {100, []string{"/"}, 100, time.Minute, 10 * time.Millisecond},
		"slower":           {100, []string{"/?40ms"}, 10, time.Minute, 40 * time.Millisecond},
		"one in 50 slower": {100, append(many("/", 49), "/?40ms"), 1, time.Minute, 10 * time.Millisecond},
		"quicker":          {1100, []string{"/?5ms"}, 14_000, time.Minute, 5 * time.Millisecond},
		"quick failures":   {100, []string{"/?1ms:500", "/?1ms:404"}, 2000, time.Minute, 10 * time.Millisecond},
		"canceled early":   {100, []string{"/?1s"}, 4000, time.Millisecond, 10 * time.Millisecond},
		"canceled late":    {100, []string{"/?1s"}, 10, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			hedge := new(recipes.Hedge)
			hedged(t, client.Client{Timeout: -1}, hedge, tc.learnt, func(p *parallel.Parallel, s *slow) {
				for range tc.n {
					for _, u := range tc.urls {
						s.forget()
						h := p.Get(u) // a hedge learns from this as well
						select {
						case <-h.Done():
						case <-time.After(tc.each):
							h.Cancel()
						}
						h.Response()
					}
				}
				start := time.Now()
				hedge.Get(p, "/last?1h,0s").Response()
				if took := time.Since(start); !near(took, tc.want) {
					t.Errorf("hedged after %v; want %v", took, tc.want)
				}
			})
		})
	}
}

func many(s string, n int) []string { return strings.Fields(strings.Repeat(s+" ", n)) }

package recipes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
)

// A service that serves five requests at once and refuses others. The client
// does not know this number.
func ExampleAdapt() {
	places := make(chan struct{}, 5)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			time.Sleep(time.Millisecond)
			<-places
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()

	limits := new(parallel.Limits)
	api := client.Client{
		BaseURL: srv.URL,
		Limit:   -1,
		Shared:  limits,
		Retry:   recipes.Adapt(limits, 500, time.Second, parallel.Retries(20)),
	}
	served := 0
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 200 {
			p.Get("/")
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
			served++
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("served", served)
	// Output:
	// served 200
}

// The limit while more requests wait than it allows, in the middle of each
// tenth of a second. It is the number in flight.
func TestAdapt_limit(t *testing.T) {
	const ms = time.Millisecond
	type reply struct {
		takes  time.Duration
		status int // 0 breaks the connection off
	}
	always := func(takes time.Duration, status int) func(int) reply {
		return func(int) reply { return reply{takes, status} }
	}
	first := func(n int, early, late reply) func(int) reply {
		return func(i int) reply {
			if i < n {
				return early
			}
			return late
		}
	}
	only := func(n int, one, others reply) func(int) reply {
		return func(i int) reply {
			if i == n {
				return one
			}
			return others
		}
	}
	quick, late, refused := reply{100 * ms, 200}, reply{200 * ms, 200}, reply{100 * ms, 503}
	rising := []int{10, 11, 13, 16, 20, 24, 29, 36, 43, 50, 59, 69, 79, 91, 103}
	for name, test := range map[string]struct {
		reply func(n int) reply // to the nth request, from 0
		most  int
		slow  time.Duration
		want  []int
	}{
		"rises":                    {always(100*ms, 200), 200, 120 * ms, rising},
		"404":                      {always(100*ms, 404), 200, 120 * ms, rising},
		"500":                      {always(100*ms, 500), 200, 120 * ms, []int{10, 10, 10, 10}},
		"failed":                   {always(100*ms, 0), 200, 120 * ms, []int{10, 10, 10, 10}},
		"most":                     {always(100*ms, 200), 15, 120 * ms, []int{10, 11, 13, 15, 15, 15}},
		"begins at most":           {always(100*ms, 200), 3, 120 * ms, []int{3, 3, 3}},
		"most is 0":                {always(100*ms, 200), 0, 120 * ms, []int{1, 1, 1}},
		"503":                      {always(100*ms, 503), 200, 120 * ms, []int{10, 9, 8, 7, 6, 5, 5, 4, 4, 3}},
		"429":                      {always(100*ms, 429), 200, 120 * ms, []int{10, 9, 8, 7, 6, 5, 5, 4, 4, 3}},
		"never below 1":            {always(100*ms, 503), 2, 120 * ms, []int{2, 1, 1, 1, 1, 1}},
		"one refused":              {only(0, reply{20 * ms, 503}, quick), 200, 120 * ms, []int{9, 9, 10, 12, 15}},
		"recovers from refusals":   {first(27, refused, quick), 200, 120 * ms, []int{10, 9, 8, 7, 8, 10, 13}},
		"much too slow":            {always(300*ms, 200), 200, 120 * ms, []int{10, 10, 10, 6, 6, 6, 5, 5, 5, 5}},
		"too slow":                 {always(120*ms, 200), 200, 100 * ms, []int{10, 8, 8, 8, 6, 6, 5, 5, 5, 5}},
		"a little too slow":        {always(101*ms, 200), 200, 100 * ms, []int{10, 9, 9, 8, 8, 7, 7, 6, 6, 5}},
		"slow and 500":             {always(200*ms, 500), 200, 120 * ms, []int{10, 10, 6, 6, 5, 5, 5, 5, 3, 3}},
		"slow and failed":          {always(200*ms, 0), 200, 120 * ms, []int{10, 10, 6, 6, 5, 5, 5, 5, 3, 3}},
		"no slow":                  {always(200*ms, 200), 200, 0, []int{10, 10, 11, 11, 13, 13, 16, 16, 20, 20}},
		"recovers from being slow": {first(10, late, quick), 200, 120 * ms, []int{10, 10, 6, 5, 7, 9, 11, 15, 19, 24}},
		"rises by one again":       {only(60, refused, quick), 200, 120 * ms, []int{10, 11, 13, 16, 20, 20, 20, 22, 25}},
		"one in ten slow": {func(n int) reply { return reply{100 * ms * time.Duration(1+2*(n%10/9)), 200} }, 200, 120 * ms,
			[]int{10, 11, 12, 14, 17, 20, 24, 28, 32, 38}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var arrived atomic.Int64
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n := int(arrived.Add(1)) - 1
					reply := test.reply(n)
					linger(r, reply.takes+time.Duration(n)*time.Microsecond) // one after another, to have one result
					if reply.status == 0 {
						panic(http.ErrAbortHandler)
					}
					w.WriteHeader(reply.status)
				}))
				limits := new(parallel.Limits)
				c := client.Client{
					HTTP: s.Client(), Limit: -1, Shared: limits,
					Retry: recipes.Adapt(limits, test.most, test.slow, parallel.Retries(0)),
				}
				var got []int
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 2000 {
						p.Get("http://h/")
					}
					time.Sleep(50 * ms)
					for range test.want {
						got = append(got, limits.Stats().InFlight)
						time.Sleep(100 * ms)
					}
					return nil
				})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("in flight (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// linger waits for d, or until the client has gone.
func linger(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// Requests that are fewer than the limit do not raise it.
func TestAdapt_risesOnlyWhenReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { linger(r, time.Second) }))
		limits := new(parallel.Limits)
		c := client.Client{HTTP: s.Client(), Limit: -1, Shared: limits, Retry: recipes.Adapt(limits, 100, time.Minute, parallel.Retries(0))}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var got []int
			for _, n := range []int{9, 9, 9, 50, 50} {
				for range n {
					p.Get("http://h/")
				}
				time.Sleep(time.Second / 2)
				got = append(got, limits.Stats().InFlight)
				time.Sleep(time.Second / 2)
				synctest.Wait()
			}
			if diff := cmp.Diff([]int{9, 9, 9, 10, 11}, got); diff != "" {
				t.Errorf("in flight (-want +got):\n%s", diff)
			}
			return nil
		})
	})
}

// Adapt returns what decide returns.
func TestAdapt_decides(t *testing.T) {
	for _, want := range []bool{true, false} {
		adapt := recipes.Adapt(new(parallel.Limits), 10, time.Second, func(a parallel.Attempt) (time.Duration, bool) {
			return time.Duration(a.N) * time.Second, want
		})
		if pause, again := adapt(parallel.Attempt{N: 3}); pause != 3*time.Second || again != want {
			t.Errorf("Adapt(...)(attempt) = %v, %v; want 3s, %v", pause, again, want)
		}
	}
}

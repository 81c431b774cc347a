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

// A service that is down gets 120 attempts for 100 requests. Without a budget
// it gets 500.
func ExampleBudget() {
	var attempts atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		attempts.Add(1)
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()

	c := client.Client{BaseURL: srv.URL, Retry: recipes.Budget(0.2, 0, parallel.Retries(4))}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 100 {
			p.Get("/")
		}
		for p.HasPending() {
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(attempts.Load(), "attempts")
	// Output:
	// 120 attempts
}

func TestBudget(t *testing.T) {
	type second struct{ At, Requests, Retries int } // each request is retried until the budget says no
	for name, test := range map[string]struct {
		share float64
		least int
		want  []second
	}{
		"a share": {0.2, 0, []second{{0, 100, 20}, {0, 4, 0}, {0, 1, 1}, {1, 10, 2}, {9, 5, 1}}},
		"of the last ten seconds": {0.2, 0, []second{
			{0, 100, 20},
			{5, 10, 2},
			{10, 5, 1}, // the first 100 and their 20 don't count
			{15, 5, 1}, // neither do the next
			{100, 4, 0},
		}},
		"requests after the retries": {0.5, 0, []second{{0, 10, 5}, {9, 1, 0}, {10, 1, 1}}},
		"the least":                  {0.2, 1, []second{{0, 1, 10}, {5, 1, 0}, {9, 1, 0}, {10, 1, 10}}},
		"the least is no addition":   {0.2, 1, []second{{0, 100, 20}, {1, 100, 20}}},
		"nothing":                    {0, 0, []second{{0, 100, 0}}},
		"all":                        {1, 0, []second{{0, 100, 100}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				retry := recipes.Budget(test.share, test.least, func(parallel.Attempt) (time.Duration, bool) { return time.Second, true })
				var got []second
				for _, s := range test.want {
					time.Sleep(time.Duration(s.At)*time.Second - time.Since(start))
					retries := 0
					for range s.Requests {
						for n := 1; ; n++ {
							pause, again := retry(parallel.Attempt{N: n})
							if !again {
								break
							}
							retries++
							if pause != time.Second {
								t.Errorf("the pause is %v; want what decide returned", pause)
							}
						}
					}
					got = append(got, second{s.At, s.Requests, retries})
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// What decide declines costs nothing of the budget.
func TestBudget_onlyForRetries(t *testing.T) {
	wants := false
	retry := recipes.Budget(0.2, 0, func(parallel.Attempt) (time.Duration, bool) { return 0, wants })
	for range 100 {
		retry(parallel.Attempt{N: 1})
	}
	wants = true
	left := 0
	for ok := true; ok; left++ {
		_, ok = retry(parallel.Attempt{N: 2})
	}
	if left-1 != 20 {
		t.Errorf("%d retries; want 20", left-1)
	}
}

// Blocks that run at once share the budget, and the requests that are not sent
// again have the response that they got.
func TestBudget_manyBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			attempts.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		c := client.Client{HTTP: s.Client(), Retry: recipes.Budget(0.1, 0, parallel.Retries(4))}
		done := make(chan int)
		for range 10 {
			go c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				n := 0
				for range 50 {
					p.Get("http://h/")
				}
				for p.HasPending() {
					if resp, err := p.Next(); err == nil && resp.StatusCode == http.StatusServiceUnavailable {
						n++
					}
				}
				done <- n
				return nil
			})
		}
		responses := 0
		for range 10 {
			responses += <-done
		}
		if got := attempts.Load(); got != 550 || responses != 500 {
			t.Errorf("%d attempts and %d responses; want 550, 500", got, responses)
		}
	})
}

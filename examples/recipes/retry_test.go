package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A refused PUT is sent again with its body. A breaker below Retry counts each
// attempt.
func ExampleRetry() {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.Copy(w, r.Body)
	}))
	defer srv.Close()

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	breaker := circuitbreaker.NewBuilder[*http.Response]().
		WithFailureThresholdRatio(5, 10).WithDelay(10 * time.Second).Build()
	api := client.Client{BaseURL: srv.URL, HTTP: &http.Client{
		Transport: recipes.Retry(&recipes.Breaker{Next: transport, Breaker: breaker}, 5*time.Second)}}

	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		var stored map[string]int
		if err := p.Put("/stock/7", parallel.JSON(map[string]int{"left": 3})).JSON(&stored); err != nil {
			return err
		}
		fmt.Println(stored, "after", asked.Load(), "attempts, of which failed", breaker.Metrics().Failures())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// map[left:3] after 2 attempts, of which failed 1
}

// A turned-away server returns its responses in turn, and repeats the last.
type turned struct {
	status     []int
	retryAfter string
	asked      []string // method and body of each
}

func (s *turned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n := min(len(s.asked), len(s.status)-1)
	s.asked = append(s.asked, r.Method+" "+string(body))
	if s.retryAfter != "" {
		w.Header().Set("Retry-After", s.retryAfter)
	}
	w.WriteHeader(s.status[n])
	fmt.Fprintf(w, "answer %d", len(s.asked))
}

func TestRetry(t *testing.T) {
	unreadable := func() parallel.Option { // a second time
		return parallel.Body("text/plain", io.MultiReader(strings.NewReader("bo"), strings.NewReader("dy")))
	}
	get := func(p *parallel.Parallel) *pending.Pending { return p.Get("http://h/") }
	type outcome struct {
		Status int
		Body   string
		Asked  []string
		Took   time.Duration
	}
	cases := map[string]struct {
		server turned
		do     func(*parallel.Parallel) *pending.Pending
		want   outcome
	}{
		"as long as Retry-After says": {
			turned{[]int{503, 200}, "7", nil}, get,
			outcome{200, "answer 2", []string{"GET ", "GET "}, 7 * time.Second},
		},
		"no longer than patience": {
			turned{[]int{503, 200}, "11", nil}, get,
			outcome{503, "answer 1", []string{"GET "}, 0},
		},
		"a Retry-After of too many digits": {
			turned{[]int{503, 200}, "99999999999999999999", nil}, get,
			outcome{503, "answer 1", []string{"GET "}, 0},
		},
		"without Retry-After": {
			turned{[]int{503, 500, 200}, "", nil}, get,
			outcome{200, "answer 3", []string{"GET ", "GET ", "GET "}, 300 * time.Millisecond},
		},
		"the last answer": {
			turned{[]int{503}, "1", nil}, get,
			outcome{503, "answer 3", []string{"GET ", "GET ", "GET "}, 2 * time.Second},
		},
		"not what is the caller's fault": {
			turned{[]int{404}, "1", nil}, get,
			outcome{404, "answer 1", []string{"GET "}, 0},
		},
		"a body that can be read once": {
			turned{[]int{503, 200}, "0", nil},
			func(p *parallel.Parallel) *pending.Pending { return p.Put("http://h/", unreadable()) },
			outcome{200, "answer 2", []string{"PUT body", "PUT body"}, 0},
		},
		"not a POST": {
			turned{[]int{503, 200}, "0", nil},
			func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/", unreadable()) },
			outcome{503, "answer 1", []string{"POST body"}, 0},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, &tc.server)
				c := client.Client{HTTP: &http.Client{Transport: recipes.Retry(s.Transport, 10*time.Second)}}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					resp, err := tc.do(p).Response()
					if err != nil {
						t.Error(err)
						return nil
					}
					body, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Error(err)
					}
					got := outcome{resp.StatusCode, string(body), tc.server.asked, time.Since(start)}
					if diff := cmp.Diff(tc.want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					return nil
				})
				if s.Dials() != 1 {
					t.Errorf("%d connections; want the one", s.Dials())
				}
			})
		})
	}
}

// Leaving the block ends the wait for the next attempt.
func TestRetry_endOfBlockDoesntWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &turned{status: []int{503}, retryAfter: "9"}
		s := testnet.New(t, server)
		c := client.Client{HTTP: &http.Client{Transport: recipes.Retry(s.Transport, 10*time.Second)}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://h/")
			synctest.Wait()
			return nil
		})
		if took := time.Since(start); took != 0 || len(server.asked) != 1 {
			t.Errorf("leaving took %v, after %d attempts; want 0, 1", took, len(server.asked))
		}
	})
}

// A transport that retries holds the slot in its pauses. Client.Retry holds
// none. See WARNINGS.md.
func TestRetry_pausesHoldSlot(t *testing.T) {
	for name, test := range map[string]struct {
		client func(*http.Transport) client.Client
		want   time.Duration
	}{
		"in a transport": {func(t *http.Transport) client.Client {
			return client.Client{HTTP: &http.Client{Transport: recipes.Retry(t, 10*time.Second)}}
		}, 14 * time.Second},
		"Client.Retry": {func(t *http.Transport) client.Client {
			return client.Client{HTTP: &http.Client{Transport: t}, Retry: parallel.Retries(2)}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Host == "down" {
						w.Header().Set("Retry-After", "7")
						w.WriteHeader(http.StatusServiceUnavailable)
					}
				}))
				c := test.client(s.Transport)
				c.Limit = 4
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for range 4 {
						p.Get("http://down/")
					}
					if _, err := p.Get("http://up/").Response(); err != nil {
						t.Error(err)
					}
					return nil
				})
				if got := time.Since(start); got != test.want {
					t.Errorf("another host's request took %v; want %v", got, test.want)
				}
			})
		})
	}
}

// The waits are within the request's Timeout.
func TestRetry_pausesUseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, &turned{status: []int{503}, retryAfter: "4"})
		c := client.Client{Timeout: 5 * time.Second, HTTP: &http.Client{Transport: recipes.Retry(s.Transport, 10*time.Second)}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
				t.Errorf("after %v: %v; want a timeout after 5s", time.Since(start), err)
			}
			return nil
		})
	})
}

// httptrace watches all attempts: one that got a connection is enough for the
// request not to be ErrNotSent.
func TestRetry_notSentIfNoAttemptWas(t *testing.T) {
	const refused, broken = "refused", "broken"
	for name, tc := range map[string]struct {
		attempts []string
		want     bool
	}{
		"none":       {[]string{refused, refused, refused}, true},
		"the first":  {[]string{broken, refused, refused}, false},
		"the second": {[]string{refused, broken, refused}, false},
		"the last":   {[]string{refused, refused, broken}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
				var attempts []string
				s.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					attempt := tc.attempts[len(attempts)]
					attempts = append(attempts, attempt)
					if attempt == refused {
						return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
					}
					return s.Dial(ctx, network, addr)
				}
				c := client.Client{HTTP: &http.Client{Transport: recipes.Retry(s.Transport, 10*time.Second)}}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Get("http://h/").Response()
					if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
						t.Errorf("%v; want it to be ErrNotSent: %v", err, tc.want)
					}
					return nil
				})
				if diff := cmp.Diff(tc.attempts, attempts); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// After the third failure, the service gets no more requests.
func ExampleBreaker() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("asked for", r.URL)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer srv.Close()

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	breaker := circuitbreaker.NewBuilder[*http.Response]().
		WithFailureThreshold(3). // in a row; in a program rather a ratio, or a rate
		WithDelay(10 * time.Second).
		Build()
	api := client.Client{BaseURL: srv.URL, HTTP: &http.Client{Transport: &recipes.Breaker{Next: transport, Breaker: breaker}}}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for n := range 4 {
			_, err := p.Get(fmt.Sprint("/", n)).Response()
			if errors.Is(err, circuitbreaker.ErrOpen) {
				fmt.Println("not asked for", n)
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// asked for /0
	// asked for /1
	// asked for /2
	// not asked for 3
}

// A step of a test is a request with a certain end.
type step func(t *testing.T, c *client.Client)

// In words, what requests do to a breaker that opens after 3 failures in a row,
// for 10 s.
var (
	answered step = func(t *testing.T, c *client.Client) { request(t, c, "/", nil) }
	failed   step = func(t *testing.T, c *client.Client) { request(t, c, "/500", nil) }
	broke    step = func(t *testing.T, c *client.Client) { request(t, c, "/breaks", nil) }
	timedOut step = func(t *testing.T, c *client.Client) { request(t, c, "/hangs", nil, parallel.Timeout(time.Second)) }
	lost     step = func(t *testing.T, c *client.Client) {
		request(t, c, "/hangs", func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() })
	}
	left step = func(t *testing.T, c *client.Client) {
		request(t, c, "/hangs", func(*pending.Pending, context.CancelCauseFunc) {})
	}
	gone step = func(t *testing.T, c *client.Client) {
		request(t, c, "/hangs", func(_ *pending.Pending, cancel context.CancelCauseFunc) {
			cancel(errors.New("the visitor has gone"))
		})
	}
	wait step = func(*testing.T, *client.Client) { <-time.After(10 * time.Second) }
)

// request makes one in a block of its own. end, where there is one, ends it in
// flight.
func request(t *testing.T, c *client.Client, path string, end func(*pending.Pending, context.CancelCauseFunc), opts ...parallel.Option) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if err := c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Get("http://h"+path, opts...)
		if end == nil {
			h.Response()
		} else {
			synctest.Wait()
			end(h, cancel)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// broken is the service of the steps.
func broken(t *testing.T) *testnet.Server {
	return testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/breaks":
			panic(http.ErrAbortHandler)
		case "/hangs":
			<-r.Context().Done()
		}
	}))
}

// Cancelled requests say nothing about the service: neither for it nor against
// it.
func TestBreaker_loserDoesntCount(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []step
		want  string
	}{
		"failures open it":                     {[]step{failed, broke, timedOut}, "open"},
		"an answer ends a row of failures":     {[]step{failed, failed, answered, failed}, "closed"},
		"canceled ones don't open it":          {[]step{lost, left, gone, lost, left, gone}, "closed"},
		"whatever the caller's cause is":       {[]step{gone, gone, gone}, "closed"},
		"nor do they end a row of failures":    {[]step{failed, lost, failed, left, gone, failed}, "open"},
		"a trial that is answered":             {[]step{failed, failed, failed, wait, answered}, "closed"},
		"a trial that fails":                   {[]step{failed, failed, failed, wait, failed}, "open"},
		"a trial that is canceled is no proof": {[]step{failed, failed, failed, wait, lost}, "open"},
		"there is another trial after that":    {[]step{failed, failed, failed, wait, lost, wait, answered}, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				breaker := circuitbreaker.NewBuilder[*http.Response]().
					WithFailureThreshold(3).WithSuccessThreshold(1).WithDelay(10 * time.Second).Build()
				c := client.Client{HTTP: &http.Client{Transport: &recipes.Breaker{Next: broken(t).Transport, Breaker: breaker}}}
				for _, step := range tc.steps {
					step(t, &c)
				}
				if got := breaker.State().String(); got != tc.want {
					t.Errorf("the breaker is %s; want %s", got, tc.want)
				}
			})
		})
	}
}

// A request that an open breaker refuses has its body closed. It is not sent
// again, and its error does not match ErrNotSent.
func TestBreaker_openRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(1).Build()
		server := &turned{status: []int{503}}
		s := testnet.New(t, server)
		c := client.Client{HTTP: &http.Client{Transport: recipes.Retry(&recipes.Breaker{Next: s.Transport, Breaker: breaker}, time.Second)}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, circuitbreaker.ErrOpen) || errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%v (ErrNotSent: %v); want %v, which one attempt led to", err, errors.Is(err, pending.ErrNotSent), circuitbreaker.ErrOpen)
			}
			return nil
		})
		if diff := cmp.Diff([]string{"GET "}, server.asked); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		// Before the second attempt, which is refused; there is no third.
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("it took %v; want 100ms", took)
		}
		body := new(closed)
		r, err := http.NewRequest(http.MethodPut, "http://h/", body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&recipes.Breaker{Next: s.Transport, Breaker: breaker}).RoundTrip(r); err != circuitbreaker.ErrOpen || !bool(*body) {
			t.Errorf("an open breaker: %v, the body closed: %v; want %v, true", err, bool(*body), circuitbreaker.ErrOpen)
		}
	})
}

// Retries sends a GET again that an open breaker refuses, as the comment of
// Breaker says.
func TestBreaker_belowClientRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(1).Build()
		breaker.Open()
		var attempts []int
		retries := parallel.Retries(2)
		c := client.Client{
			HTTP: &http.Client{Transport: &recipes.Breaker{Next: broken(t).Transport, Breaker: breaker}},
			Retry: func(a parallel.Attempt) (time.Duration, bool) {
				attempts = append(attempts, a.N)
				return retries(a)
			},
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, circuitbreaker.ErrOpen) {
				t.Errorf("Response() = %v; want %v", err, circuitbreaker.ErrOpen)
			}
			return nil
		})
		if diff := cmp.Diff([]int{1, 2, 3}, attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}

// closed is a body that knows.
type closed bool

func (*closed) Read([]byte) (int, error) { return 0, errors.New("read though refused") }
func (c *closed) Close() error           { *c = true; return nil }

package parallel_test

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A roundTrip is a transport that calls a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// text returns the body of h's response. The test ends if there is none.
func text(t testing.TB, h *pending.Pending) string {
	t.Helper()
	resp, err := h.Response()
	if err != nil {
		t.Fatalf("Response() error = %v, want a response", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("Read of the body = %v", err)
	}
	return string(b)
}

// drain takes all arrivals of p and returns their number.
func drain(p *parallel.Parallel) (n int) {
	for range p.Arrivals() {
		n++
	}
	return n
}

// failure returns the error of h. The test ends if there is none.
func failure(t testing.TB, h *pending.Pending) error {
	t.Helper()
	resp, err := h.Response()
	if err == nil {
		t.Fatalf("Response() = %s, nil; want an error", resp.Status)
	}
	return err
}

// A slow transport never responds. It returns three seconds after its request's
// context ends. It counts the RoundTrips that began and ended.
type slow struct{ entered, left atomic.Int64 }

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.entered.Add(1)
	defer s.left.Add(1)
	<-r.Context().Done()
	<-time.After(3 * time.Second)
	return nil, r.Context().Err()
}

// A departure is the way in which Parallel ended for its caller.
type departure struct {
	returned bool // Parallel returned err
	err      error
	raised   any // the panic, unless nil
}

// depart calls f on its own goroutine, which a Goexit may end, and waits until
// it has ended.
func depart(f func() error) (d departure) {
	var owner sync.WaitGroup
	owner.Go(func() {
		defer func() { d.raised = recover() }()
		d.err = f()
		d.returned = true
	})
	owner.Wait()
	return d
}

// inBlock runs fn in a block with c's limits, in fake time. A request takes the
// time in its path ("/300ms"). came counts the requests that the server
// received.
func inBlock(t *testing.T, c client.Client, fn func(t *testing.T, p *parallel.Parallel, came *atomic.Int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, came := paced(t)
		c.HTTP, c.BaseURL = server.HTTP, server.BaseURL
		if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error { fn(t, p, came); return nil }); err != nil {
			t.Error(err)
		}
	})
}

// took checks the time since start. Time is fake, so it is exact.
func took(t testing.TB, what string, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("%s after %v, want %v", what, d, want)
	}
}

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

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// text is the body of h's response, as a string; the test ends if there is none.
func text(t testing.TB, h *pending.Pending) string {
	t.Helper()
	resp, err := h.Response()
	if err != nil {
		t.Fatalf("Response: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return string(b)
}

// drain takes what is left of p's arrivals, and returns how many those were.
func drain(p *parallel.Parallel) (n int) {
	for range p.Arrivals() {
		n++
	}
	return n
}

// failure is the error that h settles with; the test ends if there is none.
func failure(t testing.TB, h *pending.Pending) error {
	t.Helper()
	resp, err := h.Response()
	if err == nil {
		t.Fatalf("Response = %s, nil; want an error", resp.Status)
	}
	return err
}

// A slow transport never answers, and takes three seconds to heed the end of its
// request. It counts the RoundTrips that began and ended.
type slow struct{ entered, left atomic.Int64 }

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.entered.Add(1)
	defer s.left.Add(1)
	<-r.Context().Done()
	<-time.After(3 * time.Second)
	return nil, r.Context().Err()
}

// A departure is how the owner of a block came out of it.
type departure struct {
	returned bool // normally, and with:
	err      error
	raised   any // the panic, unless nil
}

// depart calls f on a goroutine of its own, which a Goexit may end, and waits for
// that to be over.
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

// inBlock runs fn in a block, in fake time, with c's limits: a request takes the
// time that its path names ("/300ms"), and came counts those that came to the
// server.
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

// took checks how long it is since start, to the nanosecond: time is fake.
func took(t testing.TB, what string, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("%s after %v, want %v", what, d, want)
	}
}

package parallel_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 30: a function with a value runs like any other: in a block of its
// own, without a slot, and its requests share the limits.
func TestGo_valueRunsInBlock(t *testing.T) {
	inBlock(t, client.Client{Limit: 1}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		start := time.Now()
		p.Get("/1s")
		var left *pending.Pending
		h := parallel.Go(p, func(inner *parallel.Parallel) (int, error) {
			if inner == p || inner.HasPending() {
				t.Error("the function was called with the outer block")
			}
			b, err := inner.Get("/2s").Bytes()
			left = inner.Get("/1h")
			return len(b), err
		})
		synctest.Wait()
		if s := p.Stats(); s != (parallel.Stats{Queued: 1, InFlight: 1}) {
			t.Errorf("Stats() = %+v, want the two requests", s)
		}
		if n, err := pending.As[int](h); n != 3 || err != nil {
			t.Errorf("As() = %v, %v; want 3", n, err)
		}
		took(t, "the function returned", start, 3*time.Second)
		if err := failure(t, left); !errors.Is(err, parallel.ErrEnded) {
			t.Errorf("a request that the function left: error = %v, want ErrEnded", err)
		}
		if err := p.Context().Err(); err != nil {
			t.Errorf("the outer block ended with the function: %v", err)
		}
	})
}

// Promise 30: the handle of a function that returned no value has the error of
// a function that returned no response.
func TestGo_valueFails(t *testing.T) {
	var ended *parallel.Parallel
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error { ended = p; return nil })
	own := errors.New("own")
	for _, test := range []struct {
		name  string
		fn    func(*parallel.Parallel) (int, error)
		check func(error) bool
		panic any
	}{
		{"error", func(*parallel.Parallel) (int, error) { return 7, own }, func(err error) bool { return err == own }, nil},
		{"nil function", nil, func(err error) bool { return errors.Is(err, pending.ErrNotSent) }, nil},
		{"Goexit", func(*parallel.Parallel) (int, error) { runtime.Goexit(); return 7, nil },
			func(err error) bool { return strings.Contains(err.Error(), "Goexit") }, nil},
		{"panic", func(*parallel.Parallel) (int, error) { panic("boom") },
			func(err error) bool { return strings.Contains(err.Error(), "boom") }, "boom"},
	} {
		d := depart(func() error {
			return client.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := parallel.Go(p, test.fn)
				got, err := pending.As[int](h)
				if got != 0 || err == nil || !test.check(err) {
					t.Errorf("%s: As() = %v, %v", test.name, got, err)
				}
				if same := failure(t, h); same != err {
					t.Errorf("%s: Response() error = %v, want that of As: %v", test.name, same, err)
				}
				return nil
			})
		})
		if (d.raised != nil) != (test.panic != nil) {
			t.Errorf("%s: the block raised %v", test.name, d.raised)
		}
	}
	h := parallel.Go(ended, func(*parallel.Parallel) (int, error) { t.Error("fn was called"); return 7, nil })
	if n, err := pending.As[int](h); n != 0 || !errors.Is(err, parallel.ErrEnded) || !errors.Is(err, pending.ErrNotSent) {
		t.Errorf("on a block that has ended: As() = %v, %v; want ErrEnded and ErrNotSent", n, err)
	}
}

// Promise 30: a response beside an error is closed unread, and a response in a
// value of an interface type is read.
func TestGo_valueIsResponse(t *testing.T) {
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for _, beside := range []error{nil, errors.New("own")} {
			closed := 0
			body := &stream{ReadCloser: io.NopCloser(strings.NewReader("body")), close: func() { closed++ }}
			h := parallel.Go(p, func(*parallel.Parallel) (any, error) {
				return &http.Response{StatusCode: 200, Body: body}, beside
			})
			resp, err := h.Response()
			if err != beside || closed != 1 {
				t.Errorf("beside %v: Response() error = %v, and the body was closed %d times", beside, err, closed)
			}
			if resp != nil && text(t, h) != "body" {
				t.Errorf("the body is %q, want it read", text(t, h))
			}
		}
		return nil
	})
}

// Promise 30: Next, Arrivals, All, Each and Ordered take the handle of a
// function with a value.
func TestGo_valueIsHandle(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		work := func(n int) *pending.Pending {
			return parallel.Go(p, func(*parallel.Parallel) (int, error) {
				<-time.After(time.Duration(4-n) * time.Second)
				return n, nil
			})
		}
		value := func(h *pending.Pending) int {
			n, err := pending.As[int](h)
			if err != nil {
				t.Error(err)
			}
			return n
		}
		work(1)
		if resp, err := p.Next(); err != nil || resp.StatusCode != http.StatusNoContent {
			t.Errorf("Next() = %v, %v; want a 204", resp, err)
		}
		work(1)
		p.Get("/2500ms")
		work(2)
		var got []int
		for h := range p.Arrivals() {
			if h.Request() == nil {
				got = append(got, value(h))
			}
		}
		items := slices.Values([]int{1, 2, 3})
		for _, h := range parallel.Each(p, items, work) {
			got = append(got, value(h))
		}
		for _, h := range parallel.Ordered(p, items, work) {
			got = append(got, value(h))
		}
		if diff := cmp.Diff([]int{2, 1, 3, 2, 1, 1, 2, 3}, got); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
		if resps, err := pending.All(work(3), p.Get("/1s")); err != nil || len(resps) != 2 {
			t.Errorf("All() = %v, %v", resps, err)
		}
	})
}

// A request of a zero or nil Parallel failed with a nil dereference far below
// the call.
func TestParallel_zeroPanics(t *testing.T) {
	const want = "abreast: nil or zero *Parallel: use the one that Client.Parallel, client.Parallel or parallel.Run passes to its function"
	get := func(string) *pending.Pending { return nil }
	for name, call := range map[string]func(p *parallel.Parallel){
		"Get":     func(p *parallel.Parallel) { p.Get("http://h/") },
		"Post":    func(p *parallel.Parallel) { p.Post("http://h/", parallel.JSON(1)) },
		"Do":      func(p *parallel.Parallel) { p.Do(new(http.Request)) },
		"Do nil":  func(p *parallel.Parallel) { p.Do(nil) },
		"Go":      func(p *parallel.Parallel) { p.Go(nil) },
		"Go[int]": func(p *parallel.Parallel) { parallel.Go(p, func(*parallel.Parallel) (int, error) { return 0, nil }) },
		"Each":    func(p *parallel.Parallel) { parallel.Each(p, slices.Values([]string{""}), get) },
		"Ordered": func(p *parallel.Parallel) { parallel.Ordered(p, slices.Values([]string{""}), get) },
		"Context": func(p *parallel.Parallel) { p.Context() },
		"Stats":   func(p *parallel.Parallel) { p.Stats() },
	} {
		for _, p := range []*parallel.Parallel{nil, new(parallel.Parallel)} {
			if d := depart(func() error { call(p); return nil }); d.raised != want {
				t.Errorf("%s of %p panicked with %v, want %s", name, p, d.raised, want)
			}
		}
	}
	if _, err := new(parallel.Parallel).Next(); err != parallel.ErrNonePending {
		t.Errorf("Next() of a zero Parallel = %v, want ErrNonePending", err)
	}
}

package parallel_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"runtime"
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

// Promise 8: Next returns each response as soon as it is complete.
func TestNext_yieldsEachAsItCompletes(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		start := time.Now()
		for _, path := range []string{"/300ms", "/100ms", "/400ms", "/200ms"} {
			p.Get(path)
		}
		for i := range 4 {
			d := time.Duration(i+1) * 100 * time.Millisecond
			resp, err := p.Next()
			if err != nil {
				t.Fatal(err)
			}
			took(t, "Next returned", start, d)
			if body, err := io.ReadAll(resp.Body); string(body) != "/"+d.String() || err != nil {
				t.Errorf("Next() = %q, %v; want /%v", body, err, d)
			}
		}
		if resp, err := p.Next(); resp != nil || err != parallel.ErrNonePending {
			t.Errorf("Next() = %v, %v; want nil, ErrNonePending", resp, err)
		}
		took(t, "Next with none left returned", start, 400*time.Millisecond)
	})
}

// Promise 8: a response is complete when its body has been read, not when its
// header has arrived.
func TestNext_orderedByEndOfBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/trickle" {
				w.(http.Flusher).Flush()
				<-time.After(200 * time.Millisecond)
			} else {
				<-time.After(100 * time.Millisecond)
			}
			io.WriteString(w, "body")
		}))
		api := client.Client{HTTP: server.Client(), BaseURL: "http://h"}
		api.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			first, second := p.Get("/trickle"), p.Get("/at once")
			got := slices.Collect(p.Arrivals())
			if len(got) != 2 || got[0] != second || got[1] != first {
				t.Errorf("Arrivals() = %p; want %p before %p, whose header arrived first", got, second, first)
			}
			took(t, "the last came", start, 200*time.Millisecond)
			return nil
		})
	})
}

// Promise 8: if several goroutines call Next, each response goes to one of
// them, and none waits for a response that another one has.
func TestNext_manyGoroutines(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		start := time.Now()
		for i := range 20 {
			p.Get("/" + (time.Duration(i%5+1) * 100 * time.Millisecond).String())
		}
		var mu sync.Mutex
		got := make(map[string]int)
		take := func(resp *http.Response) {
			body, _ := io.ReadAll(resp.Body)
			if want := "/" + time.Since(start).String(); string(body) != want {
				t.Errorf("%s was yielded when %s was due", body, want)
			}
			mu.Lock()
			defer mu.Unlock()
			got[string(body)]++
		}
		var taking sync.WaitGroup
		for range 2 {
			taking.Go(func() {
				for resp, err := p.Next(); err != parallel.ErrNonePending; resp, err = p.Next() {
					take(resp)
				}
			})
			taking.Go(func() {
				for h := range p.Arrivals() {
					resp, _ := h.Response()
					take(resp)
				}
			})
		}
		taking.Wait()
		want := map[string]int{"/100ms": 4, "/200ms": 4, "/300ms": 4, "/400ms": 4, "/500ms": 4}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("yielded (-want +got):\n%s", diff)
		}
	})
}

// Promise 9: handles are claimed when a method is called. Next then skips them,
// HasPending does not count them, and a Next that waits returns when the last
// handle is claimed.
func TestClaim_callsOfABlock(t *testing.T) {
	loop := func(each func(*parallel.Parallel, iter.Seq[int], func(int) *pending.Pending) iter.Seq2[int, *pending.Pending]) func(*parallel.Parallel, *pending.Pending) {
		return func(p *parallel.Parallel, h *pending.Pending) {
			for range each(p, slices.Values([]int{0}), func(int) *pending.Pending { return h }) {
			}
		}
	}
	for _, test := range []struct {
		name   string
		use    func(*parallel.Parallel, *pending.Pending)
		claims bool
	}{
		{"Response", func(_ *parallel.Parallel, h *pending.Pending) { h.Response() }, true},
		{"Bytes", func(_ *parallel.Parallel, h *pending.Pending) { h.Bytes() }, true},
		{"JSON", func(_ *parallel.Parallel, h *pending.Pending) { h.JSON(new(any)) }, true},
		{"All", func(_ *parallel.Parallel, h *pending.Pending) { pending.All(h) }, true},
		{"Race", func(_ *parallel.Parallel, h *pending.Pending) { pending.Race(nil, h) }, true},
		{"Each", loop(parallel.Each[int, starts[int]]), true},
		{"Ordered", loop(parallel.Ordered[int, starts[int]]), true},
		{"Done", func(_ *parallel.Parallel, h *pending.Pending) { h.Done() }, false},
		{"Request", func(_ *parallel.Parallel, h *pending.Pending) { h.Request() }, false},
		{"Cancel", func(_ *parallel.Parallel, h *pending.Pending) { h.Cancel() }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
				start := time.Now()
				h := p.Get("/300ms")
				next := make(chan error, 1)
				go func() { _, err := p.Next(); next <- err }()
				synctest.Wait()
				if !p.HasPending() || len(next) != 0 {
					t.Fatalf("HasPending() = %t, and Next returned %d times, before a handle was claimed; want true, 0", p.HasPending(), len(next))
				}
				go test.use(p, h)
				synctest.Wait()
				switch {
				case test.claims:
					if p.HasPending() || len(next) != 1 {
						t.Fatalf("HasPending() = %t, and Next returned %d times; want false, 1", p.HasPending(), len(next))
					}
					if err := <-next; err != parallel.ErrNonePending {
						t.Errorf("Next() error = %v, want ErrNonePending", err)
					}
					took(t, "Next returned", start, 0)
				case test.name == "Cancel":
					if err := <-next; !errors.Is(err, context.Canceled) {
						t.Errorf("Next() error = %v, want context.Canceled of the canceled handle", err)
					}
					took(t, "Next returned", start, 0)
				default:
					if err := <-next; err != nil {
						t.Errorf("Next() error = %v, want nil", err)
					}
					took(t, "Next returned", start, 300*time.Millisecond)
				}
			})
		})
	}
}

// Promise 9: Next yields a canceled handle like any other.
func TestNext_yieldsCanceled(t *testing.T) {
	inBlock(t, client.Client{Limit: 1}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		start := time.Now()
		running, queued, delayed := p.Get("/1h"), p.Get("/1h"), p.Get("/1h", parallel.After(time.Minute))
		last := p.Get("/100ms")
		synctest.Wait()
		for _, h := range []*pending.Pending{queued, delayed, running} {
			h.Cancel()
			h.Cancel()
			got := <-nextOf(p)
			if got != h {
				t.Fatalf("%p was yielded, want %p, which was canceled", got, h)
			}
			err := failure(t, got)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Response() error = %v, want context.Canceled", err)
			}
			if notSent := errors.Is(err, pending.ErrNotSent); notSent == (h == running) {
				t.Errorf("errors.Is(%v, ErrNotSent) = %t, want %t", err, notSent, !notSent)
			}
			took(t, "a canceled handle was yielded", start, 0)
		}
		if got := <-nextOf(p); got != last {
			t.Errorf("%p was yielded, want %p", got, last)
		}
		took(t, "the last came", start, 100*time.Millisecond)
		if n := came.Load(); n != 2 {
			t.Errorf("%d requests were sent, want 2", n)
		}
	})
}

// nextOf returns a channel that receives the next arrival of p.
func nextOf(p *parallel.Parallel) <-chan *pending.Pending {
	next := make(chan *pending.Pending, 1)
	go func() {
		for h := range p.Arrivals() {
			next <- h
			return
		}
		close(next)
	}()
	return next
}

// Promises 7 and 8: Arrivals yields the requests that its loop makes.
func TestArrivals_requestsMadeInLoop(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		start := time.Now()
		p.Get("/100ms")
		var got []string
		for h := range p.Arrivals() {
			got = append(got, text(t, h))
			if len(got) < 3 {
				p.Get("/" + (time.Duration(len(got)+1) * 100 * time.Millisecond).String())
			}
		}
		if diff := cmp.Diff([]string{"/100ms", "/200ms", "/300ms"}, got); diff != "" {
			t.Errorf("yielded (-want +got):\n%s", diff)
		}
		took(t, "all were read", start, 600*time.Millisecond)
	})
}

// Breaking out of the loop neither claims nor cancels the handles that were not
// yielded.
func TestArrivals_breakKeepsTheRest(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		p.Get("/100ms")
		p.Get("/200ms")
		for range p.Arrivals() {
			break
		}
		for h := range p.Arrivals() {
			if got := text(t, h); got != "/200ms" {
				t.Errorf("the second loop yields %s, want /200ms", got)
			}
		}
	})
	for range new(parallel.Parallel).Arrivals() {
		t.Error("Arrivals of a block without requests yielded a handle")
	}
}

// Promise 10: a late Cancel does nothing.
func TestCancel_late(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		h := p.Get("/1ms")
		<-h.Done()
		h.Cancel()
		if got := text(t, h); got != "/1ms" {
			t.Errorf("body = %q after a late Cancel", got)
		}
		failed := p.Get("http://%zz/")
		before := failure(t, failed)
		failed.Cancel()
		if after := failure(t, failed); after != before {
			t.Errorf("Response() error = %v after a late Cancel, want %v as before", after, before)
		}
		if s := p.Stats(); s != (parallel.Stats{Done: 2, Failed: 1}) {
			t.Errorf("Stats() = %+v", s)
		}
	})
}

// Promise 10: if Cancel finds a Read of the request's body running, the handle
// is done only when the Read has returned. No Read begins after that, although
// the transport continues to read. (Not in a synctest bubble: the library waits
// for the Read at a mutex, where fake time does not advance.)
func TestUpload_noReadAfterCancel(t *testing.T) {
	reading, returning, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var upload io.Reader
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		defer close(returning)
		upload = r.Body
		go r.Body.Read(make([]byte, 1)) // on another goroutine, as net/http does
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	api := client.Client{HTTP: &http.Client{Transport: transport}}
	api.Parallel(t.Context(), func(p *parallel.Parallel) error {
		reads := 0
		h := p.Post("http://h/", parallel.Body("", reader(func(b []byte) (int, error) {
			if reads++; reads == 1 {
				close(reading)
				<-release
			}
			return copy(b, "x"), nil
		})))
		<-reading
		h.Cancel()
		<-returning
		for range 1000 { // enough time for the handle to complete too early
			runtime.Gosched()
		}
		select {
		case <-h.Done():
			t.Error("the handle is done while a Read is running")
		default:
		}
		close(release)
		<-h.Done()
		if n, err := upload.Read(make([]byte, 1)); n != 0 || err == nil || reads != 1 {
			t.Errorf("a Read after Done was closed = %d, %v, and the body was read %d times; want an error, and 1", n, err, reads)
		}
		return nil
	})
}

// A reader is an io.Reader that calls a function.
type reader func([]byte) (int, error)

func (f reader) Read(b []byte) (int, error) { return f(b) }

// Promise 10: many goroutines call methods of one handle while it completes.
func TestResponse_manyGoroutines(t *testing.T) {
	server := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("body", 1000))
	}))
	api := client.Client{HTTP: server.Client()}
	api.Parallel(t.Context(), func(p *parallel.Parallel) error {
		h := p.Get("http://h/")
		var asking sync.WaitGroup
		for range 10 {
			asking.Go(func() {
				for range 10 {
					if got := text(t, h); got != strings.Repeat("body", 1000) {
						t.Errorf("a body of %d bytes, want 4000", len(got))
					}
				}
			})
		}
		asking.Wait()
		return nil
	})
}

// Promise 11: after a failure the other requests continue until the block ends.
func TestAll_otherRequestsContinue(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		start := time.Now()
		early, late := p.Get("/100ms"), p.Get("/300ms")
		resps, err := pending.All(early, late, p.Get("/1h", parallel.Timeout(200*time.Millisecond)))
		took(t, "All returned", start, 200*time.Millisecond)
		if !errors.Is(err, context.DeadlineExceeded) || len(resps) != 3 || resps[0] == nil || resps[1] != nil || resps[2] != nil {
			t.Errorf("All() = %v, %v; want the first response, and the timeout", resps, err)
		}
		if got := text(t, late); got != "/300ms" {
			t.Errorf("the late body = %q, want %q", got, "/300ms")
		}
		took(t, "the late request was done", start, 300*time.Millisecond)
	})
}

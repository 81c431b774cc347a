package parallel_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// starts is the type of a function that makes the handle of an item.
type starts[T any] = func(T) *pending.Pending

// A loopFunc is Each or Ordered.
type loopFunc[T any] func(*parallel.Parallel, iter.Seq[T], starts[T]) iter.Seq2[T, *pending.Pending]

// inBoth runs fn with Each and with Ordered, each in a block in fake time.
func inBoth(t *testing.T, c client.Client, fn func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int])) {
	t.Helper()
	for name, each := range map[string]loopFunc[int]{"Each": parallel.Each[int, starts[int]], "Ordered": parallel.Ordered[int, starts[int]]} {
		t.Run(name, func(t *testing.T) {
			inBlock(t, c, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) { fn(t, p, came, each) })
		})
	}
}

// counting returns the sequence 0 to n-1, and a counter of the items that it
// has yielded.
func counting(n int) (seq iter.Seq[int], pulled *atomic.Int64) {
	pulled = new(atomic.Int64)
	return func(yield func(int) bool) {
		for i := range n {
			pulled.Add(1)
			if !yield(i) {
				return
			}
		}
	}, pulled
}

// after returns the path of a request that takes n times 100 milliseconds.
func after(n int) string { return "/" + (time.Duration(n) * 100 * time.Millisecond).String() }

// Promise 12: Each yields in order of completion, Ordered in the order of the
// items.
func TestEach_orderAndOrdered(t *testing.T) {
	type turn struct {
		item int
		at   time.Duration
	}
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		each loopFunc[int]
		want []turn
	}{
		{"Each", parallel.Each[int, starts[int]], []turn{{1, 100 * ms}, {2, 200 * ms}, {3, 300 * ms}, {4, 400 * ms}}},
		{"Ordered", parallel.Ordered[int, starts[int]], []turn{{3, 300 * ms}, {1, 300 * ms}, {4, 400 * ms}, {2, 400 * ms}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
				start := time.Now()
				var got []turn
				for n, h := range test.each(p, slices.Values([]int{3, 1, 4, 2}), func(n int) *pending.Pending { return p.Get(after(n)) }) {
					select {
					case <-h.Done():
					default:
						t.Errorf("item %d was yielded with a handle that is not done", n)
					}
					if body := text(t, h); body != after(n) {
						t.Errorf("item %d was yielded with the response of %s", n, body)
					}
					got = append(got, turn{n, time.Since(start)})
				}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(turn{})); diff != "" {
					t.Errorf("yielded (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Promise 12: the order is that of completion, even if several handles complete
// during one turn of the loop.
func TestEach_completionOrderInBusyLoop(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		var got []int
		for n := range parallel.Each(p, slices.Values([]int{4, 1, 3, 5, 2}), func(n int) *pending.Pending { return p.Get(after(n)) }) {
			got = append(got, n)
			<-time.After(time.Second)
		}
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5}, got); diff != "" {
			t.Errorf("yielded (-want +got):\n%s", diff)
		}
	})
}

// Promise 12: each item is yielded once, with many more items than may be
// started ahead.
func TestEach_everyItemOnce(t *testing.T) {
	inBoth(t, client.Client{Limit: 7}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int]) {
		const n = 500
		items, _ := counting(n)
		var got []int
		for i, h := range each(p, items, func(i int) *pending.Pending {
			return p.Get("/" + (time.Duration(i*7%11) * time.Millisecond).String())
		}) {
			if want := "/" + (time.Duration(i*7%11) * time.Millisecond).String(); text(t, h) != want {
				t.Errorf("item %d was yielded with the response of %s, want %s", i, text(t, h), want)
			}
			got = append(got, i)
		}
		if strings.HasSuffix(t.Name(), "/Ordered") && !slices.IsSorted(got) {
			t.Error("Ordered did not yield the items in their order")
		}
		slices.Sort(got)
		if want := slices.Collect(items); !slices.Equal(got, want) {
			t.Errorf("yielded %v, want each of %d once", got, n)
		}
		if came.Load() != n {
			t.Errorf("the server received %d requests, want %d", came.Load(), n)
		}
		if p.HasPending() {
			t.Error("HasPending() = true after the loop, want false")
		}
	})
}

// Promise 12: items that are ready are yielded before another one is pulled.
func TestEach_yieldsReadyBeforePull(t *testing.T) {
	t.Run("done at once", func(t *testing.T) {
		inBoth(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
			items, pulled := counting(10)
			for i := range each(p, items, func(int) *pending.Pending { return nil }) {
				if n := pulled.Load(); n != int64(i)+1 {
					t.Errorf("item %d was yielded when %d had been pulled", i, n)
				}
			}
		})
	})
	t.Run("while the loop was busy", func(t *testing.T) {
		inBoth(t, client.Client{Limit: 2}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
			items, pulled := counting(6)
			var got []int64
			for range each(p, items, func(int) *pending.Pending { return p.Get("/100ms") }) {
				got = append(got, pulled.Load())
				<-time.After(time.Second) // all started requests complete meanwhile
			}
			if diff := cmp.Diff([]int64{4, 4, 4, 4, 6, 6}, got); diff != "" {
				t.Errorf("pulled at each turn (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("while an item was slow to arrive", func(t *testing.T) {
		inBoth(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
			start := time.Now()
			items := func(yield func(int) bool) {
				for i := range 3 {
					if <-time.After(time.Second); !yield(i) {
						return
					}
				}
			}
			var got []time.Duration
			for range each(p, items, func(int) *pending.Pending { return p.Get("/300ms") }) {
				got = append(got, time.Since(start))
			}
			// The items delay the loop.
			want := []time.Duration{2 * time.Second, 3 * time.Second, 3300 * time.Millisecond}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("yielded at (-want +got):\n%s", diff)
			}
		})
	})
}

// Promise 12: items are pulled at most twice the limit ahead, for handles of
// each kind.
func TestEach_pullsLazily(t *testing.T) {
	get := func(p *parallel.Parallel) *pending.Pending { return p.Get("/1h") }
	for _, test := range []struct {
		name  string
		limit int
		start func(*parallel.Parallel) *pending.Pending
		want  int64
	}{
		{"one at a time", 1, get, 2},
		{"a limit", 3, get, 6},
		{"the default limit", 0, get, 200},
		{"no limit", -1, get, 200},
		{"a limit that cannot be doubled", math.MaxInt, get, 300},
		{"the smallest that cannot be doubled", math.MaxInt/2 + 1, get, 300},
		{"delayed handles", 3, func(p *parallel.Parallel) *pending.Pending { return p.Get("/", parallel.After(time.Hour)) }, 6},
		{"functions", 3, func(p *parallel.Parallel) *pending.Pending {
			return p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				<-p.Context().Done()
				return nil, context.Cause(p.Context())
			})
		}, 6},
		{"races", 3, func(p *parallel.Parallel) *pending.Pending { return pending.Race(p.Get("/1h"), p.Get("/1h")) }, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBoth(t, client.Client{Limit: test.limit, Timeout: -1}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
				items, pulled := counting(300)
				ahead := make(chan int64, 1)
				first := make(chan *pending.Pending, 300)
				go func() {
					synctest.Wait() // the loop waits
					ahead <- pulled.Load()
					(<-first).Cancel()
				}()
				yielded := false
				for range each(p, items, func(int) *pending.Pending {
					h := test.start(p)
					first <- h
					return h
				}) {
					yielded = true
					break
				}
				if n := <-ahead; n != test.want || pulled.Load() != n || !yielded {
					t.Errorf("%d items were pulled before one was yielded (%t), and %d in all; want %d", n, yielded, pulled.Load(), test.want)
				}
			})
		})
	}
}

// Promise 12: items that were started and not yielded count. One slow item
// therefore holds back all others in Ordered, but none in Each.
func TestOrdered_slowItemHoldsBack(t *testing.T) {
	inBoth(t, client.Client{Limit: 2}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int]) {
		items, pulled := counting(10)
		start := time.Now()
		for i := range each(p, items, func(i int) *pending.Pending {
			if i == 0 {
				return p.Get("/10s")
			}
			return p.Get("/100ms")
		}) {
			if i != 0 {
				continue
			}
			took(t, "the slow item was yielded", start, 10*time.Second)
			want := int64(4) // Ordered
			if strings.HasSuffix(t.Name(), "/Each") {
				want = 10
			}
			if n := pulled.Load(); n != want {
				t.Errorf("%d items were pulled while the first was slow, want %d", n, want)
			}
		}
		if came.Load() != 10 {
			t.Errorf("the server received %d requests, want 10", came.Load())
		}
	})
}

// Promise 12: items and start run on the loop's goroutine.
func TestEach_callersGoroutine(t *testing.T) {
	inBoth(t, client.Client{Limit: 2}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
		loop := goroutine()
		check := func(what string) {
			if g := goroutine(); g != loop {
				t.Errorf("%s runs on %s, want %s of the loop", what, g, loop)
			}
		}
		items := func(yield func(int) bool) {
			for i := range 10 {
				check("items")
				if !yield(i) {
					return
				}
			}
		}
		for range each(p, items, func(int) *pending.Pending {
			check("start")
			return p.Get("/1ms")
		}) {
			check("the body")
		}
	})
}

// Promise 12: if start returns one handle for several items, each of them is
// yielded.
func TestEach_handleOfSeveralItems(t *testing.T) {
	inBoth(t, client.Client{Limit: 2}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int]) {
		var shared *pending.Pending
		items, _ := counting(10)
		var got []int
		for i, h := range each(p, items, func(i int) *pending.Pending {
			if i%5 == 0 {
				shared = p.Get("/100ms")
			}
			return shared
		}) {
			if body := text(t, h); body != "/100ms" {
				t.Errorf("item %d has body %q", i, body)
			}
			got = append(got, i)
		}
		slices.Sort(got)
		if want := slices.Collect(items); !slices.Equal(got, want) || came.Load() != 2 {
			t.Errorf("%v were yielded of %d requests; want %v of 2", got, came.Load(), want)
		}
	})
}

// getter and starter are types of start that have names.
type (
	getter  func(string, ...parallel.Option) *pending.Pending
	starter func(string) *pending.Pending
)

// Promise 12: start may be p.Get, or a function of a named type. A nil function
// yields handles that failed.
func TestEach_typesOfStart(t *testing.T) {
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		items := slices.Values([]string{"/2ms", "/1ms"})
		one := func(url string) *pending.Pending { return p.Get(url) }
		many := func(url string, _ ...parallel.Option) *pending.Pending { return p.Get(url) }
		for _, test := range []struct {
			name          string
			each, ordered iter.Seq2[string, *pending.Pending]
			ok            bool
		}{
			{"Get", parallel.Each(p, items, p.Get), parallel.Ordered(p, items, p.Get), true},
			{"function", parallel.Each(p, items, one), parallel.Ordered(p, items, one), true},
			{"with options", parallel.Each(p, items, many), parallel.Ordered(p, items, many), true},
			{"getter", parallel.Each(p, items, getter(p.Get)), parallel.Ordered(p, items, getter(p.Get)), true},
			{"starter", parallel.Each(p, items, starter(one)), parallel.Ordered(p, items, starter(one)), true},
			{"nil", parallel.Each(p, items, starts[string](nil)), parallel.Ordered(p, items, starts[string](nil)), false},
			{"nil with options", parallel.Each(p, items, getter(nil)), parallel.Ordered(p, items, getter(nil)), false},
			{"nil starter", parallel.Each(p, items, starter(nil)), parallel.Ordered(p, items, starter(nil)), false},
		} {
			var each, ordered []string
			collect := func(loop iter.Seq2[string, *pending.Pending], got *[]string) {
				for item, h := range loop {
					*got = append(*got, item)
					if b, err := h.Bytes(); (err == nil) != test.ok || test.ok && string(b) != item {
						t.Errorf("%s: the handle of %s has %q, %v", test.name, item, b, err)
					}
				}
			}
			collect(test.each, &each)
			collect(test.ordered, &ordered)
			wantEach := []string{"/1ms", "/2ms"}
			if !test.ok {
				wantEach = []string{"/2ms", "/1ms"}
			}
			if diff := cmp.Diff([][]string{wantEach, {"/2ms", "/1ms"}}, [][]string{each, ordered}); diff != "" {
				t.Errorf("%s: items of Each and of Ordered (-want +got):\n%s", test.name, diff)
			}
		}
		if n := came.Load(); n != 20 {
			t.Errorf("the server received %d requests, want 20", n)
		}
	})
}

// Promise 12: if start returns a nil handle, the item is yielded with a handle
// that failed.
func TestEach_startReturnsNil(t *testing.T) {
	inBoth(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
		items, _ := counting(3)
		n := 0
		for i, h := range each(p, items, func(i int) *pending.Pending {
			if i == 1 {
				return nil
			}
			return p.Get("/1ms")
		}) {
			n++
			if h == nil {
				t.Fatalf("item %d was yielded with a nil handle", i)
			}
			if _, err := h.Response(); (err != nil) != (i == 1) {
				t.Errorf("item %d: %v", i, err)
			}
		}
		if n != 3 || p.HasPending() {
			t.Errorf("%d items were yielded, and HasPending() = %t; want 3, false", n, p.HasPending())
		}
	})
}

// Promise 12: after the end of the block's context, the remaining items are
// still yielded.
func TestEach_afterTheEnd(t *testing.T) {
	inBoth(t, client.Client{Limit: 2}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
		cause := errors.New("the caller's cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		api, came := paced(t)
		api.Limit = 2
		err := api.Parallel(ctx, func(p *parallel.Parallel) error {
			items, _ := counting(20)
			start := time.Now()
			var answered, cut, notSent []int
			for i, h := range each(p, items, func(i int) *pending.Pending { return p.Get("/100ms") }) {
				switch _, err := h.Response(); {
				case err == nil:
					answered = append(answered, i)
				case !errors.Is(err, cause) || !errors.Is(err, context.Canceled):
					t.Errorf("item %d: error = %v, want the caller's cause", i, err)
				case errors.Is(err, pending.ErrNotSent):
					notSent = append(notSent, i)
				default:
					cut = append(cut, i)
				}
				if len(answered) == 4 && ctx.Err() == nil {
					<-time.After(50 * time.Millisecond)
					cancel(cause)
				}
			}
			took(t, "the loop ended", start, 250*time.Millisecond)
			if len(answered) != 4 || len(cut) != 2 || len(notSent) != 14 || came.Load() != 6 {
				t.Errorf("%v succeeded, %v were cut off, %v not sent, and the server received %d; want 4, 2, 14 and 6", answered, cut, notSent, came.Load())
			}
			endless := func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
				}
			}
			for i, h := range each(p, endless, func(int) *pending.Pending { return p.Get("/1h") }) {
				if !errors.Is(failure(t, h), pending.ErrNotSent) {
					t.Errorf("item %d: error = %v, want ErrNotSent", i, failure(t, h))
				}
				if i == 1000 {
					break
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Promise 12: the end of the context does not wake a sequence. One over a
// channel must select on the context.
func TestEach_itemsFromChannel(t *testing.T) {
	inBoth(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		api, _ := paced(t)
		api.Parallel(ctx, func(p *parallel.Parallel) error {
			jobs := make(chan int, 1)
			jobs <- 7
			items := func(yield func(int) bool) {
				for {
					select {
					case i := <-jobs:
						if !yield(i) {
							return
						}
					case <-p.Context().Done():
						return
					}
				}
			}
			n := 0
			for i, h := range each(p, items, func(int) *pending.Pending { return p.Get("/100ms") }) {
				n++
				if i != 7 || text(t, h) != "/100ms" {
					t.Errorf("item %d with %q was yielded", i, text(t, h))
				}
			}
			if n != 1 {
				t.Errorf("%d items were yielded, want 1", n)
			}
			return nil
		})
		took(t, "the loop ended", start, time.Second)
	})
}

// Promise 12: however the loop ends early, everything that was started for it
// is canceled, and no more items are pulled. Other requests of the block
// continue.
func TestEach_breakCancelsTheRest(t *testing.T) {
	errOut := errors.New("out of the loop")
	inItems := func(items iter.Seq[int], at int, out func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			for i := range items {
				if i == at {
					synctest.Wait() // the started requests are in flight
					out()
				}
				if !yield(i) {
					return
				}
			}
		}
	}
	raise := func() { panic(errOut) }
	for _, test := range []struct {
		name         string
		body         func() (leave bool) // called in the first turn
		items, start func()              // called for item 3
		pulled, sent int64
		want         departure
	}{
		{name: "break", body: func() bool { return true }, pulled: 6, sent: 4, want: departure{returned: true}},
		{name: "panic", body: func() bool { panic(errOut) }, pulled: 6, sent: 4, want: departure{raised: errOut}},
		{name: "runtime.Goexit", body: func() bool { runtime.Goexit(); return true }, pulled: 6, sent: 4},
		{name: "panic in items", items: raise, pulled: 4, sent: 3, want: departure{raised: errOut}},
		{name: "panic in start", start: raise, pulled: 4, sent: 3, want: departure{raised: errOut}},
		{name: "runtime.Goexit in start", start: runtime.Goexit, pulled: 4, sent: 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBoth(t, client.Client{Limit: 4}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int]) {
				other := p.Get("/10s") // holds one of the four slots
				items, pulled := counting(6)
				if test.items != nil {
					items = inItems(items, 3, test.items)
				}
				var started []*pending.Pending
				start := time.Now()
				d := depart(func() error {
					for range each(p, items, func(i int) *pending.Pending {
						synctest.Wait() // the started requests are in flight
						path := "/1h"
						switch {
						case i == 0:
							path = "/100ms"
						case i == 3 && test.start != nil:
							test.start()
						}
						h := p.Get(path)
						started = append(started, h)
						return h
					}) {
						synctest.Wait() // the next request has the slot of the first
						if test.body() {
							break
						}
					}
					return nil
				})
				if d != test.want {
					t.Errorf("the loop ended with %+v, want %+v", d, test.want)
				}
				if n := pulled.Load(); n != test.pulled {
					t.Errorf("%d items were pulled, want %d", n, test.pulled)
				}
				var ended time.Duration
				if test.body != nil {
					ended = 100 * time.Millisecond
					if got := text(t, started[0]); got != "/100ms" {
						t.Errorf("the item that was yielded has body %q", got)
					}
					started = started[1:]
				}
				for _, h := range started {
					if err := failure(t, h); !errors.Is(err, context.Canceled) || errors.Is(err, parallel.ErrEnded) {
						t.Errorf("error of a started request = %v, want context.Canceled, and not ErrEnded", err)
					}
				}
				took(t, "the started requests were done", start, ended)
				if got := text(t, other); got != "/10s" {
					t.Errorf("the block's other request has body %q", got)
				}
				if n := came.Load() - 1; n != test.sent {
					t.Errorf("the server received %d of the loop's requests, want %d", n, test.sent)
				}
			})
		})
	}
}

// Promise 12: queued requests are never sent after a break: a request that is
// canceled does not give its slot to another one of the same loop.
func TestEach_breakSendsNoMore(t *testing.T) {
	for name, each := range map[string]loopFunc[int]{"Each": parallel.Each[int, starts[int]], "Ordered": parallel.Ordered[int, starts[int]]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					sent.Add(1)
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				api := client.Client{Limit: 500, HTTP: &http.Client{Transport: transport}}
				api.Parallel(t.Context(), func(p *parallel.Parallel) error {
					items, _ := counting(1000)
					for range each(p, items, func(i int) *pending.Pending {
						if i > 0 {
							return p.Get("http://h/")
						}
						return p.Go(func(*parallel.Parallel) (*http.Response, error) { // has no slot
							<-time.After(time.Second)
							return nil, nil
						})
					}) {
						break
					}
					synctest.Wait()
					if n := sent.Load(); n != 500 {
						t.Errorf("%d requests were sent, want 500, which had a slot at the break", n)
					}
					return nil
				})
			})
		})
	}
}

// Each loop over the result of Each starts from the beginning.
func TestEach_sequenceIsReusable(t *testing.T) {
	inBoth(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64, each loopFunc[int]) {
		items, _ := counting(3)
		loop := each(p, items, func(int) *pending.Pending { return p.Get("/1ms") })
		if came.Load() != 0 || p.Stats() != (parallel.Stats{}) {
			t.Error("a request was started before the loop")
		}
		for range 2 {
			for _, h := range loop {
				text(t, h)
			}
		}
		if n := came.Load(); n != 6 {
			t.Errorf("two loops over three items sent %d requests, want 6", n)
		}
		for range each(p, func(func(int) bool) {}, func(int) *pending.Pending { return nil }) {
			t.Error("a loop over no items yielded one")
		}
	})
}

// Several loops may share a block. Each yields its own items.
func TestEach_twoLoopsInOneBlock(t *testing.T) {
	inBoth(t, client.Client{Limit: 3}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
		inner := 0
		items, _ := counting(3)
		for i, h := range each(p, items, func(i int) *pending.Pending { return p.Get(after(i)) }) {
			text(t, h)
			for j, h := range each(p, items, func(int) *pending.Pending { return p.Get("/1ms?" + strconv.Itoa(i)) }) {
				inner++
				if got := h.Request().URL.RawQuery; got != strconv.Itoa(i) {
					t.Errorf("item %d of inner loop %d = %s", j, i, got)
				}
			}
		}
		if inner != 9 {
			t.Errorf("the inner loops yielded %d items, want 9", inner)
		}
	})
}

// Promise 12: any number of items takes flat memory. Neither the items nor the
// handles and their bodies are retained after they are yielded.
func TestEach_retainsNothing(t *testing.T) {
	type item struct{ n, _ int }
	const n, limit = 400, 5
	for name, each := range map[string]loopFunc[*item]{"Each": parallel.Each[*item, starts[*item]], "Ordered": parallel.Ordered[*item, starts[*item]]} {
		t.Run(name, func(t *testing.T) {
			var items []weak.Pointer[item]
			var handles []weak.Pointer[pending.Pending]
			alive := func() (n int) {
				for i := range items {
					if items[i].Value() != nil || handles[i].Value() != nil {
						n++
					}
				}
				return n
			}
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})
			api := client.Client{Limit: limit, HTTP: &http.Client{Transport: transport}}
			api.Parallel(t.Context(), func(p *parallel.Parallel) error {
				source := func(yield func(*item) bool) {
					for i := range n {
						x := &item{n: i}
						items = append(items, weak.Make(x))
						if !yield(x) {
							return
						}
					}
				}
				yielded := 0
				for range each(p, source, func(x *item) *pending.Pending {
					h := p.Get("http://h/")
					if x.n%2 == 0 {
						h = pending.Race(h, p.Get("http://h/"))
					}
					handles = append(handles, weak.Make(h))
					return h
				}) {
					if yielded++; yielded%100 == 0 {
						if !collected(func() bool { return alive() <= 3*limit }) {
							t.Errorf("after %d turns %d items or handles are alive, want about %d at most", yielded, alive(), 2*limit)
						}
					}
				}
				if yielded != n {
					t.Errorf("%d items were yielded, want %d", yielded, n)
				}
				return nil
			})
		})
	}
}

// Promise 33: Ahead is how many items may be started and not yielded, with any
// Limit. Handles in a pause of Retry or Later count.
func TestAhead_limitsItems(t *testing.T) {
	forever := func(parallel.Attempt) (time.Duration, bool) { return time.Hour, true }
	wait := func(*http.Request) error { return parallel.Later(time.Hour) }
	for _, test := range []struct {
		name   string
		client client.Client
		want   int64
	}{
		{"default", client.Client{Limit: 3}, 6},
		{"negative", client.Client{Limit: 3, Ahead: -5}, 6},
		{"below the Limit", client.Client{Limit: 3, Ahead: 2}, 2},
		{"one", client.Client{Limit: 3, Ahead: 1}, 1},
		{"above the Limit", client.Client{Limit: 3, Ahead: 200}, 200},
		{"without a Limit", client.Client{Limit: -1, Ahead: 250}, 250},
		{"without an end", client.Client{Limit: 3, Ahead: math.MaxInt}, 300},
		{"retries", client.Client{Limit: 3, Ahead: 20, Retry: forever}, 20},
		{"retries by default", client.Client{Limit: 3, Retry: forever}, 6},
		{"Later", client.Client{Limit: 3, Ahead: 20, Wait: wait}, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.client.Timeout = -1
			path := "/1h"
			if test.client.Retry != nil {
				path = "/0s"
			}
			inBoth(t, test.client, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64, each loopFunc[int]) {
				items, pulled := counting(300)
				ahead := make(chan int64, 1)
				first := make(chan *pending.Pending, 300)
				go func() {
					time.Sleep(time.Minute)
					ahead <- pulled.Load()
					(<-first).Cancel()
				}()
				for range each(p, items, func(int) *pending.Pending {
					h := p.Get(path)
					first <- h
					return h
				}) {
					break
				}
				if n := <-ahead; n != test.want {
					t.Errorf("%d items were started before one was yielded; want %d", n, test.want)
				}
			})
		})
	}
}

// A request in a pause fills the window, so that few requests are in flight.
// With Ahead, the slots stay in use. The times are exact.
func TestAhead_slotsStayInUse(t *testing.T) {
	for _, test := range []struct {
		name    string
		each    loopFunc[int]
		ahead   int
		elapsed time.Duration
	}{
		// Ten of 100 items pause for 10 s, each tenth. A request takes 100 ms,
		// two at a time. By default 4 items are started ahead: Ordered waits
		// for each pause.
		{"Ordered, default", parallel.Ordered[int, starts[int]], 0, 105 * time.Second},
		{"Ordered, Ahead 100", parallel.Ordered[int, starts[int]], 100, 14700 * time.Millisecond},
		{"Each, default", parallel.Each[int, starts[int]], 0, 32800 * time.Millisecond},
		{"Each, Ahead 100", parallel.Each[int, starts[int]], 100, 14700 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := paced(t)
				c := client.Client{HTTP: s.HTTP, BaseURL: s.BaseURL, Limit: 2, Ahead: test.ahead, Retry: func(a parallel.Attempt) (time.Duration, bool) {
					return 10 * time.Second, a.N == 1 && a.Request.URL.RawQuery == "pauses"
				}}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					items, _ := counting(100)
					for _, h := range test.each(p, items, func(i int) *pending.Pending {
						if i%10 == 0 {
							return p.Get("/100ms?pauses")
						}
						return p.Get("/100ms")
					}) {
						if _, err := h.Response(); err != nil {
							t.Error(err)
						}
					}
					return nil
				})
				took(t, "the last item was yielded", start, test.elapsed)
			})
		})
	}
}

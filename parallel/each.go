package parallel

import (
	"errors"
	"iter"
	"math"
	"reflect"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/pending"
)

// Each starts a handle for every item, in the order of items, and yields each
// item with its handle as soon as the handle is done. It runs any number of
// requests in flat memory:
//
//	for url, h := range parallel.Each(p, urls, p.Get) {
//		body, err := h.Bytes()
//		...
//	}
//
// items is a sequence: pass a slice as slices.Values(s). With a slice itself
// the compiler says that it cannot infer T and F.
//
// start makes the handle of an item: it is p.Get or p.Head for items that are
// URLs, or a function that calls the methods of p, [Go] or pending.Race. It may
// return one handle for several items: each of them is yielded. If start is nil
// or returns a nil handle, Each yields a handle that failed. If items is nil,
// Each yields nothing. Each claims the handles: Next does not yield them.
//
// Each pulls an item when it needs one. It starts at most Config.Ahead items
// ahead of what it has yielded: by default twice the block's Limit, or 200
// without a Limit. Handles of Go count, and so do requests that wait for their
// After or in a pause before another attempt. Handles that are done are yielded
// before another item is pulled. A long run of items for one host that is at
// its HostLimit therefore holds back the items that follow: mix the hosts, or
// set an Ahead that is longer than the run.
//
// items and start run on the goroutine of the loop, so a slow item delays the
// loop, and the end of the block's context does not wake it. A sequence over a
// channel must select on p.Context().Done(). If items come in slowly, as from a
// channel, or follow from the results, as in a crawl, make the requests as they
// turn up, and range over [Parallel.Arrivals] instead.
//
// After the block's context has ended, Each still yields the remaining items.
// The errors of their handles match pending.ErrNotSent. The loop must break out
// of an endless sequence. Breaking out cancels every handle that was started
// and not yielded, and pulls no more items.
func Each[T any, F interface {
	~func(T) *pending.Pending | ~func(T, ...Option) *pending.Pending
}](p *Parallel, items iter.Seq[T], start F) iter.Seq2[T, *pending.Pending] {
	p.mustBeOpen()
	begin := starter[T](start)
	return func(yield func(T, *pending.Pending) bool) {
		if items == nil {
			return
		}
		l := newLoop(p, begin)
		l.tell = l.arrive
		defer l.cancelOpen()
		for item := range items {
			l.begin(item)
			for i, ok := l.arrived(l.full()); ok; i, ok = l.arrived(false) {
				if !yield(l.take(i)) {
					return
				}
			}
		}
		for l.open > 0 {
			i, _ := l.arrived(true)
			if !yield(l.take(i)) {
				return
			}
		}
	}
}

// Ordered is like [Each], but yields the items in their own order: an item
// whose handle is done waits for the items before it. It starts no more items
// ahead than Each does. One slow item, or one that pauses before another
// attempt, therefore holds back all others once Ahead items have been started.
func Ordered[T any, F interface {
	~func(T) *pending.Pending | ~func(T, ...Option) *pending.Pending
}](p *Parallel, items iter.Seq[T], start F) iter.Seq2[T, *pending.Pending] {
	p.mustBeOpen()
	begin := starter[T](start)
	return func(yield func(T, *pending.Pending) bool) {
		if items == nil {
			return
		}
		l := newLoop(p, begin)
		defer l.cancelOpen()
		var order []int // places that are not yielded, oldest item first
		oldest := func() (T, *pending.Pending) {
			i := order[0]
			order = order[1:]
			<-l.places[i].handle.Done()
			return l.take(i)
		}
		for item := range items {
			order = append(order, l.begin(item))
			for l.full() || len(order) > 0 && l.isDone(order[0]) {
				if !yield(oldest()) {
					return
				}
			}
		}
		for l.open > 0 {
			if !yield(oldest()) {
				return
			}
		}
	}
}

// starter returns start, which has one of the types that Each takes, as a
// function of an item, or nil if start is nil.
func starter[T any](start any) func(T) *pending.Pending {
	v := reflect.ValueOf(start) // its type may have a name
	if plain := reflect.TypeFor[func(T) *pending.Pending](); v.CanConvert(plain) {
		return v.Convert(plain).Interface().(func(T) *pending.Pending)
	}
	withOptions := v.Convert(reflect.TypeFor[func(T, ...Option) *pending.Pending]()).Interface().(func(T, ...Option) *pending.Pending)
	if withOptions == nil {
		return nil
	}
	return func(item T) *pending.Pending { return withOptions(item) }
}

// A loop holds the handles that Each or Ordered started and has not yielded. It
// has as many places as it may start ahead, and reuses them. It belongs to one
// goroutine, except for what its mutex guards.
type loop[T any] struct {
	p      *Parallel
	start  func(T) *pending.Pending
	tell   func(place int) // called when the handle at a place is done; nil in Ordered
	window int             // most places

	places []place[T]
	free   []int
	open   int   // places in use
	begun  int   // items so far
	took   []int // what ready was when arrived last looked
	next   int   // index in took

	mu   sync.Mutex
	more sync.Cond // ready has grown

	// Guarded by mu.
	ready []int // places whose handles are done, in order of completion
}

type place[T any] struct {
	item   T
	handle *pending.Pending // nil if the place is free
	nth    int              // how many items were begun, with this one
}

func newLoop[T any](p *Parallel, start func(T) *pending.Pending) *loop[T] {
	l := &loop[T]{p: p, start: start, window: windowOf(p.queue.slots.Limit(), p.settings.ahead)}
	l.more.L = &l.mu
	return l
}

// windowOf returns how many items may be started ahead.
func windowOf(limit, ahead int) int {
	switch {
	case ahead > 0:
		return ahead
	case limit == 0:
		return 200
	case limit > math.MaxInt/2:
		return math.MaxInt
	}
	return 2 * limit
}

// full reports whether no more items may be started.
func (l *loop[T]) full() bool { return l.open >= l.window }

// begin starts item's handle and returns its place.
func (l *loop[T]) begin(item T) int {
	var h *pending.Pending
	if l.start != nil {
		h = l.start(item)
	}
	if h == nil {
		h = l.p.refused(errors.New("start of Each or Ordered is nil or returned a nil handle"))
	}
	if len(l.free) == 0 {
		l.free = append(l.free, len(l.places))
		l.places = append(l.places, place[T]{})
	}
	i := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.begun++
	l.places[i] = place[T]{item, h, l.begun}
	l.open++
	l.p.handles.Claim(h, i, l.tell)
	return i
}

// arrive records that the handle at i is done.
func (l *loop[T]) arrive(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = append(l.ready, i)
	l.more.Signal()
}

// arrived returns the place whose handle was done first. If no handle is done,
// arrived waits for one, or returns false if wait is false.
func (l *loop[T]) arrived(wait bool) (i int, ok bool) {
	if l.next == len(l.took) {
		l.mu.Lock()
		for wait && len(l.ready) == 0 {
			l.more.Wait()
		}
		l.took, l.ready, l.next = l.ready, l.took[:0], 0
		l.mu.Unlock()
	}
	if l.next == len(l.took) {
		return 0, false
	}
	i = l.took[l.next]
	l.next++
	return i, true
}

// isDone reports whether the handle at i is done.
func (l *loop[T]) isDone(i int) bool {
	select {
	case <-l.places[i].handle.Done():
		return true
	default:
		return false
	}
}

// take frees a place and returns what it held.
func (l *loop[T]) take(i int) (T, *pending.Pending) {
	at := l.places[i]
	l.places[i] = place[T]{}
	l.free = append(l.free, i)
	l.open--
	return at.item, at.handle
}

// cancelOpen cancels what was started and not yielded. It begins with the
// newest, so that a queued request doesn't get the slot of one that was
// canceled before it.
func (l *loop[T]) cancelOpen() {
	slices.SortFunc(l.places, func(a, b place[T]) int { return b.nth - a.nth })
	for _, at := range l.places {
		at.handle.Cancel() // does nothing for a free place
	}
}

package parallel

import (
	"errors"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Each starts a handle for every item, in the order of items, and yields each item
// with its handle as it settles, in the order of arrival: a million requests,
// lazily, in flat memory. start makes the handle, with p.Get and its likes, with
// p.Go or with pending.Race; the loop asks it for its response, which is there.
//
//	for url, h := range parallel.Each(p, urls, func(url string) *pending.Pending { return p.Get(url) }) {
//		body, err := h.Bytes()
//		...
//	}
//
// Items are pulled as they are needed, at most twice the block's Limit ahead of
// what was yielded (200 without a limit; requests that wait for their After, and
// Go, count too), and what is ready is yielded before another is pulled. A longer
// run of items of one host that is at its HostLimit therefore holds back what
// follows.
//
// items and start run on the goroutine of the loop, so an item that is long in
// coming delays the loop: what has arrived waits for it too. Nor does the end of the
// block's context wake it: a sequence over a channel selects on p.Context().Done().
// Where items trickle in, or come of the results (a crawl: a sequence has ended once it
// returned), make the requests as they turn up and take them with Arrivals. Each
// claims the handles: Next does not yield them. start may return one handle for
// several items: each of them is yielded. For a nil handle, and by a nil start, one
// that failed is yielded in its place. Nil items are none.
//
// After the block's context ended the items left are still yielded, with handles
// whose error is ErrNotSent; an endless sequence must be left by the loop. Leaving
// the loop early cancels what was started for it and pulls no more.
func Each[T any](p *Parallel, items iter.Seq[T], start func(T) *pending.Pending) iter.Seq2[T, *pending.Pending] {
	return func(yield func(T, *pending.Pending) bool) {
		if items == nil {
			return
		}
		l := newLoop(p, start)
		l.tell = l.settle
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

// Ordered is Each, but yields the items in their own order: one that has arrived
// waits for those before it. Its window is the same, so a slow item holds back at
// most twice the Limit of others.
func Ordered[T any](p *Parallel, items iter.Seq[T], start func(T) *pending.Pending) iter.Seq2[T, *pending.Pending] {
	return func(yield func(T, *pending.Pending) bool) {
		if items == nil {
			return
		}
		l := newLoop(p, start)
		defer l.cancelOpen()
		var order []int // places of the open ones, oldest item first
		oldest := func() (T, *pending.Pending) {
			i := order[0]
			order = order[1:]
			<-l.places[i].handle.Done()
			return l.take(i)
		}
		for item := range items {
			order = append(order, l.begin(item))
			for l.full() || len(order) > 0 && l.settled(order[0]) {
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

// A loop holds what Each or Ordered started and has not yielded: as many places as
// its window is wide, used again and again. It belongs to one goroutine, but for
// what its mutex guards.
type loop[T any] struct {
	p      *Parallel
	start  func(T) *pending.Pending
	tell   func(place int) // of handles that settle; nil in Ordered, which doesn't ask
	window int

	places []place[T]
	free   []int
	open   int   // places in use
	begun  int   // items so far
	took   []int // from ready, when that was last looked at
	next   int   // of took

	mu   sync.Mutex
	more sync.Cond // there is one in ready

	// Guarded by mu.
	ready []int // places whose handles settled, in that order
}

type place[T any] struct {
	item   T
	handle *pending.Pending // nil: free
	nth    int              // to be begun
}

func newLoop[T any](p *Parallel, start func(T) *pending.Pending) *loop[T] {
	l := &loop[T]{p: p, start: start, window: windowOf(p.queue.slots.Limit())}
	l.more.L = &l.mu
	return l
}

func windowOf(limit int) int {
	switch {
	case limit == 0:
		return 200
	case limit > math.MaxInt/2:
		return math.MaxInt
	}
	return 2 * limit
}

func (l *loop[T]) full() bool { return l.open >= l.window }

// begin starts item's handle and returns its place.
func (l *loop[T]) begin(item T) int {
	var h *pending.Pending
	if l.start != nil {
		h = l.start(item)
	}
	if h == nil {
		h = l.p.settled(fail.NotSent(errors.New("the start function of Each or Ordered is nil, or returned a nil handle")))
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
	pending.Claim(h, i, l.tell)
	return i
}

// settle is told that the handle at i has settled.
func (l *loop[T]) settle(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = append(l.ready, i)
	l.more.Signal()
}

// arrived is the place whose handle settled first. If there is none yet it waits,
// or else is not ok.
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

func (l *loop[T]) settled(i int) bool {
	select {
	case <-l.places[i].handle.Done():
		return true
	default:
		return false
	}
}

// take empties a place.
func (l *loop[T]) take(i int) (T, *pending.Pending) {
	at := l.places[i]
	l.places[i] = place[T]{}
	l.free = append(l.free, i)
	l.open--
	return at.item, at.handle
}

// cancelOpen cancels what was started and not yielded: the latest first, so that
// what waits doesn't get the slots of what was before it.
func (l *loop[T]) cancelOpen() {
	slices.SortFunc(l.places, func(a, b place[T]) int { return b.nth - a.nth })
	for _, at := range l.places {
		at.handle.Cancel() // of a free place: nothing
	}
}

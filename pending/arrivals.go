package pending

import (
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fifo"
)

// Arrivals is for package parallel, not for users of handles: it is the writing
// end of the handles of one block. It makes handles, completes them and keeps
// them in the order in which they were completed.
//
// The zero Arrivals is ready to use. Its methods are safe for many goroutines.
type Arrivals struct {
	mu sync.Mutex // guards the fields below

	unclaimed int               // handles that nobody claimed, done or not
	arrived   arrived           // those of them that are done
	changed   *sync.Cond        // arrived grew, or unclaimed fell to zero; made by the first to wait
	races     fifo.Queue[*race] // not done yet
	self      *ref              // made with the first handle
	ended     error             // what an open Race completes with, once the block ended
}

// A ref is what a handle knows of its Arrivals once it is done. It is weak: a
// program may keep a handle for long, and that must not keep the other results
// of the block alive. A handle that is done and unclaimed can still be claimed
// in it, as long as the block is there to be asked for its Next. And a Race of
// handles that are done still belongs to the block of the first.
//
// Until a handle is done it has its Arrivals in home. Whoever will complete it
// has that, too, so home keeps nothing alive that would be gone without it.
type ref struct {
	at    weak.Pointer[Arrivals]
	ended atomic.Pointer[error]
}

// Make returns a new handle, which is pending. what is the handle's from here
// on. Cancel calls c for as long as the handle is not done. c must lead to a
// call of Complete. It may be nil.
func (a *Arrivals) Make(what ask.Ask, c canceler) *Pending {
	h := &Pending{asked: what, cancel: c}
	h.home.Store(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.self == nil {
		a.self = &ref{at: weak.Make(a)}
	}
	h.ref = a.self
	a.unclaimed++
	return h
}

// A canceler cancels a request. Its methods may be called many times. They
// don't block.
type canceler interface {
	// Withdraw cancels the request unless it is in flight, and reports whether
	// it did.
	Withdraw() bool

	// Cancel cancels the request, wherever it is on its way.
	Cancel()
}

// Decide tells the races of h what Complete will complete it with: a race that
// h wins cancels its other racers. It is called while h holds its slot, which
// none of them gets then. It costs next to nothing where h is in no race.
func (a *Arrivals) Decide(h *Pending, with ask.Answer) { decide(h, with) }

// Complete completes h, which a made, with what it answered, and puts it among
// the arrivals unless somebody claimed it. Only the first call for a handle
// counts; Complete reports whether it was that.
func (a *Arrivals) Complete(h *Pending, with ask.Answer) bool {
	decide(h, with)
	first, decided := a.finish(h, with)
	complete(decided)
	return first
}

// finish completes h. It returns the races that are to be completed with h.
func (a *Arrivals) finish(h *Pending, with ask.Answer) (first bool, decided []*race) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.home.Load() == nil {
		return false, nil
	}
	h.resp, h.err, h.notSent = with.Response, with.Err, with.NotSent
	h.body = slices.Clip(with.Body) // several callers may append to it
	if r, ok := h.cancel.(*race); ok {
		r.place.Remove()
	}
	told := h.listeners
	h.cancel, h.listeners = nil, listeners{}
	if !h.claimed.Load() {
		a.arrived.push(h)
		if a.changed != nil {
			a.changed.Signal()
		}
	}
	h.home.Store(nil) // from here on the result can be read without a.mu
	if h.done != nil {
		close(h.done)
	}
	for l := range told.all {
		if l.notify() {
			decided = append(decided, l.race)
		}
	}
	return true, decided
}

// Next claims and returns the handle that was completed first among those
// nobody claimed, waiting for one if need be. It returns nil at once when none
// is unclaimed, also when the last one is claimed while it waits.
func (a *Arrivals) Next() *Pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.arrived.live == 0 && a.unclaimed > 0 {
		if a.changed == nil {
			a.changed = sync.NewCond(&a.mu)
		}
		a.changed.Wait()
	}
	h := a.arrived.first()
	if h != nil {
		a.claimLocked(h)
	}
	return h
}

// Has reports whether a handle is unclaimed, done or not.
func (a *Arrivals) Has() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unclaimed > 0
}

// End says that the block has ended, all its requests with it. A Race of the
// block that is still open, because it has racers elsewhere, cancels them and
// completes with err, and so does one made from here on.
func (a *Arrivals) End(err error) {
	a.mu.Lock()
	a.ended = err
	if a.self != nil {
		a.self.ended.Store(&err)
	}
	var open []*race
	for n := a.races.Pop(); n != nil; n = a.races.Pop() {
		open = append(open, n.Item)
	}
	a.mu.Unlock()
	endRaces(open, err)
}

// claimLocked claims h. The caller holds a.mu.
func (a *Arrivals) claimLocked(h *Pending) {
	if h.claimed.Load() {
		return
	}
	h.claimed.Store(true)
	if h.home.Load() == nil {
		a.arrived.remove(h)
	}
	a.unclaimed--
	if a.unclaimed == 0 && a.changed != nil {
		a.changed.Broadcast() // whoever waits now would wait for ever
	}
}

// Claim claims h, of any block, and calls tell with n once h is done, or at
// once if it is. Handles of one block are told in the order in which they
// complete. tell is called under a lock: it must not block, and must not use a
// handle. It may be nil.
func (*Arrivals) Claim(h *Pending, n int, tell func(n int)) {
	h.orNone().listen(listener{tell: tell, n: n})
}

// arrived are handles that are done and unclaimed, oldest first. A handle knows
// its place by number, and not its neighbors, which it would keep alive. (Hence
// not a fifo.Queue.) All operations take constant time, spread over the pushes.
type arrived struct {
	handles []*Pending // nil where one was removed
	start   int        // all before it were removed
	live    int        // not nil
}

func (l *arrived) push(h *Pending) {
	if len(l.handles) == cap(l.handles) && l.live <= len(l.handles)/2 {
		l.compact()
	}
	h.place = len(l.handles)
	l.handles = append(l.handles, h)
	l.live++
}

// compact moves the handles to the front.
func (l *arrived) compact() {
	n := 0
	for _, h := range l.handles[l.start:] {
		if h != nil {
			h.place = n
			l.handles[n] = h
			n++
		}
	}
	clear(l.handles[n:])
	l.handles, l.start = l.handles[:n], 0
}

func (l *arrived) remove(h *Pending) {
	l.handles[h.place] = nil
	l.live--
	if l.live == 0 {
		l.handles, l.start = l.handles[:0], 0
	}
}

// first returns the oldest, or nil if there is none.
func (l *arrived) first() *Pending {
	if l.live == 0 {
		return nil
	}
	for l.handles[l.start] == nil {
		l.start++
	}
	return l.handles[l.start]
}

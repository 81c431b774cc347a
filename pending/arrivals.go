package pending

import (
	"slices"
	"sync"
	"weak"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fifo"
)

// Arrivals is for package parallel, not for users of handles: it is the writing
// end of the handles of one block. It makes handles, completes them, and keeps
// those that are done and unclaimed in order of completion.
//
// A program may keep a handle for a long time, and the handle keeps its
// Arrivals. That must not keep the other results of the block alive. So an
// Arrivals must not be a part of a larger object, and when the block ends, it
// hands over the results that are left: see End.
//
// The zero Arrivals is ready to use. Its methods are safe for use by multiple
// goroutines.
type Arrivals struct {
	mu sync.Mutex // guards the fields below

	unclaimed int                // number of handles that are unclaimed, done or not
	arrived   arrived            // handles that are done and unclaimed, until the block ends
	few       [4]*Pending        // the first array of arrived: most blocks have few that wait there
	left      weak.Pointer[Left] // the same from then on; nil if there are none
	changed   *sync.Cond         // arrived grew, or unclaimed fell to zero; made by the first Next that waits
	races     fifo.Queue[*race]  // races of this block that are not done
	ended     error              // the error of a Race that is not done when the block ends; nil before
}

// Left has the handles of a block that has ended, those that are done and
// unclaimed. The mutex of their Arrivals guards it. The zero Left has none.
type Left struct{ arrived }

// Make returns a new handle, for the request that what describes. The handle
// owns what. Until it is done, its Cancel calls c, which must lead to a call of
// Complete. c may be nil. left is the argument of End. For a Race, which does
// not know its block, left is nil: if the block ended with nothing left, Next
// does not yield the Race.
func (a *Arrivals) Make(what ask.Ask, c canceler, left *Left) *Pending {
	h := &Pending{home: a, asked: what, cancel: c}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended != nil && a.left.Value() == nil {
		if left == nil {
			h.claimed.Store(true)
			return h
		}
		a.left = weak.Make(left)
	}
	a.unclaimed++
	return h
}

// A canceler cancels a request. Its methods may be called many times. They do
// not block.
type canceler interface {
	// Withdraw cancels the request unless it is in flight, and reports whether
	// it did.
	Withdraw() bool

	// Cancel cancels the request, queued or in flight.
	Cancel()
}

// Decide tells the races of h with which answer Complete will complete it. If h
// wins a race, the other racers are canceled. The caller calls Decide while h
// still holds its slot, so that no racer gets that slot. If h is in no race,
// Decide costs almost nothing.
func (a *Arrivals) Decide(h *Pending, with ask.Answer) { decide(h, with) }

// Complete completes h, a handle of a, with an answer, and makes it available
// to Next unless it is claimed. It reports whether this was the first call for
// h. Later calls do nothing.
func (a *Arrivals) Complete(h *Pending, with ask.Answer) bool {
	decide(h, with)
	first, decided := a.finish(h, with)
	complete(decided)
	return first
}

// finish completes h. It returns the races that are to be completed next, as a
// result.
func (a *Arrivals) finish(h *Pending, with ask.Answer) (first bool, decided []*race) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.over.Load() {
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
		a.arriveLocked(h)
	}
	h.over.Store(true) // from here on the result can be read without a.mu
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

// arriveLocked makes h, which is done, available to Next.
func (a *Arrivals) arriveLocked(h *Pending) {
	if a.ended == nil {
		if a.arrived.handles == nil {
			a.arrived.handles = a.few[:0]
		}
		a.arrived.push(h)
		if h.place == len(a.few) { // append has copied few
			clear(a.few[:])
		}
	} else if left := a.left.Value(); left != nil {
		left.push(h)
	} // otherwise nobody has the block, to call Next
	if a.changed != nil {
		a.changed.Signal()
	}
}

// Next claims and returns the unclaimed handle that completed first. It blocks
// until there is one. It returns nil at once if every handle is claimed, also
// if the last one is claimed while it waits.
func (a *Arrivals) Next() *Pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		h := a.firstLocked()
		if h != nil {
			a.claimLocked(h)
		}
		if h != nil || a.unclaimed == 0 {
			return h
		}
		if a.changed == nil {
			a.changed = sync.NewCond(&a.mu)
		}
		a.changed.Wait()
	}
}

// firstLocked returns the handle that arrived first, or nil if there is none.
func (a *Arrivals) firstLocked() *Pending {
	if left := a.left.Value(); left != nil {
		return left.first()
	}
	return a.arrived.first()
}

// Has reports whether a handle is unclaimed, done or not.
func (a *Arrivals) Has() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unclaimed > 0
}

// End marks the block as ended. A Race of the block may still be open, because
// it has racers in other blocks. Such a Race cancels them and completes with
// err. So does a Race that is made later and has no winner.
//
// left receives the unclaimed handles that are done, and later the others when
// they are. The caller keeps left for as long as it may call Next: the pointer
// that the Arrivals has to it is weak.
func (a *Arrivals) End(err error, left *Left) {
	a.mu.Lock()
	a.ended = err
	if a.unclaimed > 0 { // a weak pointer takes time to make
		left.arrived = arrived{handles: slices.Clone(a.arrived.handles), start: a.arrived.start, live: a.arrived.live}
		a.left = weak.Make(left)
	}
	a.arrived, a.few = arrived{}, [4]*Pending{}
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
	if h.over.Load() && !a.arrived.remove(h) {
		if left := a.left.Value(); left != nil {
			left.remove(h)
		}
	}
	a.unclaimed--
	if a.unclaimed == 0 && a.changed != nil {
		a.changed.Broadcast() // nothing more will arrive for the goroutines that wait
	}
}

// Claim claims h, a handle of any block, and calls tell with n when h is done,
// or at once if it is done already. For handles of one block, tell is called in
// order of completion. It is called under a lock: it must not block and must
// not use a handle. It may be nil.
func (*Arrivals) Claim(h *Pending, n int, tell func(n int)) {
	h.orNone().listen(listener{tell: tell, n: n})
}

// arrived holds the handles that are done and unclaimed, oldest first. A handle
// knows its place by number. It has no pointers to its neighbors, because these
// would keep them alive (so a fifo.Queue does not fit). All operations take
// constant time, amortized over the pushes.
type arrived struct {
	handles []*Pending // nil where one was removed
	start   int        // all handles before it were removed
	live    int        // number of handles that are not nil
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

// remove removes h, and reports whether it was there.
func (l *arrived) remove(h *Pending) bool {
	if h.place >= len(l.handles) || l.handles[h.place] != h {
		return false
	}
	l.handles[h.place] = nil
	l.live--
	if l.live == 0 {
		l.handles, l.start = l.handles[:0], 0
	}
	return true
}

// first returns the oldest handle, or nil if there is none.
func (l *arrived) first() *Pending {
	if l.live == 0 {
		return nil
	}
	for l.handles[l.start] == nil {
		l.start++
	}
	return l.handles[l.start]
}

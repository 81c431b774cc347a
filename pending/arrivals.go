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
// end of the handles of one block. It makes handles, completes them, and keeps
// those that are done and unclaimed in order of completion.
//
// The zero Arrivals is ready to use. Its methods are safe for use by multiple
// goroutines.
type Arrivals struct {
	mu sync.Mutex // guards the fields below

	unclaimed int               // number of handles that are unclaimed, done or not
	arrived   arrived           // handles that are done and unclaimed
	changed   *sync.Cond        // arrived grew, or unclaimed fell to zero; made by the first Next that waits
	races     fifo.Queue[*race] // races of this block that are not done
	self      *ref              // shared by all handles; made with the first
	ended     error             // the error of a Race that is not done when the block ends; nil before
}

// A ref leads from a handle that is done to its Arrivals. The pointer is weak,
// because a program may keep a handle for a long time, which must not keep the
// other results of the block alive.
//
// A handle needs its Arrivals after it is done in two cases. It may be
// unclaimed: then claiming it must remove it there, as long as the block can
// still be asked for its Next. And a Race belongs to the block of its first
// racer, which may be done.
//
// Until a handle is done, its field home has the Arrivals. Whoever will
// complete the handle refers to the Arrivals as well, so home keeps nothing
// alive that would otherwise be freed.
type ref struct {
	at    weak.Pointer[Arrivals]
	ended atomic.Value // the ended of the Arrivals, once it is set
}

// Make returns a new handle, for the request that what describes. The handle
// owns what. Until it is done, its Cancel calls c, which must lead to a call of
// Complete. c may be nil.
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

// Next claims and returns the unclaimed handle that completed first. It blocks
// until there is one. It returns nil at once if every handle is claimed, also
// if the last one is claimed while it waits.
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

// End marks the block as ended. A Race of the block may still be open, because
// it has racers in other blocks. Such a Race cancels them and completes with
// err. So does a Race that is made later and has no winner.
func (a *Arrivals) End(err error) {
	a.mu.Lock()
	a.ended = err
	if a.self != nil {
		a.self.ended.Store(err)
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

func (l *arrived) remove(h *Pending) {
	l.handles[h.place] = nil
	l.live--
	if l.live == 0 {
		l.handles, l.start = l.handles[:0], 0
	}
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

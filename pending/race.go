package pending

import (
	"errors"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/fifo"
)

// Race claims the handles, its racers, and returns one handle that takes their
// place. It settles with the first of them whose status is 2xx and cancels the
// others, at that moment and whether or not anybody asks for it. If none
// succeeds it settles with all their errors, joined in the order given
// (errors.Is and errors.As find each, but for ErrNotSent, which must hold for all);
// a status outside 2xx counts as a *StatusError, whose Body all who ask the Race
// share. Of racers that have settled before the call, the first in the
// order given wins.
//
// Race does not block. Its handle is like any other: it belongs to the block of
// its first racer, whose Next yields it, it can be raced again, and its Cancel
// cancels every racer. A block's Stats count the racers and not the Race. Racers
// may belong to different blocks; when that of the first ends before a winner is
// found, the Race settles with that block's end and cancels the others.
//
// A hedged request is a race between a request and the same request later:
//
//	h := pending.Race(p.Get(u), p.Get(u, parallel.After(50*time.Millisecond)))
//
// The delay counts from when the second is made: a failure of the first does not
// bring it forward, and under a full queue both wait for their turn and may then be
// sent together. A hedged POST may be done twice.
//
// Racers must not share a writer of parallel.To. A nil handle counts as one that
// failed. A Race of none is a handle that has settled with an error saying so.
func Race(hs ...*Pending) *Pending {
	if len(hs) == 0 {
		return failed(errors.New("a Race of no handles has no winner"))
	}
	r := &race{racers: make([]*Pending, len(hs)), home: new(Arrivals), open: len(hs), errs: make([]error, len(hs))}
	for i, h := range hs {
		r.racers[i] = h.orNone()
	}
	if block := r.racers[0].block; block != nil {
		if home := block.at.Value(); home != nil {
			r.home = home
		} else if err := block.ended.Load(); err != nil { // it is gone, since it ended
			r.home.ended = *err
		}
	}
	r.handle = r.home.make(r.racers[0].asked, r)
	r.place.Item = r
	for i, h := range r.racers {
		h.watch(watch{race: r, n: i})
	}

	// Not before the racers are known: of a block that ends meanwhile, those that have
	// settled count.
	r.home.mu.Lock()
	ended := r.home.ended
	if !r.handle.settled {
		r.home.races.Push(&r.place)
	}
	r.home.mu.Unlock()
	if ended != nil {
		r.end(ended)
	}
	return r.handle
}

// A race settles its handle when its racers have settled its outcome. It needs no
// goroutine: each racer tells it (see watch).
type race struct {
	racers []*Pending
	handle *Pending
	home   *Arrivals // the handle's

	place fifo.Node[*race] // among home's open races; guarded by home.mu

	mu sync.Mutex // the innermost of locks: nothing else is locked under it

	// Guarded by mu.
	decided bool
	open    int     // racers that have not settled
	errs    []error // of those that have, by racer
}

// settled is told that racer n has settled.
func (r *race) settled(n int) (after func()) {
	h := r.racers[n]
	err := h.err
	if err == nil {
		err = statusError(h)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return nil
	}
	if err == nil {
		r.decided = true
		return func() {
			r.home.Settle(r.handle, Answer{Response: h.resp, Body: h.body})
			r.Cancel()
		}
	}
	r.errs[n] = err
	r.open--
	if r.open > 0 {
		return nil
	}
	r.decided = true
	return func() { r.home.Settle(r.handle, Answer{Err: joined(r.errs)}) }
}

// joined is all of errs. It is ErrNotSent if all of them are: a Race whose racers
// were sent but for one must not be sent again as if none had been.
func joined(errs []error) error {
	notSent := func(err error) bool { return errors.Is(err, ErrNotSent) }
	if slices.ContainsFunc(errs, func(err error) bool { return !notSent(err) }) {
		for i, err := range errs {
			errs[i] = fail.MaybeSent(err)
		}
	}
	return errors.Join(errs...)
}

// end settles a race that is open still, and cancels its racers.
func (r *race) end(err error) {
	r.mu.Lock()
	was := r.decided
	r.decided = true
	r.mu.Unlock()
	if was {
		return
	}
	r.home.Settle(r.handle, Answer{Err: err})
	r.Cancel()
}

// Cancel is that of its handle. It cancels the racers, the last first, so that one that
// waits doesn't get the slot of one before it.
func (r *race) Cancel() {
	for _, h := range slices.Backward(r.racers) {
		h.Cancel()
	}
}

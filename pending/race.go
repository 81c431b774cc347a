package pending

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/fifo"
)

// Race claims its arguments, the racers, and returns one handle that replaces
// them. It does not block.
//
// The handle completes with the response of the first racer whose status is
// 2xx. Just before it completes, the other racers are canceled: a queued one is
// never sent. This happens whether or not anybody requests the result. If
// several racers with a 2xx status were done before the call, the first of them
// in argument order wins.
//
// If no racer wins, the handle completes with the errors of all racers, joined
// in argument order. A status outside 2xx counts as a *[StatusError]; its
// Response has one Body, which all callers share. errors.Is and errors.As find
// each error, with one exception: the error matches [ErrNotSent] only if the
// errors of all racers do, because sending the Race again sends all of them.
//
// Requests and functions with a value (see parallel.Go) can race. Any value is
// a success, even a zero one: a function that looks into a cache must return an
// error if it finds nothing. [As] returns the result of the winner.
//
// The handle is like any other. It can be a racer in another Race, and its
// Cancel cancels every racer. It belongs to the block of its first racer. The
// Next of that block yields it, unless the block has ended and Next has
// returned all results. Stats counts the racers and not the Race. The racers
// may belong to different blocks. If the block of the first racer ends before
// there is a winner, the Race fails with an error that matches
// parallel.ErrEnded, and the racers of other blocks are canceled.
//
// A hedged request is a race between a request and the same request a little
// later:
//
//	h := pending.Race(p.Get(u), p.Get(u, parallel.After(50*time.Millisecond)))
//
// The delay starts when the second request is made. It does not end early if
// the first request fails. If the queue is full, both requests wait in it, and
// may then be sent together. The second request needs a slot of its own: if
// slow requests hold all slots, their hedges wait until one of them is done. So
// a block that hedges many requests needs a Limit well above the number of
// requests that are expected to be slow at once. A hedged POST may be carried
// out twice.
//
// Racers must not share the writer of a Take or To, or the name of a File. A
// nil handle counts as a failure. A Race of no handles is done, with an error
// that says so.
func Race(hs ...*Pending) *Pending {
	if len(hs) == 0 {
		return failed(errors.New("Race called with no handles"))
	}
	r := &race{racers: make([]*Pending, len(hs)), open: len(hs), errs: make([]racerError, len(hs))}
	for i, h := range hs {
		r.racers[i] = h.orNone()
	}
	if r.home = r.racers[0].home; r.home == nil {
		r.home = new(Arrivals)
	}
	r.handle = r.home.Make(r.racers[0].asked, r, nil)
	r.place.Item = r

	// All are claimed before a loser is canceled: Next must not yield it.
	done := false
	for i, h := range r.racers {
		done = h.listen(listener{race: r, n: i}) || done
	}

	// The race is listed in its block only now that its racers have listeners.
	// If the block ended in between, racers that were done before its end still
	// count. By now the race may be done as well.
	r.home.mu.Lock()
	ended := r.home.ended
	if !r.handle.over.Load() {
		r.home.races.Push(&r.place)
	}
	r.home.mu.Unlock()
	switch {
	case done:
		complete([]*race{r})
	case ended != nil:
		endRaces([]*race{r}, ended)
	}
	return r.handle
}

// A race is decided by its racers: each reports that it is done. A race needs
// no goroutine.
//
// A race goes through three steps. Each step handles, in one loop, the races in
// which this race is a racer. A chain of races, each a racer in the next,
// therefore costs time in proportion to its length, and no stack.
//
//  1. It is decided: its answer is known and no longer changes. A racer
//     that succeeds decides the race before it is done, while it still holds
//     its slot.
//  2. Its racers are canceled (cancelRaces).
//  3. Its handle is completed with the answer (complete).
//
// Lock order: the home.mu of a racer or of the handle may be held when mu is
// locked. No lock is taken while mu is held, and nothing is canceled under a
// lock.
type race struct {
	racers []*Pending
	handle *Pending
	home   *Arrivals // of handle

	place fifo.Node[*race] // among home's open races; guarded by home.mu

	canceled atomic.Bool // set by cancelRaces: each racer is canceled, or will be at once

	mu sync.Mutex // guards the fields below

	decided bool         // winner and answer are final
	winner  int          // the racer that won, unless answer is an error
	answer  ask.Answer   // set if decided
	open    int          // number of racers that are not done
	errs    []racerError // of the racers that are done
}

// won decides r with the answer of racer n, a success with which that racer is
// about to complete. It reports whether it decided r: a race is decided once.
func (r *race) won(n int, answer ask.Answer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return false
	}
	r.decided, r.winner, r.answer = true, n, answer
	return true
}

// told records that racer n is done. It reports whether r is to be completed
// now.
func (r *race) told(n int) bool {
	h := r.racers[n]
	answer := ask.Answer{Response: h.resp, Body: h.body}
	if answer.Succeeded() {
		r.won(n, answer) // does nothing if r is decided
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return r.answer.Err == nil && r.winner == n
	}
	r.errs[n] = racerError{h.err, h.notSent}
	if h.err == nil {
		r.errs[n].err = statusError(h)
	}
	r.open--
	if r.open > 0 {
		return false
	}
	notSent := !slices.ContainsFunc(r.errs, func(e racerError) bool { return !e.notSent })
	r.decided = true
	r.answer = ask.Answer{Err: &raceError{r.errs, notSent}, NotSent: notSent}
	return true
}

// decide decides the races that h wins with the answer, with which h is about
// to complete. It also decides the races that those races win. Then it cancels
// the losers of all of them.
func decide(h *Pending, answer ask.Answer) {
	if !h.raced.Load() || !answer.Succeeded() {
		return
	}
	var won []*race
	for at := 0; h != nil; {
		listening := h.listening()
		for l := range listening.all {
			if l.race != nil && l.race.won(l.n, answer) {
				won = append(won, l.race)
			}
		}
		h = nil
		if at < len(won) {
			h = won[at].handle
			at++
		}
	}
	cancelRaces(won)
}

// cancelRaces cancels the racers of races, and of the races among these, the
// last one first. It withdraws all queued requests before it interrupts one in
// flight: the slot of that one could otherwise go to a request that is about to
// be canceled.
func cancelRaces(races []*race) {
	var inFlight []canceler
	var todo []*Pending // a stack
	for _, r := range races {
		r.canceled.Store(true)
		todo = append(todo, r.losers()...)
	}
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch c := h.canceler().(type) {
		case nil:
		case *race:
			if c.canceled.CompareAndSwap(false, true) {
				todo = append(todo, c.losers()...)
			}
		default:
			if !c.Withdraw() {
				inFlight = append(inFlight, c)
			}
		}
	}
	for _, c := range inFlight {
		c.Cancel()
	}
}

// losers returns the racers without the winner. If there is no winner, it
// returns all racers.
func (r *race) losers() []*Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.decided || r.answer.Err != nil {
		return r.racers
	}
	winner := r.racers[r.winner]
	return slices.DeleteFunc(slices.Clone(r.racers), func(h *Pending) bool { return h == winner })
}

// complete completes the handles of races that are decided, and of the races
// that this decides.
func complete(races []*race) {
	for len(races) > 0 {
		r := races[0]
		races = races[1:]
		if r.answer.Err == nil && r.canceled.CompareAndSwap(false, true) {
			cancelRaces([]*race{r}) // the winner was done before the race was made
		}
		decide(r.handle, r.answer)
		_, decided := r.home.finish(r.handle, r.answer)
		races = append(races, decided...)
	}
}

// endRaces cancels the racers of races whose block ended with err, and
// completes the races.
func endRaces(races []*race, err error) {
	for _, r := range races {
		r.mu.Lock()
		if !r.decided {
			r.decided, r.answer = true, ask.Answer{Err: err}
		}
		r.mu.Unlock()
	}
	cancelRaces(races) // including those that were decided before: their losers may not be canceled yet
	complete(races)
}

// Cancel cancels every racer. It is called by the Cancel of the handle.
func (r *race) Cancel() { cancelRaces([]*race{r}) }

// Withdraw does nothing. cancelRaces handles races itself and never calls it.
func (r *race) Withdraw() bool { return false }

// A raceError is the error of a Race without a winner. It joins the errors of
// its racers as errors.Join does.
//
// If a racer is a Race itself, the errors of that Race's racers take the place
// of its own error. The text and a search therefore take time in proportion to
// the number of racers. With nested joins, each race in a chain would copy the
// text of those before it.
type raceError struct {
	racers  []racerError
	notSent bool // the errors of all racers match ErrNotSent
}

// A racerError holds the error of a racer, and whether it matches ErrNotSent.
type racerError struct {
	err     error
	notSent bool
}

func (e *raceError) Error() string {
	var text strings.Builder
	for i, err := range e.Unwrap() {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(err.Error())
	}
	return text.String()
}

// Unwrap returns the errors of all racers. Unless all of them match ErrNotSent,
// none of the returned errors does: if one racer was sent, the Race must not be
// sent again as if none had been.
func (e *raceError) Unwrap() []error {
	var all []error
	seen := map[*raceError]bool{e: true}
	todo := slices.Clone(e.racers) // a stack
	slices.Reverse(todo)
	for len(todo) > 0 {
		racer := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if nested, ok := racer.err.(*raceError); ok {
			if !seen[nested] { // a race may be a racer many times
				seen[nested] = true
				for _, r := range slices.Backward(nested.racers) {
					todo = append(todo, r)
				}
			}
			continue
		}
		if racer.notSent && !e.notSent {
			racer.err = fail.Mark(racer.err, false)
		}
		all = append(all, racer.err)
	}
	return all
}

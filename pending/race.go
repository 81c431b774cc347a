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

// Race claims the handles, its racers, and returns one handle that takes their
// place. It completes with the first racer whose status is 2xx. The others are
// canceled before that, whether or not anybody asks for the result: one that
// waits in the queue is never sent. If no racer wins, the handle completes with
// the errors of all, joined in the order given (errors.Is and errors.As find
// each, but for ErrNotSent, which must hold for all). A status outside 2xx counts
// as a *StatusError, whose Body all who ask the Race share. If several racers
// were done before the call, the first of them in the order given wins.
//
// Race does not block. Its handle is like any other: it belongs to the block of
// its first racer, whose Next yields it, it can be raced again, and its Cancel
// cancels every racer. A block's Stats count the racers and not the Race. Racers
// may belong to different blocks. When that of the first ends before a winner is
// found, the Race completes with that block's end and cancels the others.
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
// failed. A Race of none is a handle that is done, with an error that says so.
func Race(hs ...*Pending) *Pending {
	if len(hs) == 0 {
		return failed(errors.New("a Race of no handles has no winner"))
	}
	r := &race{racers: make([]*Pending, len(hs)), home: new(Arrivals), open: len(hs), errs: make([]racerError, len(hs))}
	for i, h := range hs {
		r.racers[i] = h.orNone()
	}
	if ref := r.racers[0].ref; ref != nil {
		if home := ref.at.Value(); home != nil {
			r.home = home
		} else if err := ref.ended.Load(); err != nil { // it is gone, since it ended
			r.home.ended = *err
		}
	}
	r.handle = r.home.Make(r.racers[0].asked, r)
	r.place.Item = r

	// All are claimed before a loser is canceled: Next must not yield it.
	done := false
	for i, h := range r.racers {
		done = h.listen(listener{race: r, n: i}) || done
	}

	// Not before the racers are known: of a block that ends meanwhile, those that are
	// done count.
	r.home.mu.Lock()
	ended := r.home.ended
	r.home.races.Push(&r.place)
	r.home.mu.Unlock()
	switch {
	case done:
		complete([]*race{r})
	case ended != nil:
		endRaces([]*race{r}, ended)
	}
	return r.handle
}

// A race is decided by its racers, each of which tells it that it is done. It
// needs no goroutine.
//
// It goes three steps, and each of them takes the races of which it is a racer
// along, in a loop. So a chain of races, each a racer in the next, costs what its
// length is, and no stack.
//
//  1. It is decided: its answer is known and doesn't change. A racer that
//     succeeded decides before it is done, and while it holds its slot.
//  2. The racers are canceled (cancelRaces).
//  3. Its handle is completed, with the answer (complete).
//
// Locks: home.mu, that of a racer or of the handle, may be held when mu is locked.
// Nothing is locked under mu, and nothing is canceled under a lock.
type race struct {
	racers []*Pending
	handle *Pending
	home   *Arrivals // the handle's

	place fifo.Node[*race] // among home's open races; guarded by home.mu

	canceled atomic.Bool // cancelRaces came by: each racer is canceled, or about to be

	mu sync.Mutex // guards the fields below

	decided bool         // winner and answer are written to no more
	winner  int          // the racer that succeeded, if answer has no error
	answer  ask.Answer   // if decided
	open    int          // racers that are not done
	errs    []racerError // of those that are, by racer
}

// won tells r that racer n is about to be done with the answer, which is a
// success. It reports whether that decided r.
func (r *race) won(n int, answer ask.Answer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return false
	}
	r.decided, r.winner, r.answer = true, n, answer
	return true
}

// told tells r that racer n is done. It reports whether r is to be completed now.
func (r *race) told(n int) bool {
	h := r.racers[n]
	answer := ask.Answer{Response: h.resp, Body: h.body}
	if answer.Succeeded() {
		r.won(n, answer) // if that is not known already
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

// decide decides the races that h wins by the answer that it is about to be
// completed with, and those that these win, and cancels their other racers.
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

// cancelRaces cancels the racers of races, and of the races among these. The last
// are canceled first. All are withdrawn before one is interrupted, which gives its
// slot to another.
func cancelRaces(races []*race) {
	var inFlight []canceler
	var todo []*Pending // its last comes first
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

// losers returns the racers but for the winner, if there is one.
func (r *race) losers() []*Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.decided || r.answer.Err != nil {
		return r.racers
	}
	winner := r.racers[r.winner]
	return slices.DeleteFunc(slices.Clone(r.racers), func(h *Pending) bool { return h == winner })
}

// complete completes the handles of races that are decided, and of races that
// this decides.
func complete(races []*race) {
	for len(races) > 0 {
		r := races[0]
		races = races[1:]
		if r.answer.Err == nil && r.canceled.CompareAndSwap(false, true) {
			cancelRaces([]*race{r}) // the winner was done before anybody knew of the race
		}
		decide(r.handle, r.answer)
		_, decided := r.home.finish(r.handle, r.answer)
		races = append(races, decided...)
	}
}

// endRaces completes races whose block ended with err, and cancels their racers
// before.
func endRaces(races []*race, err error) {
	for _, r := range races {
		r.mu.Lock()
		if !r.decided {
			r.decided, r.answer = true, ask.Answer{Err: err}
		}
		r.mu.Unlock()
	}
	cancelRaces(races) // those that are decided, too: whoever decided them may not have done it yet
	complete(races)
}

// Cancel is that of the handle.
func (r *race) Cancel() { cancelRaces([]*race{r}) }

// Withdraw is never called: cancelRaces looks into a race.
func (r *race) Withdraw() bool { return false }

// A raceError is the error of a Race without a winner. It joins those of the
// racers as errors.Join does.
//
// Where a racer is a Race itself, the errors of its racers are in place of its
// own: so text and search take as long as there are racers. Were they joined
// again, each race in a chain would copy the text of those before it.
type raceError struct {
	racers  []racerError
	notSent bool // that of all racers
}

// A racerError is the error of a racer, and whether it matches ErrNotSent.
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

// Unwrap returns the errors of all racers. They don't match ErrNotSent unless all
// do: a Race whose racers were sent but for one must not be sent again as if none
// had been.
func (e *raceError) Unwrap() []error {
	var all []error
	seen := map[*raceError]bool{e: true}
	todo := slices.Clone(e.racers) // its last comes first
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

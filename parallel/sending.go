package parallel

import (
	"context"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/slots"
	"github.com/abreast-go/abreast/pending"
)

// A sending is one request, from its making until its handle is done. Until it
// gets a slot it is small and has no goroutine. Whatever happens to it, it
// completes its handle.
type sending struct {
	*exchange.Exchange // the attempt; p.queue.mu guards a change to another
	first              exchange.Exchange

	p        *Parallel
	handle   *pending.Pending
	request  Request      // what options may change; not written to once the request is made
	watched  *observation // nil without an observer
	unlink   func() bool  // from the end of the request's own context; nil if it can't end
	attempts int          // that have ended
	held     *holding     // what its contexts know of its slot, with Limits

	// One of the attempts was not certainly not sent. Then the error of the handle
	// does not match ErrNotSent.
	maybeSent bool

	// Guarded by p.queue.mu.
	state  state
	place  slots.Entry[*sending] // in the queue
	listed fifo.Node[*sending]   // among the requests of its block that wait
	timer  *time.Timer           // until After or a pause is over
}

// enqueue puts s in the queue, now or after its delay. An error means that the
// request is not sent.
func (s *sending) enqueue() (err error) {
	p := s.p
	if s.Own != nil {
		if s.unlink, err = s.Link(s.end); err != nil {
			return err
		}
	}
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if err := s.endedLocked(); err != nil {
		return err
	}
	s.moveLocked(queued)
	s.waitLocked(s.request.After, (*slots.Queue[*sending]).Push)
	p.queue.dispatchLocked()
	s.watchLocked()
	return nil
}

// endedLocked returns the error of a request that must not be queued: its block
// has ended, or its context, or it was canceled. It returns nil otherwise.
func (s *sending) endedLocked() error {
	if s.p.ended {
		return ErrEnded
	}
	if s.p.ctx.Err() != nil {
		return exchange.EndOf(s.p.ctx)
	}
	return s.Doomed() // the request's own context may have ended since Link
}

// waitLocked lists s as waiting, and adds it to the queue with add, now or after a
// delay. The caller dispatches and then calls watchLocked.
func (s *sending) waitLocked(delay time.Duration, add func(*slots.Queue[*sending], *slots.Entry[*sending])) {
	s.p.waiting.Push(&s.listed)
	if delay <= 0 {
		add(s.p.queue.slots, &s.place)
		return
	}
	s.timer = time.AfterFunc(delay, func() {
		s.p.queue.mu.Lock()
		defer s.p.queue.mu.Unlock()
		if s.listed.Queued() {
			add(s.p.queue.slots, &s.place)
			s.p.queue.dispatchLocked()
		}
	})
}

// watchLocked makes s fail as soon as the block's context ends, and not when there is
// a slot for it, if it has to wait. A block in which no request has to wait does not
// watch its context.
func (s *sending) watchLocked() {
	if s.listed.Queued() && s.p.unwatch == nil {
		p := s.p
		p.unwatch = context.AfterFunc(p.ctx, func() { p.abandonWaiting(false) })
	}
}

// unqueueLocked takes s, which is no longer listed, out of the queue.
func (s *sending) unqueueLocked() {
	s.p.queue.slots.Remove(&s.place)
	if s.timer != nil {
		s.timer.Stop()
	}
}

// Cancel ends s for its handle.
func (s *sending) Cancel() { s.end(context.Canceled) }

// Withdraw ends s for its handle unless s is in flight, and reports whether it
// did. A request that holds a slot, but was not begun, is not sent either,
// although it takes a Cancel to end it.
func (s *sending) Withdraw() bool { return s.withdraw(context.Canceled) == nil }

// end ends s alone, wherever it is on its way.
func (s *sending) end(why error) {
	if x := s.withdraw(why); x != nil {
		x.End(why)
	}
}

// withdraw abandons s if it waits, and returns nil. Otherwise it returns the
// exchange to end. Whoever is about to queue s, or to begin an exchange, finds why.
func (s *sending) withdraw(why error) *exchange.Exchange {
	s.p.queue.mu.Lock()
	defer s.p.queue.mu.Unlock()
	if s.p.ctx.Err() != nil { // that came first
		why = exchange.EndOf(s.p.ctx)
	}
	if s.listed.Remove() {
		s.unqueueLocked()
		s.p.tasks.Go(func() { s.abandon(why) })
		return nil
	}
	s.Doom(why) // under the lock, where endedLocked looks at it
	return s.Exchange
}

// abandon completes s, which is not sent or not sent again, and is in no queue.
func (s *sending) abandon(err error) {
	var a exchange.Answer
	defer func() {
		s.p.queue.mu.Lock()
		s.moveLocked(failed)
		s.p.queue.mu.Unlock()
		s.p.handles.Complete(s.handle, a.Answer)
	}()
	s.Refuse(&a, err)
	s.Close(&a)
	s.finish(&a)
}

// abandon completes all of left, on a goroutine of the block. If an observer
// ends that goroutine, another one goes on.
func (p *Parallel) abandon(left []*sending, err error) {
	defer func() {
		if len(left) > 0 {
			p.tasks.Go(func() { p.abandon(left, err) })
		}
	}()
	for len(left) > 0 {
		s := left[0]
		left = left[1:]
		s.abandon(err)
	}
}

// finish does what is left to do, after the last exchange was closed, before the
// handle of s is done: it tells the observer.
func (s *sending) finish(a *exchange.Answer) {
	if s.unlink != nil {
		s.unlink()
	}
	if s.maybeSent {
		s.MaybeSent(a)
	}
	if s.watched != nil {
		s.Guard.Run(func() { s.watched.tell(a, s.attempts) }, func(err error) { s.Fail(a, err) })
	}
}

// decide returns the Retry function of the request, or nil.
func (s *sending) decide() func(Attempt) (time.Duration, bool) {
	if s.request.Retry != nil {
		return s.request.Retry
	}
	return s.p.cfg.Retry
}

// context returns the block's context with the values of the request's own
// context, and of the observer's, before its own.
func (s *sending) context() context.Context {
	ctx := s.p.ctx
	if s.Own != nil {
		ctx = exchange.WithValues(ctx, s.Own)
	}
	if s.watched != nil && s.watched.ctx != nil {
		ctx = exchange.WithValues(ctx, s.watched.ctx)
	}
	if s.held != nil {
		ctx = &heldContext{ctx, s.p.queue.limits, s.held}
	}
	return ctx
}

// DialPanicked reports a panic in a dial for s, which may be done. It returns
// the panic as an error.
func (s *sending) DialPanicked(r *panics.Recovered) error { return s.p.guard.Caught(r) }

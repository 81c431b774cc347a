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

// A sending is one request of a block, from when it is made until its handle is
// done. It completes its handle in every case. Until it gets a slot it is small
// and has no goroutine.
//
// The methods of its embedded Exchange (Do, Close, Fail, Link, View, ...) are
// those of the present attempt. They know nothing of the queue: to end a
// request, call cancel and not End.
type sending struct {
	*exchange.Exchange                   // the present attempt; p.queue.mu guards a change to another
	first              exchange.Exchange // the first attempt, allocated with the sending

	p        *Parallel
	handle   *pending.Pending
	request  *Request     // what options may change; not written to once the request is made
	observed *observation // nil without an observer
	held     *holding     // nil without Limits
	attempts int32        // the number of attempts, with the one under way

	// An earlier attempt may have been sent. Then the error of the handle does
	// not match ErrNotSent.
	maybeSent bool

	// Guarded by p.queue.mu.
	state  state
	entry  slots.Entry[*sending] // in the queue
	listed fifo.Node[*sending]   // in p.waiting, while it has no slot
	delay  *timer[sending]       // until After or a pause is over
}

// enqueue puts s in the queue, now or after its delay. An error means that the
// request is not sent.
func (s *sending) enqueue() error {
	p := s.p
	if s.Own != nil {
		if err := s.Link(s.cancel); err != nil {
			return err
		}
	}
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.ended {
		return ErrEnded
	}
	if err := s.endedLocked(); err != nil {
		return err
	}
	s.moveLocked(queued)
	s.waitLocked(s.request.After, (*slots.Queue[*sending]).Push)
	p.queue.dispatchLocked()
	s.watchBlockLocked()
	return nil
}

// endedLocked returns the error of a request that must not be queued: the
// context of its block has ended, or it was canceled. It returns nil otherwise.
func (s *sending) endedLocked() error {
	if s.p.ctx.Err() != nil {
		return exchange.EndOf(s.p.ctx)
	}
	return s.Doomed() // the request's own context may have ended since Link
}

// waitLocked lists s as waiting for a slot, and calls add, which adds it to the
// queue, at once or after a delay. The caller then gives out slots and calls
// watchBlockLocked.
func (s *sending) waitLocked(d time.Duration, add func(*slots.Queue[*sending], *slots.Entry[*sending])) {
	s.p.waiting.Push(&s.listed)
	if d <= 0 {
		add(s.p.queue.slots, &s.entry)
		return
	}
	s.delay = after(d, s, func(s *sending) {
		s.p.queue.mu.Lock()
		defer s.p.queue.mu.Unlock()
		if s.listed.Queued() {
			add(s.p.queue.slots, &s.entry)
			s.p.queue.dispatchLocked()
		}
	})
}

// watchBlockLocked begins to watch the block's context if s has to wait, unless
// the block watches it already. When that context ends, all requests that wait
// fail at once. Otherwise they would wait until there is a slot for them. A
// block in which no request has to wait does not watch its context.
func (s *sending) watchBlockLocked() {
	if s.listed.Queued() && s.p.unwatch == nil {
		p := s.p
		p.unwatch = context.AfterFunc(p.ctx, func() { p.abandonWaiting(false) })
	}
}

// unqueueLocked takes s, which is no longer listed, out of the queue.
func (s *sending) unqueueLocked() {
	s.p.queue.slots.Remove(&s.entry)
	if s.delay != nil {
		s.delay.stop()
	}
}

// Cancel cancels s. It is the Cancel of its handle.
func (s *sending) Cancel() { s.cancel(context.Canceled) }

// Withdraw cancels s unless s is in flight, and reports whether it did. A
// request in flight is not interrupted. But if its Do has not begun yet, it is
// not sent.
func (s *sending) Withdraw() bool { return s.withdraw(context.Canceled) == nil }

// cancel cancels s, queued or in flight, with the error why.
func (s *sending) cancel(why error) {
	if x := s.withdraw(why); x != nil {
		x.End(why)
	}
}

// withdraw abandons s if it waits for a slot, and returns nil. Otherwise it
// leaves why in the exchange, where enqueue, returnLocked and Do find it, and
// returns the exchange, which the caller may interrupt.
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

// abandon completes s with an error. s is not sent, or not sent again, and is
// in no queue. Each step is done even if user code in the one before it ends the
// goroutine.
func (s *sending) abandon(err error) {
	var a exchange.Answer
	defer func() {
		s.p.queue.mu.Lock()
		s.moveLocked(failed)
		s.p.queue.mu.Unlock()
		s.p.handles.Complete(s.handle, a.Answer)
	}()
	defer s.finish(&a)
	defer s.Close(&a)
	s.Refuse(&a, err)
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

// finish does what is left to do, after the last exchange was closed, before
// the handle of s is done: it keeps or removes the file, and tells the
// observer, even if a method of a user's error or context ends the goroutine.
func (s *sending) finish(a *exchange.Answer) {
	if s.observed != nil {
		defer s.tell(a)
	}
	s.Unlink()
	s.keepFile(a)
	s.Last(a, int(s.attempts), s.maybeSent)
}

// tell calls the function that Observe returned.
func (s *sending) tell(a *exchange.Answer) {
	s.Guard.Run(func() { s.observed.tell(a, int(s.attempts)) }, func(err error) { s.Fail(a, err) })
}

// decide returns the Retry function of the request, or nil.
func (s *sending) decide() func(Attempt) (time.Duration, bool) {
	if s.request.Retry != nil {
		return s.request.Retry
	}
	return s.p.settings.retry
}

// valued returns the block's context with the values of the request's own
// context before its own.
func (s *sending) valued() context.Context {
	if s.Own != nil {
		return exchange.WithValues(s.p.ctx, s.Own)
	}
	return s.p.ctx
}

// context returns what valued does, with the values of the observer's context
// first.
func (s *sending) context() context.Context {
	var ctx context.Context
	if s.observed != nil {
		ctx = s.observed
	} else {
		ctx = s.valued()
	}
	if s.held != nil {
		ctx = &heldContext{ctx, s.p.queue.limits, s.held}
	}
	return ctx
}

// DialPanicked reports a panic in a dial for s, which may be done. It returns
// the panic as an error.
func (s *sending) DialPanicked(r *panics.Recovered) error { return s.p.guard.Caught(r) }

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
	exchange.Exchange

	p       *Parallel
	handle  *pending.Pending
	request Request      // what options may change; not written to once the request is made
	watched *observation // nil without an observer

	// Guarded by p.queue.mu.
	state  state
	place  slots.Entry[*sending] // in the queue
	listed fifo.Node[*sending]   // among the requests of its block that wait
	timer  *time.Timer           // until After is over
}

// enqueue puts s in the queue, now or after its delay. An error means that the
// request is not sent.
func (s *sending) enqueue() error {
	p := s.p
	if err := s.Link(s.end); err != nil {
		return err
	}
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.ended {
		return ErrEnded
	}
	if p.ctx.Err() != nil {
		return exchange.EndOf(p.ctx)
	}
	if why := s.Doomed(); why != nil { // the request's own context has ended since
		return why
	}
	s.moveLocked(queued)
	p.waiting.Push(&s.listed)
	if s.request.After > 0 {
		s.timer = time.AfterFunc(s.request.After, s.due)
	} else {
		p.queue.addLocked(s)
	}
	if s.listed.Queued() {
		p.watchLocked()
	}
	return nil
}

// due queues s, whose After is over.
func (s *sending) due() {
	s.p.queue.mu.Lock()
	defer s.p.queue.mu.Unlock()
	if s.listed.Queued() {
		s.p.queue.addLocked(s)
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
func (s *sending) Withdraw() bool { return s.withdraw(context.Canceled) }

// end ends s alone, wherever it is on its way.
func (s *sending) end(why error) {
	if !s.withdraw(why) {
		s.End(why)
	}
}

// withdraw abandons s if it is queued, and reports whether it did. If it did
// not, enqueue and the exchange find why.
func (s *sending) withdraw(why error) bool {
	s.p.queue.mu.Lock()
	defer s.p.queue.mu.Unlock()
	if s.p.ctx.Err() != nil { // that came first
		why = exchange.EndOf(s.p.ctx)
	}
	if s.listed.Remove() {
		s.unqueueLocked()
		s.p.tasks.Go(func() { s.abandon(why) })
		return true
	}
	s.Doom(why) // under the lock: enqueue looks at it there
	return false
}

// abandon completes s, which was never sent and is in no queue.
func (s *sending) abandon(err error) {
	var a exchange.Answer
	defer func() {
		s.p.queue.mu.Lock()
		s.moveLocked(failed)
		s.p.queue.mu.Unlock()
		s.p.handles.Complete(s.handle, a.Answer)
	}()
	s.Refuse(&a, err)
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

// finish does what is left to do before the handle of s is done: it closes the
// exchange and tells the observer.
func (s *sending) finish(a *exchange.Answer) {
	if s.watched != nil {
		defer s.Guard.Run(func() { s.watched.tell(a) }, func(err error) { s.Fail(a, err) })
	}
	s.Close(a)
}

// context returns the block's context with the values of the request's own
// context, and of the observer's, before its own.
func (s *sending) context() context.Context {
	ctx := s.p.ctx
	if s.Own != nil {
		ctx = exchange.Before(s.Own, ctx)
	}
	if s.watched != nil && s.watched.ctx != nil {
		ctx = exchange.Before(s.watched.ctx, ctx)
	}
	return ctx
}

// DialPanicked reports a panic in a dial for s, which may be done. It returns
// the panic as an error.
func (s *sending) DialPanicked(r *panics.Recovered) error { return s.Guard.Caught(r) }

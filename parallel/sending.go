package parallel

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/slots"
	"github.com/abreast-go/abreast/pending"
)

// A sending is one request on its way from being made to being settled. Until it
// gets a slot it is small and costs no goroutine; whatever happens to it, it
// settles its handle.
type sending struct {
	p       *Parallel
	handle  *pending.Pending
	request Request         // as it was asked for; not written to once made
	get     *url.URL        // of a GET of a URL and nothing else, in place of request, until it is sent
	own     context.Context // the request's own context, where it has one
	uploads *uploads        // its bodies, if it has any
	watched *observation    // nil without an observer
	unlink  func() bool     // from the end of own, if it can end

	// Guarded by p.queue.mu.
	state  state
	place  slots.Entry[*sending] // in the queue
	listed fifo.Node[*sending]   // among what its block has waiting
	timer  *time.Timer           // until After is over

	// Ending what is in flight: whoever comes second of end and arm calls stop.
	why   atomic.Pointer[error]
	armed atomic.Bool

	// What cancels the context it is sent with: of the timeout, if it has one, within
	// that of all else, if it needs one. The outer one is set before armed.
	cancelCause context.CancelCauseFunc
	cancelTimed context.CancelFunc
}

// An answer is what a request came to.
type answer struct {
	pending.Answer
	n     int64        // bytes of the body that were read
	conns *conns.Conns // nil if it never came to the transport
}

// enqueue puts s in the queue, now or after its delay.
func (s *sending) enqueue() error {
	p := s.p
	if s.own != nil && s.own.Done() != nil {
		s.unlink = context.AfterFunc(s.own, func() { s.end(ownEnd(s.own)) })
		if s.own.Err() != nil {
			return ownEnd(s.own)
		}
	}
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.ended {
		return ErrEnded
	}
	if p.ctx.Err() != nil {
		return endOf(p.ctx)
	}
	if why := s.why.Load(); why != nil { // own has ended since
		return *why
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

// due is called when After is over.
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

// Cancel is that of the handle.
func (s *sending) Cancel() { s.end(context.Canceled) }

func (s *sending) method() string {
	if s.request.Request == nil {
		return http.MethodGet
	}
	return s.request.Method
}

// asked is the request as errors name it.
func (s *sending) asked() *http.Request {
	switch {
	case s.request.Request != nil:
		return s.request.Request
	case s.get != nil:
		return &http.Request{URL: s.get}
	}
	return s.handle.Request()
}

// outgoing is the request as it is sent, once: the transport's, which may change it.
func (s *sending) outgoing(ctx context.Context) *http.Request {
	if u := s.get; u != nil {
		s.get = nil
		return pending.NewGet(ctx, u)
	}
	return s.request.Clone(ctx)
}

// end ends s alone, wherever it is on its way.
func (s *sending) end(why error) {
	if !s.withdraw(why) && s.armed.Load() {
		s.stop(why)
	}
}

// Withdraw is that of the handle. A request that has a slot, but was not begun with,
// is not sent either, though it is Cancel that ends it.
func (s *sending) Withdraw() bool { return s.withdraw(context.Canceled) }

// withdraw abandons s if it waits, and reports whether it did. If not, it stores why for
// enqueue and arm to find.
func (s *sending) withdraw(why error) bool {
	s.p.queue.mu.Lock()
	defer s.p.queue.mu.Unlock()
	if s.listed.Remove() {
		s.unqueueLocked()
		s.p.tasks.Go(func() { s.abandon(why) })
		return true
	}
	s.why.CompareAndSwap(nil, &why) // under the lock: enqueue looks at it there
	return false
}

// arm has end call stop from here on.
func (s *sending) arm() {
	s.armed.Store(true)
	if why := s.why.Load(); why != nil {
		s.stop(*why)
	}
}

func (s *sending) stop(why error) {
	if s.cancelCause != nil {
		s.cancelCause(why)
	} else {
		s.cancelTimed()
	}
}

// abandon settles s, which was never sent and is in no queue.
func (s *sending) abandon(err error) {
	var a answer
	defer func() {
		s.p.queue.mu.Lock()
		s.moveLocked(failed)
		s.p.queue.mu.Unlock()
		s.p.handles.Settle(s.handle, a.Answer)
	}()
	s.refuse(&a, err)
	s.finish(&a)
}

// abandon settles all of left. It runs on a goroutine of the block's. If an observer
// ends that, another goes on.
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

// finish is what is left to do before a handle settles: nothing is dialled any more, the
// context ends, the bodies that were taken are closed, the observer is told.
func (s *sending) finish(a *answer) {
	if s.uploads != nil {
		s.uploads.stopWatching()
	}
	if s.unlink != nil {
		s.unlink()
	}
	if s.cancelTimed != nil {
		s.cancelTimed()
	}
	if s.cancelCause != nil {
		s.cancelCause(nil)
	}
	if a.conns != nil {
		a.conns.Release()
	}
	if s.watched != nil {
		defer s.guarded(a, func() { s.watched.tell(a) })
	}
	if s.uploads != nil {
		s.guarded(a, func() {
			if err := s.uploads.finish(); err != nil {
				s.fail(a, err)
			}
		})
	}
}

// guarded calls f, which runs user code. If f doesn't return, the answer is an error
// that says so.
func (s *sending) guarded(a *answer, f func()) {
	s.p.guard.run(f, func(err error) { s.fail(a, err) })
}

// DialPanicked returns the panic of a dial for s, which may be done, as an error, and
// cancels the block.
func (s *sending) DialPanicked(r *panics.Recovered) error { return s.p.guard.caught(r) }

// fail makes err the answer. A request that was not sent stays so, whatever happens
// to it after.
func (s *sending) fail(a *answer, err error) { s.failAs(a, err, a.NotSent) }

// refuse makes err the answer of a request that was not sent.
func (s *sending) refuse(a *answer, err error) { s.failAs(a, err, true) }

func (s *sending) failAs(a *answer, err error, notSent bool) {
	a.Answer = pending.Answer{NotSent: notSent}
	s.p.guard.run(func() { a.Err = s.failure(err, notSent) }, func(why error) {
		a.Err = s.named(fail.Mark(why, notSent))
	})
}

package parallel

import (
	"runtime"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/exchange"
)

// A worker is a goroutine that holds a slot. It sends a request, and after it
// what the queue has next for the same block. It completes each handle, whether
// user code returns, panics or ends the goroutine.
//
// It is not on the stack of its goroutine. There is little between this file's
// functions and net/http's, which take most of the stack. So 4 KiB are enough,
// and a goroutine that sends one request does not spend a tenth of its time on
// growing its stack.
type worker struct {
	s        *sending        // nil once there is nothing more to send
	a        exchange.Answer // of s
	answered bool            // a is what s came to
	returned bool            // Do has returned

	// The worker does not use Guard.Run, which would put two more functions on
	// the stack below net/http's, and make a closure for each request.
	catcher panics.Catcher
	buf     exchange.Buffer
}

// workLocked starts a goroutine of the block for s, which has a slot.
func (s *sending) workLocked() {
	w := &worker{s: s}
	s.p.tasks.Go(w.run)
}

// longBody is the length of a body after which the worker yields before its
// next request, so that the goroutine that waits for the body can take it, and
// perhaps drop it, before another one is read. If other goroutines have the
// processors, that costs one turn more, among the many that reading the body
// took. For shorter bodies it would slow such a program down.
const longBody = 2 << 20

// run sends requests until the queue has no more for this block.
func (w *worker) run() {
	defer w.cutShort()
	for w.s != nil {
		if w.s.watched != nil {
			w.s.watched.sent = time.Now()
		}
		w.catcher.Try(func() {
			w.s.Do(w.s.context(), &w.s.p.settings, w.s, &w.buf, &w.a)
			w.returned = true
		})
		if !w.returned {
			w.s.Abort(&w.a, w.s.Guard.Caught(w.catcher.Recovered()))
			w.catcher = panics.Catcher{} // which keeps the first
		}
		w.answered = true
		w.s.finish(&w.a)
		yields := len(w.a.Body) >= longBody
		w.s = w.complete()
		w.a, w.answered, w.returned = exchange.Answer{}, false, false
		if yields && w.s != nil {
			runtime.Gosched()
		}
	}
}

// complete decides the races that the request wins, gives back the slot,
// completes the handle, and returns the request to send next. In this order no
// loser of a race gets the slot.
func (w *worker) complete() (next *sending) {
	w.s.p.handles.Decide(w.s.handle, w.a.Answer)
	to := succeeded
	if w.a.Err != nil {
		to = failed
	}
	next = w.s.p.queue.done(w.s, to)
	w.s.p.handles.Complete(w.s.handle, w.a.Answer)
	return next
}

// cutShort does what is left to do after user code has ended the goroutine.
func (w *worker) cutShort() {
	if w.s == nil {
		return
	}
	defer func() {
		if next := w.complete(); next != nil {
			next.p.queue.mu.Lock()
			next.workLocked()
			next.p.queue.mu.Unlock()
		}
	}()
	if !w.answered {
		defer w.s.finish(&w.a)
		w.s.Abort(&w.a, exchange.ErrGoexit)
	}
}

package parallel

import (
	"runtime"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// A worker is a goroutine that has a slot: it sends a request, and after it what the
// queue has next for the same block. It settles each handle, by return, panic and
// Goexit alike.
//
// It is not on the stack of its goroutine, where there is little between this file's
// functions and net/http's, which take most of it: so 4 KiB are enough, and a goroutine
// that sends one request doesn't spend a tenth of its time on growing its stack.
type worker struct {
	s        *sending // nil once there is nothing more to send
	a        answer   // of s
	answered bool     // a is what s came to
	returned bool     // what Send and Wait are called in has returned

	// The worker doesn't use guard.run, which would put two more functions on the stack
	// below net/http's, and make a closure for each request.
	catcher panics.Catcher
	beginnings
}

// workLocked starts a goroutine of the block for s, which has a slot.
func (s *sending) workLocked() {
	w := &worker{s: s}
	s.p.tasks.Go(w.run)
}

// long is the length of a body that is to be taken, and perhaps dropped, before the next
// request, which has the slot already, is sent, and another body read beside it: whoever
// waits for it goes first. Where other goroutines have the processors, that costs a turn,
// one more among the many that reading it took; for shorter bodies it would slow such a
// program down.
const long = 2 << 20

func (w *worker) run() {
	defer w.cutShort()
	for w.s != nil {
		if w.s.watched != nil {
			w.s.watched.sent = time.Now()
		}
		w.catcher.Try(func() {
			if req := w.prepare(); req != nil {
				w.conclude(w.s.p.cfg.Send(req))
			}
			w.returned = true
		})
		if !w.returned {
			w.panicked()
		}
		w.answered = true
		w.s.finish(&w.a)
		yields := len(w.a.Body) >= long
		w.s = w.settle()
		w.a, w.answered, w.returned = answer{}, false, false
		if yields && w.s != nil {
			runtime.Gosched()
		}
	}
}

// giveUp has nothing dialled any more for a request that failed. It closes a connection,
// which may be the user's.
func (w *worker) giveUp() {
	if w.a.conns != nil {
		w.a.conns.GiveUp()
	}
}

func (w *worker) panicked() {
	w.s.fail(&w.a, w.s.p.guard.caught(w.catcher.Recovered()))
	w.s.guarded(&w.a, w.giveUp)
	w.catcher = panics.Catcher{} // which keeps the first
}

// settle decides the races that the request wins, gives back the slot, settles the
// handle, and returns what to send next. In this order no loser gets the slot.
func (w *worker) settle() (next *sending) {
	w.s.p.handles.Decide(w.s.handle, w.a.Answer)
	to := succeeded
	if w.a.Err != nil {
		to = failed
	}
	next = w.s.p.queue.done(w.s, to)
	w.s.p.handles.Settle(w.s.handle, w.a.Answer)
	return next
}

// cutShort does what is left to do when something that a request runs has ended the
// goroutine.
func (w *worker) cutShort() {
	if w.s == nil {
		return
	}
	defer func() {
		if next := w.settle(); next != nil {
			next.p.queue.mu.Lock()
			next.workLocked()
			next.p.queue.mu.Unlock()
		}
	}()
	if !w.answered {
		defer w.s.finish(&w.a)
		w.s.fail(&w.a, errGoexit)
		w.s.guarded(&w.a, w.giveUp)
	}
}

package parallel

import (
	"runtime"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/internal/exchange"
)

// A worker is a goroutine that holds a slot. It sends a request, and after it
// what the queue has next for the same block. It completes each handle, whether
// user code returns, panics or ends the goroutine.
//
// A worker is on the heap, and not on the stack of its goroutine. The functions
// of this library that are on that stack while net/http runs (run, send,
// Exchange.Do and those of package client) have few variables. They take 600
// bytes, so that a stack of 4 KiB is enough. With 1,300 bytes it is not, and a
// goroutine that sends one request spends up to a tenth of its time on growing
// its stack: see runtime.newstack in a profile.
type worker struct {
	s    *sending        // nil once there is nothing more to send
	a    exchange.Answer // of the exchange of s
	step step            // what is being done for s
	sent time.Time       // when the attempt got its slot; set only if there is a Retry

	// The worker does not use Guard.Run, which would put two more functions on
	// the stack below net/http's, and make a closure for each request.
	catcher panics.Catcher
	buf     exchange.Buffer
	start   func() // run, which is allocated once
	tasks   *tasks // of the block
}

// A step is what the worker is doing. It is set before each thing that runs
// user code, so that cutShort can do the rest.
type step uint8

const (
	sends    step = iota // Do
	closes               // Close: the answer is known
	judges               // Retry
	finishes             // the observer
)

// workers has workers without a goroutine, for any block.
var workers sync.Pool

// workLocked starts a goroutine of the block for s, which has a slot.
func (s *sending) workLocked() {
	w, ok := workers.Get().(*worker)
	if !ok {
		w = new(worker)
		w.start = w.run
	}
	w.s, w.tasks = s, &s.p.tasks
	w.tasks.goWorker(w.start)
}

// longBody is the length of a body after which the worker yields before its
// next request, so that the goroutine that waits for the body can take it, and
// perhaps drop it, before another one is read. If other goroutines have the
// processors, that costs one turn more, among the many that reading the body
// took. For shorter bodies it would slow such a program down.
const longBody = 2 << 20

// run sends requests until the queue has no more for this block. It is on the
// stack while net/http sends a request, and has no variables for that reason.
func (w *worker) run() {
	defer w.tasks.running.Done()
	defer w.cutShort()
	for w.s != nil {
		w.begin()
		w.catcher.Try(w.send)
		w.close()
		w.goOn()
	}
}

// begin counts an attempt, and notes when it got its slot.
func (w *worker) begin() {
	s := w.s
	s.attempts++
	if s.observed != nil && s.attempts == 1 {
		s.observed.sent = time.Now()
	}
	if s.decide() != nil {
		w.sent = time.Now()
		if s.attempts > 1 {
			s.withWatcher(func(to attempts.Watcher) { to.Begins(w.sent) })
		}
	}
}

// send sends the request and reads the response. It sets step as it returns.
func (w *worker) send() {
	s := w.s
	s.Do(s.context(), &s.p.settings.Settings, s, &w.buf, &w.a)
	w.step = closes
}

// close closes the exchange. If Wait returned a Later, the request was not
// sent, and the exchange stays open for SameAttempt.
func (w *worker) close() {
	s := w.s
	if w.step != closes { // send panicked
		s.Abort(&w.a, s.Guard.Caught(w.catcher.Recovered()))
		w.catcher = panics.Catcher{} // which keeps the first
		w.step = closes
	}
	if w.a.Later > 0 {
		if s.observed != nil && s.attempts == 1 {
			s.observed.sent = time.Time{} // it may be canceled before it gets a slot again
		}
		s.attempts--
		return
	}
	s.Close(&w.a)
	w.step = judges
}

// goOn queues the request again, or completes it, and takes the request to send
// next.
func (w *worker) goOn() {
	yields := false
	switch pause, again := w.judge(); {
	case w.a.Later > 0:
		w.s = w.s.p.queue.later(w.s, w.s.SameAttempt(), w.a.Later)
	case again:
		w.s = w.s.p.queue.again(w.s, w.s.NextAttempt(&w.a), pause)
	default:
		w.step = finishes
		w.s.finish(&w.a)
		yields = len(w.a.Body) >= longBody
		w.s = w.complete()
	}
	w.a, w.step = exchange.Answer{}, sends
	if yields && w.s != nil {
		runtime.Gosched()
	}
}

// judge reports whether the request is sent again, and after which pause. It
// asks Retry, unless the request can't be sent again. A request that is
// canceled while Retry is asked fails.
func (w *worker) judge() (pause time.Duration, again bool) {
	s := w.s
	decide := s.decide()
	if decide == nil || !w.a.Retriable || s.Ended(s.p.ctx) != nil {
		return 0, false
	}
	if _, ok := s.Ask.Body(); !ok {
		return 0, false
	}
	attempt := Attempt{
		N: int(s.attempts), Request: s.View(s.context()), Response: w.a.Readable(), Err: w.a.Err, Sent: w.sent, Done: time.Now(),
	}
	s.Guard.Run(func() {
		if pause, again = decide(attempt); again {
			return
		}
		if err := s.Ended(s.p.ctx); err != nil {
			s.Fail(&w.a, err)
		}
	}, func(err error) {
		s.Fail(&w.a, err)
		again = false
	})
	if !again {
		return 0, false
	}
	pause = max(pause, 0)
	if deadline, ok := s.Deadline(s.p.ctx); ok && time.Now().Add(pause).After(deadline) {
		return 0, false
	}
	if s.request.file != nil {
		s.request.file.drop()
	}
	s.maybeSent = s.maybeSent || !w.a.NotSent
	s.withWatcher(func(to attempts.Watcher) {
		to.Ended(attempts.Attempt{Sent: w.sent, Done: attempt.Done, Response: w.a.Response, Received: w.a.Received, Err: w.a.Err})
	})
	return pause, true
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

// cutShort does what is left to do after user code has ended the goroutine with
// runtime.Goexit. The last of its deferred calls runs first: Close, finish,
// complete. Each runs even if the one before it ends the goroutine again.
func (w *worker) cutShort() {
	if w.s == nil {
		w.buf, w.tasks = exchange.Buffer{}, nil // a block keeps it no longer than it sends requests
		workers.Put(w)
		return
	}
	defer func() {
		if next := w.complete(); next != nil {
			next.p.queue.mu.Lock()
			next.workLocked()
			next.p.queue.mu.Unlock()
		}
	}()
	if w.step < finishes {
		defer w.s.finish(&w.a)
	}
	switch {
	case w.step < closes:
		defer w.s.Close(&w.a)
		w.s.Abort(&w.a, exchange.ErrGoexit)
	case w.step < finishes && w.a.Err == nil: // a method of a context did it
		w.s.Fail(&w.a, exchange.ErrGoexit)
	}
}

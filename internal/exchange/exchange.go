// Package exchange is the wall between the schedule of a block and net/http. It
// sends one request, reads the whole response, translates the errors, and keeps
// nothing running afterward. It owns the contexts of a request, its uploads,
// its connections, and the reading of its response. It knows no queue, no
// block, and no handle.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/stall"
)

// Settings hold the settings that the exchanges of a block share.
type Settings struct {
	Send    func(*http.Request) (*http.Response, error)
	Wait    func(*http.Request) error // nil for none
	Timeout time.Duration             // 0 for none
	Stall   time.Duration             // 0 for none
	MaxBody int64                     // 0 for no limit

	HTTPTimeout time.Duration // holds as well as Timeout; 0 for none
}

// A Pick returns the writer that receives the body of a response, or nil to
// keep the body in memory, or an error to refuse the response unread. It is the
// Take of a request.
type Pick = func(*http.Response) (io.Writer, error)

// Options are the parts of a request, other than its Ask, that an Option may
// change. All attempts of a request share them.
type Options struct {
	Timeout time.Duration   // replaces that of the Settings; 0 keeps it, negative means none
	Stall   time.Duration   // the same
	Pick    Pick            // nil to keep every body in memory
	Own     context.Context // the request's own context, or nil
	Once    bool            // Pick returns the same writer for every attempt

	linked  bool        // Own can end
	unlink  func() bool // undoes Link; nil if it linked nothing
	trailer *trailer    // nil without one
}

// NoOptions are the Options of every request without any. They are not changed.
var NoOptions = new(Options)

// An Exchange sends a request once: it is one attempt. Another attempt is
// another Exchange, which NextAttempt returns. The caller sets the exported
// fields before Do. After it, the caller calls Close, or SameAttempt if Wait
// returned a Later.
type Exchange struct {
	Ask      ask.Outgoing
	*Options        // those of the request
	Guard    *Guard // of the block

	uploads *uploads     // the bodies of the request, if it has any
	conns   *conns.Conns // the context that the request is sent with; set before armed

	// End stores why before it loads armed, and arm stores armed before it
	// loads why. So at least one of them sees what the other stored, and
	// interrupts. Both may: to cancel a context twice is harmless, and the
	// first cause counts.
	why   atomic.Pointer[error]
	armed atomic.Bool
}

// An Answer is what an exchange came to.
type Answer struct {
	ask.Answer
	Received int64 // bytes of the body
	why      error // Err before the method and URL were added

	// Later is how long the host is to be set aside, if Wait returned a Later.
	// Then nothing was sent, and the Answer has neither a response nor an
	// error.
	Later time.Duration

	// Retriable says that the request may be sent again: the transport returned
	// a response or failed, no user code failed, and no byte reached a writer
	// that all attempts share.
	Retriable bool
}

// A Later is the error with which Wait sets the host of a request aside.
type Later time.Duration

func (l Later) Error() string {
	return "Wait returned Later(" + time.Duration(l).String() + ")"
}

// AsLater returns for how long err, which Wait returned, sets the host aside.
// It reports whether err is a Later or wraps one. It runs user code: the
// methods As and Unwrap of err.
func AsLater(err error) (d time.Duration, ok bool) {
	var later Later
	ok = errors.As(err, &later) && later > 0
	return time.Duration(later), ok
}

// Do calls Wait, sends the request with a context derived from block, and reads
// the response. The request holds its slot already. Do runs on the worker's
// goroutine, and it runs user code, which the caller guards. Do sets a before
// it returns. If user code panics or ends the goroutine, the caller calls
// Abort.
//
// owner is the request as its block knows it: a redirect's hop waits for its
// host through owner, and a panic in a dial is reported to it.
//
// Do stays on the stack while net/http sends the request, so it has few
// variables of its own: with more, the goroutine's stack of 4 KiB would have to
// grow. See worker in package parallel.
func (x *Exchange) Do(block context.Context, s *Settings, owner conns.Owner, buf *Buffer, a *Answer) {
	if req := x.prepare(block, s, owner, a); req != nil {
		resp, err := s.Send(req)
		x.conclude(block, resp, err, s, buf, a)
	}
}

// prepare calls Wait, starts the timeout, and returns the request as it is to
// be sent. It returns nil, and sets a, if the request is not to be sent.
func (x *Exchange) prepare(block context.Context, s *Settings, owner conns.Owner, a *Answer) *http.Request {
	x.conns = conns.New(owner)
	if err := x.begin(block, s, a); err != nil {
		x.Refuse(a, err)
		return nil
	}
	if a.Later > 0 {
		return nil
	}
	x.startClock(s)
	req := x.Ask.ToSend(x.conns)
	x.watch(block, owner, req)
	x.conns.SetRequest(req)
	if err := x.attach(req, &x.conns.Context); err != nil {
		if last := x.uploads.last; last != nil && x.conns.Err() == nil {
			*a = *last
			a.Retriable = false
			return nil
		}
		why, _ := x.cause(block, s, err)
		x.Refuse(a, why)
		return nil
	}
	return req
}

// watch begins to track the connections of req.
func (x *Exchange) watch(block context.Context, owner conns.Owner, req *http.Request) {
	w, hooks := owner.Watched(), x.Guard.hooks
	switch {
	case w != nil:
		hooks = httptrace.ContextClientTrace(w.Context)
	case !x.Guard.requests.Is(block): // block is made from it
		hooks = httptrace.ContextClientTrace(block)
	}
	x.conns.Watch(req.Method, req.URL.Scheme, w, hooks)
}

// conclude sets a from what Send returned. It reads the body of a response. For
// a failure it finds out whether the request may be sent again, and whether it
// is proved that nothing was sent.
func (x *Exchange) conclude(block context.Context, resp *http.Response, err error, s *Settings, buf *Buffer, a *Answer) {
	var taken *taking
	switch {
	case err == nil && resp != nil:
		x.conns.Responded(resp)
		if x.Pick != nil {
			taken = &taking{pick: x.Pick, clock: x.conns.Clock}
		}
		a.Body, a.Received, err = buf.receive(resp, x.Ask.Method(), s.MaxBody, taken)
		a.Retriable = !isRefusedResponse(err) && (taken == nil || taken.err == nil && !(x.Once && taken.used))
		if err == nil {
			// A server that sees its client go away may still end the body
			// properly. So if the request was canceled, even a body that ended
			// properly may be incomplete. Otherwise the body is whole, and
			// Stall no longer ends the request.
			x.conns.Clock.Stop()
			err = x.conns.Err()
		}
		if err == nil {
			a.Response = resp
			return
		}
	case err == nil:
		err = errNoAnswer
		a.Retriable = x.conns.TransportFailed()
	default:
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		_, refused := refusal(err)
		a.Retriable = x.conns.TransportFailed() && !refused && (x.uploads == nil || !x.uploads.readFailed())
	}
	// NotSent comes first: a transport that has a connection may still be
	// reading the body (net/http's HTTP/2 does), and begun must not run
	// meanwhile.
	notSent := resp == nil && x.conns.NotSent(err) && (x.uploads == nil || !x.uploads.begun())
	switch {
	case taken != nil && taken.err != nil: // a user's, perhaps a *url.Error or a *BodyTooLargeError
		if x.conns.Err() != nil {
			err, _ = x.cause(block, s, err)
		}
	case isRefusedResponse(err):
	default:
		var proved bool // by the error itself: the request was refused before the transport
		err, proved = x.cause(block, s, err)
		if notSent = notSent || proved; !notSent && resp == nil {
			err = unanswered(err)
		}
	}
	if panicked := x.conns.Panic(); panicked != nil {
		err, a.Retriable = panicked, false
	}
	x.failAs(a, err, notSent)
	x.conns.GiveUp()
}

// begin begins the context of the request, calls Wait, and starts the timeout.
// An error means that the request is not sent. If Wait returned a Later, begin
// sets a.Later, and the request is not sent either.
func (x *Exchange) begin(block context.Context, s *Settings, a *Answer) error {
	timeout, _ := x.timeout(s)
	atOnce := timeout
	if s.Wait != nil {
		atOnce = 0
	}
	ctx := &x.conns.Context
	ctx.Begin(&x.Guard.requests, x.withDeadline(block), atOnce)
	x.arm()
	if s.Wait != nil && x.Ended(ctx) == nil {
		if err := s.Wait(x.View(ctx)); err != nil {
			later, isLater := AsLater(err)
			if !isLater {
				why, _ := explain(ctx, err)
				return why
			}
			if x.Ended(ctx) == nil {
				a.Later = later
				return nil
			}
		}
		ctx.Limit(timeout)
	}
	ended := x.Ended(ctx)
	if ended != nil && ranOut(ctx, block) { // a Timeout of a nanosecond
		return x.outOfTime(s)
	}
	return ended
}

// timeout returns the time for the request, and the name of the setting that it
// comes from. 0 or less means none.
func (x *Exchange) timeout(s *Settings) (limit time.Duration, whose string) {
	limit, whose = x.Timeout, "Timeout"
	if limit == 0 {
		limit = s.Timeout
	}
	if s.HTTPTimeout > 0 && (limit <= 0 || s.HTTPTimeout < limit) {
		limit, whose = s.HTTPTimeout, "HTTP.Timeout"
	}
	return limit, whose
}

// stall returns the Stall of the request. 0 or less means none.
func (x *Exchange) stall(s *Settings) time.Duration {
	if x.Stall != 0 {
		return x.Stall
	}
	return s.Stall
}

// startClock starts the clock of the request's Stall, if it has one.
//
// The clock does not call End, as Cancel does: the attempt ends, and the
// request may be sent again.
func (x *Exchange) startClock(s *Settings) {
	if limit := x.stall(s); limit > 0 {
		x.conns.Clock = stall.Start(limit, func() { x.interrupt(stalled(limit)) })
	}
}

// Clock returns the clock of the request's Stall, or nil. Code that runs inside
// Do may call it.
func (x *Exchange) Clock() *stall.Clock { return x.conns.Clock }

// Ended returns the error of a request that was ended by End or Doom, or whose
// own context or ctx has ended. It returns nil if the request may be sent.
// context.AfterFunc runs a moment late, so Ended looks at the request's own
// context itself.
func (x *Exchange) Ended(ctx context.Context) error {
	if why := x.Doomed(); why != nil { // perhaps before ctx ended
		return why
	}
	if ctx.Err() != nil {
		return EndOf(ctx)
	}
	if x.Own != nil && x.Own.Err() != nil {
		return ownEnd(x.Own)
	}
	return nil
}

// View returns a copy of the request, with the context ctx, for others to look
// at before it is sent. It has no body: that is for the transport alone.
func (x *Exchange) View(ctx context.Context) *http.Request {
	r := x.Ask.View(ctx)
	r.Body = nil
	return r
}

// Link arranges that end is called with an error once the request's own context
// ends, until Unlink is called. If that context has ended already, Link returns
// the error as well. The request must have a context of its own. If that cannot
// end, Link does nothing.
func (x *Exchange) Link(end func(error)) error {
	own := x.Own
	if own.Done() == nil {
		return nil
	}
	x.linked = true
	x.unlink = context.AfterFunc(own, func() { end(ownEnd(own)) })
	if own.Err() != nil {
		return ownEnd(own)
	}
	return nil
}

// Unlink undoes Link.
func (x *Exchange) Unlink() {
	if x.unlink != nil {
		x.unlink()
	}
}

// NextAttempt returns an Exchange for another attempt of the request. x has
// ended with the answer a and is closed. The next Do opens the body again with
// GetBody, which the request must have. If GetBody fails, that Do also answers
// a.
func (x *Exchange) NextAttempt(a *Answer) *Exchange {
	next := x.copy()
	if body, _ := x.Ask.Body(); body != nil {
		last := *a
		us := next.bodies()
		us.last = &last
		us.body = us.add(&upload{open: body, likely: true})
	}
	return next
}

// SameAttempt returns an Exchange that takes the place of x. Nothing of x was
// sent, because Wait returned a Later. The bodies of x go to the new Exchange.
func (x *Exchange) SameAttempt() *Exchange {
	x.endContexts()
	next := x.copy()
	if x.uploads != nil {
		next.uploads, x.uploads = x.uploads, nil
		next.uploads.x = next
	}
	return next
}

func (x *Exchange) copy() *Exchange {
	return &Exchange{Ask: x.Ask, Options: x.Options, Guard: x.Guard}
}

// Deadline returns the earlier of the deadlines of ctx and of the request's own
// context.
func (x *Exchange) Deadline(ctx context.Context) (deadline time.Time, ok bool) {
	deadline, ok = ctx.Deadline()
	if x.Own != nil {
		if own, has := x.Own.Deadline(); has && (!ok || own.Before(deadline)) {
			deadline, ok = own, true
		}
	}
	return deadline, ok
}

// withDeadline returns block, or a context that shows the deadline of the
// request's own context if that is earlier. Link arranges for its end.
func (x *Exchange) withDeadline(block context.Context) context.Context {
	if at, ok := x.Deadline(block); ok && x.linked {
		return &until{block, at}
	}
	return block
}

// An until is a context that shows a deadline.
type until struct {
	context.Context
	at time.Time
}

func (u *until) Deadline() (time.Time, bool) { return u.at, true }

// End ends the request with the error why. It may be called from any goroutine,
// any number of times, before Do and during it. The first error counts.
func (x *Exchange) End(why error) {
	x.Doom(why)
	if x.armed.Load() {
		x.interrupt(*x.why.Load())
	}
}

// Doom ends the request as End does, but does not interrupt it in flight, and
// so runs no user code. A Do that begins later finds the error.
func (x *Exchange) Doom(why error) { x.why.CompareAndSwap(nil, &why) }

// Doomed returns the error with which the request was ended, or nil.
func (x *Exchange) Doomed() error {
	if why := x.why.Load(); why != nil {
		return *why
	}
	return nil
}

// arm lets End interrupt the request from here on.
func (x *Exchange) arm() {
	x.armed.Store(true)
	if why := x.Doomed(); why != nil {
		x.interrupt(why)
	}
}

func (x *Exchange) interrupt(why error) { x.conns.CancelCause(why) }

// Abort makes err the answer of a request whose Do did not return, because user
// code panicked or ended the goroutine.
func (x *Exchange) Abort(a *Answer, err error) {
	x.Fail(a, err)
	a.Retriable, a.Later = false, 0
	if x.conns != nil {
		x.guarded(a, x.conns.GiveUp) // it may run the Close of a user's connection
	}
}

// Close ends the request's contexts, lets go of its connections, and closes its
// bodies. No Read of them runs when it returns. It is called once, before the
// handle is done, also for a request that was not sent.
func (x *Exchange) Close(a *Answer) {
	if x.uploads != nil {
		x.uploads.stopWatching()
	}
	x.endContexts()
	if x.uploads != nil {
		x.guarded(a, func() {
			if err := x.uploads.finish(); err != nil {
				x.Fail(a, err)
				a.Retriable = false
			}
		})
	}
}

func (x *Exchange) endContexts() {
	if x.conns != nil {
		x.conns.Release()
	}
}

// Discard closes the bodies of a request that is not made.
func (x *Exchange) Discard() {
	if x.uploads != nil {
		x.uploads.finish()
	}
}

// guarded calls f, which runs user code. If f doesn't return, the answer is an
// error that says so, and the request is not sent again.
func (x *Exchange) guarded(a *Answer, f func()) {
	x.Guard.Run(f, func(err error) {
		x.Fail(a, err)
		a.Retriable = false
	})
}

// Last adds to the final error of a request how many attempts were made, if the
// last one may be retried as well. If an earlier attempt may have been sent
// (maybeSent), the error no longer matches ErrNotSent.
func (x *Exchange) Last(a *Answer, attempts int, maybeSent bool) {
	again := a.Err != nil && attempts > 1 && a.Retriable
	if !again && !(maybeSent && a.NotSent) {
		return
	}
	why := a.why
	if again {
		x.Guard.Run(func() { why = fmt.Errorf("after %d attempts: %w", attempts, a.why) }, func(error) {})
	}
	x.failAs(a, why, a.NotSent && !maybeSent)
}

// Fail makes err the answer. The answer keeps NotSent.
func (x *Exchange) Fail(a *Answer, err error) { x.failAs(a, err, a.NotSent) }

// Refuse makes err the answer of a request that was not sent.
func (x *Exchange) Refuse(a *Answer, err error) { x.failAs(a, err, true) }

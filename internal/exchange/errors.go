package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"time"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
)

var (
	ErrGoexit    = errors.New("runtime.Goexit was called in code that the request runs")
	errNoAnswer  = errors.New("neither a response nor an error came back")
	errBadRead   = errors.New("the response body's Read returned an impossible count")
	errBadWrite  = errors.New("a Write returned an impossible count")
	errNotHere   = errors.New("Take cannot read the body: return an io.Writer to receive it")
	errSwitching = errors.New("refusing response with status 101: its body has no end")
)

// failure returns err as the error of the request that a stands for. It names
// the method and the URL of the original request, also after a redirect, in
// net/http's way. Nothing else makes the error of a request that failed. It
// runs user code: the methods of err.
func failure(a *ask.Outgoing, err error, notSent bool) error {
	if u := a.URL(); u != nil {
		err = fail.Host(u, err)
	}
	err = fail.Redact(err)
	if notSent {
		err = fail.NotSent(err)
	} else {
		err = fail.MaybeSent(err)
	}
	return named(a, fail.Timeout(err))
}

// named returns err with the method and the URL of the original request.
func named(a *ask.Outgoing, err error) error {
	op, u := a.Name()
	return &url.Error{Op: op, URL: u, Err: err}
}

// unanswered returns err, with which a transport came back, with more words if
// it says only that the connection was closed.
func unanswered(err error) error {
	if err == io.EOF || conns.ClosedIdle(err) {
		return fmt.Errorf("the server closed the connection before it answered: %w", err)
	}
	return err
}

// cause returns the cause of err, an error of Send or of reading the body, as
// explain does. If the Timeout ran out, it returns an error that says so. block
// is the context that the request's context was made from.
//
// The text of a timeout says which time ran out: see outOfTime, stalled, EndOf
// and ownEnd. Nothing is added to the errors of a transport for its own limits
// (dial, TLS handshake, response header): they name the limit.
func (x *Exchange) cause(block context.Context, s *Settings, err error) (why error, notSent bool) {
	why, notSent = explain(x.conns, err)
	if ranOut(x.conns, block) {
		why = x.outOfTime(s)
	}
	return why, notSent
}

// ranOut reports whether ctx, the context of a request, ended at its own
// deadline, and not at that of block, from which it was made.
func ranOut(ctx, block context.Context) bool {
	if ctx.Err() != context.DeadlineExceeded {
		return false
	}
	if block.Err() != context.DeadlineExceeded {
		return true
	}
	at, _ := ctx.Deadline()
	deadline, ok := block.Deadline()
	return ok && at.Before(deadline)
}

// outOfTime returns the error of a request whose Timeout ran out, or the
// Timeout of its http.Client. The error is made only then: as the cause of the
// request's context it would cost each request an allocation.
func (x *Exchange) outOfTime(s *Settings) error {
	limit, whose := x.timeout(s)
	return fail.OutOfTime(whose+" of "+limit.String(), context.DeadlineExceeded)
}

// stalled returns the error of a request that made no progress for limit.
func stalled(limit time.Duration) error {
	return fail.OutOfTime("Stall: no progress for "+limit.String(), context.DeadlineExceeded)
}

// explain returns the cause of err, which ended a request or the reading of its
// body, and reports whether it proves that nothing was sent. Transports
// disagree about the error of a request whose context has ended: net/http's
// HTTP/1 and HTTP/2 do. So that error is made here.
func explain(ctx context.Context, err error) (why error, notSent bool) {
	why, notSent = refusal(err)
	if ctx.Err() != nil {
		why = EndOf(ctx)
	}
	return why, notSent
}

// refusal returns err without the wrapper of an http.Client and without a
// Refusal. It reports whether there was a Refusal: then the request was refused
// before it reached the transport.
func refusal(err error) (why error, refused bool) {
	if ue, ok := err.(*url.Error); ok {
		err = ue.Err
	}
	if r, ok := err.(*fail.Refusal); ok {
		return r.Err, true
	}
	return err, false
}

// EndOf returns the error of a request that ended because ctx did, the context
// of its block. It matches ctx.Err() and the cause.
func EndOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case err == context.DeadlineExceeded:
		return fail.OutOfTime("deadline of the block's context", cause)
	// Both may come from a user, and be of a type that cannot be compared.
	case reflect.ValueOf(err).Comparable() && cause == err:
		return err
	}
	return fail.Ended(err, cause)
}

// ownEnd returns the error of a request whose own context ended, and the cause
// that the request is canceled with.
func ownEnd(own context.Context) error {
	if own.Err() == context.DeadlineExceeded {
		return fail.OutOfTime("deadline of the request's own context", context.Cause(own))
	}
	return fail.Ended(own.Err(), context.Cause(own))
}

// panicCause is the cause with which a block is canceled after a panic. It has
// no stack. The error of the handle has that, and so has the value that is
// raised. It is used as a pointer, since its value may be of a type that cannot
// be compared.
type panicCause struct{ value any }

// Error runs user code: the methods of the value, by which fmt prints it.
func (e *panicCause) Error() string {
	return fail.Text(fmt.Sprintf("a panic in the block: %v", e.value))
}

// failAs makes err the answer. The methods of err are guarded. If one of them
// ends the goroutine, a has an error as well.
func (x *Exchange) failAs(a *Answer, err error, notSent bool) {
	a.Answer, a.why = ask.Answer{NotSent: notSent}, err
	x.Guard.Run(func() { a.Err = failure(&x.Ask, err, notSent) }, func(why error) {
		a.Err = named(&x.Ask, fail.Mark(why, notSent))
	})
}

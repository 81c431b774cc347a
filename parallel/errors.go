package parallel

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/abreast-go/abreast/internal/proof"
	"github.com/abreast-go/abreast/internal/redact"
	"github.com/abreast-go/abreast/pending"
)

var (
	errGoexit    = errors.New("runtime.Goexit was called in what the request runs")
	errNoAnswer  = errors.New("neither a response nor an error came back")
	errBadRead   = errors.New("the response body's Read returned an impossible count")
	errSwitching = errors.New("the server switched protocols (status 101): such a response has no end, and is refused")
)

// failure is err as the error of the request: it names the method and the URL that
// were asked for, also after a redirect, in net/http's way.
func (s *sending) failure(err error, notSent bool) error {
	err = redact.Error(err)
	switch said := errors.Is(err, pending.ErrNotSent); {
	case notSent:
		err = pending.NotSent(err)
	case said: // of another: one that a transport or a callback made meanwhile
		err = proof.Hide(err, pending.ErrNotSent)
	}
	if isTimeout(err) {
		// url.Error asks its direct Err for Timeout.
		t, ok := err.(interface{ Timeout() bool })
		if !ok || !t.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			err = &timeoutError{err}
		}
	}
	op, u := pending.Named(s.asked())
	return &url.Error{Op: op, URL: u, Err: err}
}

// explain is what err, with which a request came back or its body broke off,
// comes from, and whether it proves that nothing was sent. Transports disagree
// about the error of a request whose context ended (net/http's HTTP/1 and HTTP/2
// do), so it is made here.
func explain(ctx context.Context, err error) (why error, notSent bool) {
	if ue, ok := err.(*url.Error); ok {
		err = ue.Err
	}
	if refused, ok := err.(*proof.Refusal); ok {
		err, notSent = refused.Err, true
	}
	if ctx.Err() != nil {
		err = endOf(ctx)
	}
	return err, notSent
}

// endOf is the error of what the end of ctx ended: it is ctx.Err() and the cause.
func endOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	if own, ok := cause.(*endError); ok {
		return own
	}
	return &endError{err, cause}
}

// ownEnd is the error of what the end of a request's own context ended, and the
// cause that it is cancelled with: so a deadline of its own stays a timeout and
// doesn't become a cancellation too.
func ownEnd(own context.Context) error { return &endError{own.Err(), context.Cause(own)} }

type endError struct{ err, cause error }

func (e *endError) Error() string {
	if errors.Is(e.cause, e.err) {
		return e.cause.Error()
	}
	return e.err.Error() + ": " + e.cause.Error()
}

func (e *endError) Unwrap() []error { return []error{e.err, e.cause} }

// Timeout is here because url.Error asks its direct Err for it.
func (e *endError) Timeout() bool {
	return errors.Is(e.err, context.DeadlineExceeded) || isTimeout(e.cause)
}

// timeoutError is a timeout of the transport's that is context.DeadlineExceeded
// too, as all timeouts are.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string        { return e.err.Error() }
func (e *timeoutError) Unwrap() error        { return e.err }
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
func (e *timeoutError) Timeout() bool        { return true }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// panicCause is why a block was cancelled in which something panicked. It has no
// stack: that is in the error of the handle, and in what is raised. It is used by
// pointer, since its value may be of a type that cannot be compared.
type panicCause struct{ value any }

func (e *panicCause) Error() string { return fmt.Sprintf("a panic in the block: %v", e.value) }

// Package fail makes the errors that come out of this library: one type that
// wraps the error of somebody else, and texts without passwords.
package fail

import (
	"context"
	"errors"
)

// ErrNotSent is [pending.ErrNotSent], which says what it means.
//
// [pending.ErrNotSent]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#ErrNotSent
var ErrNotSent = errors.New("request not sent")

// An Error wraps err and changes what it matches or what its text is.
//
// It exists because url.Error asks its direct Err, and nothing below it, for
// Timeout: an error of fmt.Errorf would lose that.
//
// Most of its methods run user code: Error, Is, As, Unwrap and Timeout of an err
// that a user's code made.
type Error struct {
	err  error
	text string // the text; if empty, it is made of is and err
	is   error  // what the Error matches besides, or nil
	not  error  // what it doesn't match although err does, or nil
}

// NotSent returns err, which must not be nil, as an error that matches ErrNotSent.
// It runs user code: the methods Is and Unwrap of err.
func NotSent(err error) error {
	if errors.Is(err, ErrNotSent) {
		return err
	}
	return &Error{err: err, is: ErrNotSent}
}

// MaybeSent returns err as an error that does not match ErrNotSent. err may be of
// another request, one that a transport or a callback sent meanwhile. MaybeSent
// runs user code: the methods Is and Unwrap of err.
func MaybeSent(err error) error {
	if !errors.Is(err, ErrNotSent) {
		return err
	}
	return &Error{err: err, not: ErrNotSent}
}

// Ended returns the error of a request whose context ended: it matches err, which
// is the context's Err, and cause. A cause that Ended made is returned as it is:
// the deadline of a request's own context stays a timeout, and doesn't become a
// cancellation because the request was canceled with it.
//
// Ended runs no user code.
func Ended(err, cause error) error {
	if e, ok := cause.(*Error); ok && e.text == "" && (e.is == context.Canceled || e.is == context.DeadlineExceeded) {
		return e
	}
	return &Error{err: cause, is: err}
}

// Timeout returns err as an error that matches context.DeadlineExceeded and reports
// true from Timeout if err, or an error that it wraps, reports a timeout. Otherwise
// it returns err. It runs user code: all methods of err.
func Timeout(err error) error {
	if !isTimeout(err) {
		return err
	}
	if t, ok := err.(interface{ Timeout() bool }); ok && t.Timeout() && errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{err: err, text: err.Error(), is: context.DeadlineExceeded}
}

// isTimeout runs user code: the methods As, Unwrap and Timeout of err.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Error returns the text: without one of its own, that of err, after that of is
// unless err matches is by itself.
func (e *Error) Error() string {
	switch {
	case e.text != "":
		return e.text
	case e.is == nil || errors.Is(e.err, e.is):
		return e.err.Error()
	}
	return e.is.Error() + ": " + e.err.Error()
}

// Unwrap returns err, unless somebody who walks from error to error would find
// there what must not be found: a text that is replaced, or a match that is taken
// away. Is and As look into err themselves then. (If they did it in any case, every
// wrapper would double their work.)
func (e *Error) Unwrap() error {
	if e.closed() {
		return nil
	}
	return e.err
}

func (e *Error) closed() bool { return e.text != "" || e.not != nil }

func (e *Error) Is(target error) bool {
	switch {
	case e.not != nil && target == e.not:
		return false
	case e.is != nil && errors.Is(e.is, target):
		return true
	}
	return e.closed() && errors.Is(e.err, target)
}

func (e *Error) As(target any) bool { return e.closed() && errors.As(e.err, target) }

func (e *Error) Timeout() bool { return e.is != nil && isTimeout(e.is) || isTimeout(e.err) }

// A Refusal is the error of a request that was refused before it came to the transport. It
// leaves a block as an ErrNotSent; only a program that uses NewTransport by hand can see it.
type Refusal struct{ Err error }

func (e *Refusal) Error() string { return e.Err.Error() }
func (e *Refusal) Unwrap() error { return e.Err }

// Mark returns err as an error that matches ErrNotSent if notSent is set, and
// doesn't otherwise. Unlike NotSent and MaybeSent it runs no user code.
func Mark(err error, notSent bool) error {
	if notSent {
		return &Error{err: err, is: ErrNotSent}
	}
	return &Error{err: err, not: ErrNotSent}
}

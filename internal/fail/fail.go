// Package fail makes the errors that this library returns: it has one type that
// wraps an error, and functions that return texts without passwords.
package fail

import (
	"context"
	"errors"
)

// ErrNotSent is [pending.ErrNotSent], where its meaning is documented.
//
// [pending.ErrNotSent]:
// https://pkg.go.dev/github.com/abreast-go/abreast/pending#ErrNotSent
var ErrNotSent = errors.New("request not sent")

// An Error wraps an error and changes what it matches or its text.
//
// It exists because url.Error calls Timeout on its direct Err and on nothing
// below it. An error of fmt.Errorf has no Timeout and would lose it.
//
// Error, Is, As and Timeout call methods of the wrapped error, which may be a
// user's code. They must not be called under a lock.
type Error struct {
	err  error
	text string // if empty, the text is that of is and err
	is   error  // matched in addition to err; may be nil
	not  error  // not matched, even if err matches it; may be nil
	time string // which time ran out, added to the text; may be empty
}

// NotSent returns err, which must not be nil, as an error that matches
// ErrNotSent. It runs user code: the methods Is and Unwrap of err.
func NotSent(err error) error {
	if errors.Is(err, ErrNotSent) {
		return err
	}
	return &Error{err: err, is: ErrNotSent}
}

// MaybeSent returns err as an error that does not match ErrNotSent. err may
// belong to another request, which a transport or a callback sent meanwhile.
// MaybeSent runs user code: the methods Is and Unwrap of err.
func MaybeSent(err error) error {
	if !errors.Is(err, ErrNotSent) {
		return err
	}
	return &Error{err: err, not: ErrNotSent}
}

// Ended returns the error of a request whose context ended. It matches err,
// which is the context's Err, and cause. Ended runs no user code.
//
// If Ended itself made cause, it returns cause. If the deadline of a request's
// own context ends the request, its error therefore stays a timeout, although
// the request was canceled with that error as the cause.
func Ended(err, cause error) error {
	if e, ok := cause.(*Error); ok && e.text == "" && (e.is == context.Canceled || e.is == context.DeadlineExceeded) {
		return e
	}
	return &Error{err: cause, is: err}
}

// OutOfTime returns the error of a request whose time ran out. It matches
// context.DeadlineExceeded and cause. Its text ends with whose, which says
// which time that was. OutOfTime runs no user code.
func OutOfTime(whose string, cause error) error {
	return &Error{err: cause, is: context.DeadlineExceeded, time: whose}
}

// Timeout returns err as an error that matches context.DeadlineExceeded and
// reports true from Timeout, if err or an error that it wraps reports a
// timeout. Otherwise it returns err. It runs user code: all methods of err.
func Timeout(err error) error {
	if !isTimeout(err) {
		return err
	}
	if t, ok := err.(interface{ Timeout() bool }); ok && t.Timeout() && errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{err: err, text: err.Error(), is: context.DeadlineExceeded}
}

// isTimeout reports whether err or an error that it wraps is a timeout. It runs
// user code: the methods As, Unwrap and Timeout of err.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Error returns e's own text, if it has one. Otherwise it returns the text of
// is and the text of err, or only the latter if err matches is anyway. After it
// comes which time ran out.
func (e *Error) Error() string {
	if e.text != "" {
		return e.text
	}
	text := e.err.Error()
	if e.is != nil && !errors.Is(e.err, e.is) {
		text = e.is.Error() + ": " + text
	}
	if e.time != "" {
		text += " (" + e.time + ")"
	}
	return text
}

// Unwrap returns err. It returns nil if e replaces err's text or removes a
// match, because a caller who unwraps errors one by one must not find the old
// text or match. Is and As then look into err themselves. They do so only in
// that case: otherwise, every wrapper would double the work of errors.Is.
func (e *Error) Unwrap() error {
	if e.closed() {
		return nil
	}
	return e.err
}

// closed reports whether Unwrap must not return err.
func (e *Error) closed() bool { return e.text != "" || e.not != nil }

// Is reports whether e matches target although Unwrap does not lead there.
func (e *Error) Is(target error) bool {
	switch {
	case e.not != nil && target == e.not:
		return false
	case e.is != nil && errors.Is(e.is, target):
		return true
	}
	return e.closed() && errors.Is(e.err, target)
}

// As does the same for errors.As.
func (e *Error) As(target any) bool { return e.closed() && errors.As(e.err, target) }

// Timeout reports whether is or err is a timeout.
func (e *Error) Timeout() bool { return e.is != nil && isTimeout(e.is) || isTimeout(e.err) }

// A Refusal is the error of a request that was refused before it reached the
// transport. A block returns it as an ErrNotSent. Only a program that uses
// NewTransport without a block can see a Refusal.
type Refusal struct{ Err error }

func (e *Refusal) Error() string { return e.Err.Error() }
func (e *Refusal) Unwrap() error { return e.Err }

// Mark returns err as an error that matches ErrNotSent if notSent is true, and
// that does not match it otherwise. Unlike NotSent and MaybeSent, it runs no
// user code.
func Mark(err error, notSent bool) error {
	if notSent {
		return &Error{err: err, is: ErrNotSent}
	}
	return &Error{err: err, not: ErrNotSent}
}

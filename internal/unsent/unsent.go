// Package unsent keeps pending.ErrNotSent true: it is how client tells parallel, and
// nobody else can, that a request was refused before it came to the transport, and
// how what was said of another request is kept from being taken for it.
package unsent

import "errors"

// An Error is what refused a request. It never comes out of the library: parallel
// makes a pending.ErrNotSent of it.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hide is err, which is what elsewhere, without being it: errors.Is(Hide(err, what),
// what) is false, and all else is as with err.
func Hide(err, what error) error { return &hidden{err, what} }

type hidden struct{ err, what error }

func (e *hidden) Error() string        { return e.err.Error() }
func (e *hidden) Is(target error) bool { return target != e.what && errors.Is(e.err, target) }
func (e *hidden) As(target any) bool   { return errors.As(e.err, target) }

// Timeout is here because url.Error asks its direct Err for it.
func (e *hidden) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.err, &t) && t.Timeout()
}

// Package unsent is how client tells parallel, and nobody else can, that a request
// was refused before it came to the transport.
package unsent

// An Error is what refused a request. It never comes out of the library: parallel
// makes a pending.ErrNotSent of it.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

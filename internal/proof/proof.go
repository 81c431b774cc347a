// Package proof keeps pending.ErrNotSent true: it is what client and parallel tell each
// other, and nobody else can, of whether a request was sent.
//
// parallel watches the connections of a request by httptrace. That doesn't show what
// was refused before the transport, or answered by one that doesn't trace; and it
// shows too much where a callback sends requests with the same context.
package proof

import "context"

// A Refusal is what refused a request before it came to the transport. It never comes
// out of the library: parallel makes a pending.ErrNotSent of it.
type Refusal struct{ Err error }

func (e *Refusal) Error() string { return e.Err.Error() }
func (e *Refusal) Unwrap() error { return e.Err }

// The context that a request is sent with has under these keys
type (
	AnsweredKey  struct{} // a func(), for Answered
	WantedKey    struct{} // a func(), for Wanted
	UnwatchedKey struct{} // the context without the watch, for Unwatched
)

// Answered says that a hop of the request that is sent with ctx was answered, and so
// was sent.
func Answered(ctx context.Context) {
	if f, ok := ctx.Value(AnsweredKey{}).(func()); ok {
		f()
	}
}

// Wanted says that the request that is sent with ctx waits for a connection.
func Wanted(ctx context.Context) {
	if f, ok := ctx.Value(WantedKey{}).(func()); ok {
		f()
	}
}

// Unwatched is ctx, and ends as ctx does, without the watch of a request's
// connections: for a callback that may send requests of its own.
func Unwatched(ctx context.Context) context.Context {
	values, ok := ctx.Value(UnwatchedKey{}).(context.Context)
	if !ok {
		return ctx
	}
	return &unwatched{ctx, values}
}

type unwatched struct {
	context.Context
	values context.Context
}

func (c *unwatched) Value(key any) any { return c.values.Value(key) }

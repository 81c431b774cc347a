// Package untraced is how client tells parallel, which watches the connections of a
// request by httptrace, of what that can't see: requests that a callback sends with the
// same context, which prove nothing about this one, and hops that were answered by a
// transport that doesn't trace.
package untraced

import "context"

// Key is what the context that a request is sent with has under it: that context
// without the watch, a context.Context.
type Key struct{}

// AnsweredKey is what the context that a request is sent with has a func() under,
// for Answered.
type AnsweredKey struct{}

// Answered says that a hop of the request that is sent with ctx was answered, and so
// was sent.
func Answered(ctx context.Context) {
	if f, ok := ctx.Value(AnsweredKey{}).(func()); ok {
		f()
	}
}

// Context is ctx, which ends as ctx does, without the watch of a request's
// connections.
func Context(ctx context.Context) context.Context {
	values, ok := ctx.Value(Key{}).(context.Context)
	if !ok {
		return ctx
	}
	return &untraced{ctx, values}
}

type untraced struct {
	context.Context
	values context.Context
}

func (c *untraced) Value(key any) any { return c.values.Value(key) }

// Package untraced gives what is asked of a user's callback while a request is being
// sent a context that doesn't watch that request's connections: the callback may send
// requests of its own, which prove nothing about this one.
package untraced

import "context"

// Key is what the context that a request is sent with has under it: that context
// without the watch, a context.Context.
type Key struct{}

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

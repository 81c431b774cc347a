package lifetime

import "context"

// AncestorKey is the key under which package context finds the nearest ancestor
// of its own that can be canceled.
var AncestorKey = KeyAsked(func(ctx context.Context) { context.Cause(ctx) })

// KeyAsked returns the key that ask looks up last in the context that it is
// called with, which has ended. The standard library exports none of its keys,
// but asks the Value of any context for them.
func KeyAsked(ask func(context.Context)) any {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	l := &listener{Context: ended}
	ask(l)
	return l.key
}

// A listener is a context that keeps the last key that it was asked for.
type listener struct {
	context.Context
	key any
}

func (l *listener) Value(k any) any {
	l.key = k
	return nil
}

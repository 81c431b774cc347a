package lifetime

import "context"

// WithValue returns a context with a value, as context.WithValue does. A
// context that is made from it needs no goroutine if one that is made from ctx
// needs none.
func WithValue(ctx context.Context, key, value any) context.Context {
	v := context.WithValue(ctx, key, value)
	if from, ok := ctx.(afterFuncer); ok {
		return &valued{v, from}
	}
	return v
}

// An afterFuncer is a context that package context calls AfterFunc of: see
// context.AfterFunc.
type afterFuncer interface {
	AfterFunc(f func()) (stop func() bool)
}

type valued struct {
	context.Context
	afterFuncer
}

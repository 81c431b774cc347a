package exchange

import (
	"context"

	"github.com/abreast-go/abreast/internal/lifetime"
)

// Values is a context with the values of First, which are looked up before its
// own. First has nothing else to say: its end has no effect.
type Values struct {
	context.Context
	First context.Context // nil for none
	Guard *Guard          // calls First; nil if First is guarded already
}

// WithValues returns ctx with the values of first, which is guarded.
func WithValues(ctx, first context.Context) context.Context {
	return &Values{Context: ctx, First: first}
}

// Value hides the ancestor of First, which is not one of v: package context
// would take it for the one that ends v, find it is not, and start a goroutine
// to watch v.
func (v *Values) Value(key any) (value any) {
	switch {
	case v.First == nil || key == lifetime.AncestorKey:
	case v.Guard == nil:
		value = v.First.Value(key)
	default:
		v.Guard.Run(func() { value = v.First.Value(key) }, v.Guard.End)
	}
	if value == nil {
		value = v.Context.Value(key)
	}
	return value
}

package exchange

import "context"

// WithValues returns ctx with the values of first, which are looked up before
// its own.
func WithValues(ctx, first context.Context) context.Context {
	// WithoutCancel hides that first can be canceled: package context would
	// otherwise take it for the one that ends the result, find it is not, and
	// start a goroutine to watch ctx.
	return &valuesOf{ctx, context.WithoutCancel(first)}
}

type valuesOf struct {
	context.Context
	first context.Context
}

func (v *valuesOf) Value(key any) any {
	if x := v.first.Value(key); x != nil {
		return x
	}
	return v.Context.Value(key)
}

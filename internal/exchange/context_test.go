package exchange

import (
	"context"
	"errors"
	"testing"
)

// The end of a context whose values are looked up first has no effect, and the
// end of the other one ends a child at once, with its cause.
func TestValues_endOfFirst(t *testing.T) {
	cause := errors.New("the cause")
	ctx, end := context.WithCancelCause(t.Context())
	first, endFirst := context.WithCancelCause(t.Context())
	child, cancel := context.WithCancel(WithValues(ctx, first))
	defer cancel()
	endFirst(errors.New("another cause"))
	if err := child.Err(); err != nil {
		t.Errorf("the end of first ended a child: %v", err)
	}
	end(cause)
	if err, why := child.Err(), context.Cause(child); err != context.Canceled || why != cause {
		t.Errorf("the child has ended with %v, %v; want %v, %v", err, why, context.Canceled, cause)
	}
	if why := context.Cause(WithValues(ctx, first)); why != cause {
		t.Errorf("Cause = %v, want %v", why, cause)
	}
}

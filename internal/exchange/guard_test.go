package exchange

import "testing"

// Each method of a context allocated several objects, several times for each
// request.
func TestGuardContext_allocatesNothing(t *testing.T) {
	ctx := new(Guard).Context(t.Context())
	if n := testing.AllocsPerRun(100, func() {
		ctx.Deadline()
		ctx.Done()
		ctx.Err()
		ctx.Value("key")
	}); n > 0 {
		t.Errorf("the methods of a guarded context allocate %v times", n)
	}
}

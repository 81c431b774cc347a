package pending_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Promises 11 and 21: a Race without a winner is ErrNotSent if no racer was sent, and
// not if one may have been; all else that the errors are is found in either case.
func TestRace_notSentIfNoRacerWas(t *testing.T) {
	refused, reset := errors.New("refused"), errors.New("reset")
	for name, tc := range map[string]struct {
		errs []error
		want bool
	}{
		"none sent":       {[]error{fail.NotSent(refused), fail.NotSent(reset)}, true},
		"the first sent":  {[]error{reset, fail.NotSent(refused)}, false},
		"the second sent": {[]error{fail.NotSent(refused), reset}, false},
		"both sent":       {[]error{refused, reset}, false},
	} {
		var b block
		a, z := b.request("/a"), b.request("/z")
		race := pending.Race(a, z)
		b.fail(a, tc.errs[0])
		b.fail(z, tc.errs[1])
		_, err := race.Response()
		if errors.Is(err, pending.ErrNotSent) != tc.want || !errors.Is(err, refused) || !errors.Is(err, reset) {
			t.Errorf("%s: %v; want both errors, and ErrNotSent: %v", name, err, tc.want)
		}
	}
}

// Promise 11: a Race whose first racer's block has ended settles with that block's end,
// also once nothing is left of the block but the handle.
func TestRace_blockGarbageCollected(t *testing.T) {
	ended, refused := errors.New("ended"), errors.New("refused")
	var first *pending.Pending
	func() {
		gone := new(block)
		first = gone.Make(nil, nil)
		gone.Complete(first, ask.Answer{Err: refused})
		first.Response()
		gone.End(ended)
	}()
	runtime.GC()

	var here block
	open := here.Make(nil, func() {})
	if _, err := pending.Race(first, open).Response(); err != ended {
		t.Errorf("Response: %v, want %v", err, ended)
	}
}

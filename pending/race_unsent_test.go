package pending_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Promises 11 and 21: the error of a Race without a winner matches ErrNotSent
// only if no racer was sent. errors.Is finds the other errors in either case.
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
			t.Errorf("%s: Response() error = %v; want both errors, and ErrNotSent: %v", name, err, tc.want)
		}
	}
}

// Promise 11: if the block of the first racer has ended, the Race completes
// with the error of that end, even after the block was garbage collected.
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
		t.Errorf("Response() error = %v, want %v", err, ended)
	}
}

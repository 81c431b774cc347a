package fail_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/fail"
)

var errBroken = errors.New("broken")

type coded struct{ code int }

func (e coded) Error() string { return fmt.Sprint("code ", e.code) }

// url.Error calls Timeout on its direct Err alone, and errors.Is and errors.As
// use the methods of each error on their way.
func TestError_matches(t *testing.T) {
	type facts struct {
		Text                                                string
		Timeout                                             bool
		NotSent, Deadline, Canceled, Broken, Coded, Unwraps bool
	}
	own := fail.Ended(context.DeadlineExceeded, errBroken)
	for name, tc := range map[string]struct {
		err  error
		want facts
	}{
		"not sent":                      {fail.NotSent(errBroken), facts{Text: "request not sent: broken", NotSent: true, Broken: true, Unwraps: true}},
		"not sent, twice":               {fail.NotSent(fail.NotSent(errBroken)), facts{Text: "request not sent: broken", NotSent: true, Broken: true, Unwraps: true}},
		"not sent, of a type":           {fail.NotSent(coded{7}), facts{Text: "request not sent: code 7", NotSent: true, Coded: true, Unwraps: true}},
		"not sent, a timeout":           {fail.NotSent(context.DeadlineExceeded), facts{Text: "request not sent: context deadline exceeded", NotSent: true, Timeout: true, Deadline: true, Unwraps: true}},
		"maybe sent":                    {fail.MaybeSent(fail.NotSent(errBroken)), facts{Text: "request not sent: broken", Broken: true}},
		"maybe sent, of a type":         {fail.MaybeSent(fmt.Errorf("%w: %w", fail.ErrNotSent, coded{7})), facts{Text: "request not sent: code 7", Coded: true}},
		"maybe sent, a timeout":         {fail.MaybeSent(fail.NotSent(context.DeadlineExceeded)), facts{Text: "request not sent: context deadline exceeded", Timeout: true, Deadline: true}},
		"maybe sent anyway":             {fail.MaybeSent(errBroken), facts{Text: "broken", Broken: true}},
		"ended, with a cause":           {fail.Ended(context.Canceled, errBroken), facts{Text: "context canceled: broken", Canceled: true, Broken: true, Unwraps: true}},
		"ended, not sent":               {fail.NotSent(own), facts{Text: "request not sent: context deadline exceeded: broken", NotSent: true, Deadline: true, Timeout: true, Broken: true, Unwraps: true}},
		"canceled with an own deadline": {fail.Ended(context.Canceled, own), facts{Text: "context deadline exceeded: broken", Deadline: true, Timeout: true, Broken: true, Unwraps: true}},
		"canceled with another's error": {fail.Ended(context.Canceled, fail.NotSent(errBroken)), facts{Text: "context canceled: request not sent: broken", Canceled: true, NotSent: true, Broken: true, Unwraps: true}},
		"out of time":                   {fail.OutOfTime("Timeout of 5s", context.DeadlineExceeded), facts{Text: "context deadline exceeded (Timeout of 5s)", Deadline: true, Timeout: true, Unwraps: true}},
		"out of time, with a cause":     {fail.OutOfTime("Timeout of 5s", errBroken), facts{Text: "context deadline exceeded: broken (Timeout of 5s)", Deadline: true, Timeout: true, Broken: true, Unwraps: true}},
		"out of time, not sent":         {fail.NotSent(fail.OutOfTime("Timeout of 5s", context.DeadlineExceeded)), facts{Text: "request not sent: context deadline exceeded (Timeout of 5s)", NotSent: true, Deadline: true, Timeout: true, Unwraps: true}},
		"canceled, out of time":         {fail.Ended(context.Canceled, fail.OutOfTime("Timeout of 5s", context.DeadlineExceeded)), facts{Text: "context deadline exceeded (Timeout of 5s)", Deadline: true, Timeout: true, Unwraps: true}},
		"a timeout":                     {fail.Timeout(os.ErrDeadlineExceeded), facts{Text: "i/o timeout", Deadline: true, Timeout: true}},
		"a timeout within":              {fail.Timeout(fmt.Errorf("%w: %w", errBroken, os.ErrDeadlineExceeded)), facts{Text: "broken: i/o timeout", Deadline: true, Timeout: true, Broken: true}},
		"no timeout":                    {fail.Timeout(errBroken), facts{Text: "broken", Broken: true}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.err
			got := facts{
				Text:     err.Error(),
				Timeout:  (&url.Error{Err: err}).Timeout(),
				NotSent:  errors.Is(err, fail.ErrNotSent),
				Deadline: errors.Is(err, context.DeadlineExceeded),
				Canceled: errors.Is(err, context.Canceled),
				Broken:   errors.Is(err, errBroken),
				Coded:    errors.As(err, new(coded)),
				Unwraps:  errors.Unwrap(err) != nil,
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// If Is looks into an error that Unwrap returns as well, each wrapper doubles
// the work.
func TestError_calledOncePerWrapper(t *testing.T) {
	calls := 0
	err := error(counting{&calls})
	for range 20 {
		err = fail.MaybeSent(fail.NotSent(err))
	}
	calls = 0
	if errors.Is(err, errBroken) || calls != 1 {
		t.Errorf("errors.Is called the innermost error %d times, want once", calls)
	}
}

type counting struct{ calls *int }

func (c counting) Error() string { return "counting" }
func (c counting) Is(error) bool { *c.calls++; return false }

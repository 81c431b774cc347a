package recipes_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/sony/gobreaker/v2"

	"github.com/abreast-go/abreast/client"
)

// WARNINGS.md's facts about github.com/sony/gobreaker.

// behind is next behind a gobreaker, whose rule about errors is told those of
// canceled requests as the context has them, if plain is set, or else as
// net/http does.
func behind(b *gobreaker.CircuitBreaker[*http.Response], next http.RoundTripper, plain bool) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		return b.Execute(func() (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.StatusCode >= 500 {
				return resp, errors.New(resp.Status)
			}
			if plain && r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			return resp, err
		})
	})
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

func TestGobreaker_countsLosers(t *testing.T) {
	six := func(s step) []step { return []step{s, s, s, s, s, s} } // its default is more than 5 in a row
	counts := func(requests, failed, excluded uint32) gobreaker.Counts {
		return gobreaker.Counts{Requests: requests, TotalFailures: failed, ConsecutiveFailures: failed, TotalExclusions: excluded}
	}
	type state struct {
		State  string
		Counts gobreaker.Counts
	}
	for name, tc := range map[string]struct {
		settings gobreaker.Settings
		plain    bool
		steps    []step
		want     state
	}{
		"by default":                               {gobreaker.Settings{}, false, six(lost), state{"open", counts(0, 0, 0)}},
		"IsExcluded":                               {gobreaker.Settings{IsExcluded: isCanceled}, false, six(lost), state{"closed", counts(6, 0, 6)}},
		"IsExcluded, and the block is left":        {gobreaker.Settings{IsExcluded: isCanceled}, false, six(left), state{"closed", counts(6, 0, 6)}},
		"IsExcluded, and the caller's own cause":   {gobreaker.Settings{IsExcluded: isCanceled}, false, six(gone), state{"open", counts(0, 0, 0)}},
		"IsExcluded of the context's error":        {gobreaker.Settings{IsExcluded: isCanceled}, true, six(gone), state{"closed", counts(6, 0, 6)}},
		"IsExcluded doesn't end a row of failures": {gobreaker.Settings{IsExcluded: isCanceled}, false, []step{failed, lost, failed}, state{"closed", counts(3, 2, 1)}},
		"IsSuccessful ends it":                     {gobreaker.Settings{IsSuccessful: func(err error) bool { return err == nil || isCanceled(err) }}, false, []step{failed, failed, lost}, state{"closed", gobreaker.Counts{Requests: 3, TotalSuccesses: 1, TotalFailures: 2, ConsecutiveSuccesses: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := gobreaker.NewCircuitBreaker[*http.Response](tc.settings)
				c := client.Client{HTTP: &http.Client{Transport: behind(b, broken(t).Transport, tc.plain)}}
				for _, step := range tc.steps {
					step(t, &c)
				}
				if diff := cmp.Diff(tc.want, state{b.State().String(), b.Counts()}); diff != "" {
					t.Errorf("the breaker (-want +got):\n%s", diff)
				}
			})
		})
	}
}

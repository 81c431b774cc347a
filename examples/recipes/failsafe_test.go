package recipes_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
)

// WARNINGS.md's facts about github.com/failsafe-go/failsafe-go: why
// recipes.Retry is more than its retry policy, and recipes.Breaker not its
// executor.

// failsafehttp's policy by itself, with a server that refuses a POST twice and
// asks for a day each time.
func TestFailsafe_retriesPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		server := &turned{status: []int{503, 429, 200}, retryAfter: fmt.Sprint(day.Seconds())}
		s := testnet.New(t, server)
		policy := failsafehttp.NewRetryPolicyBuilder().Build()
		c := client.Client{Timeout: -1, HTTP: &http.Client{Transport: failsafehttp.NewRoundTripper(s.Transport, policy)}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Post("http://h/", parallel.Form(nil)).Bytes(); err != nil {
				t.Error(err)
			}
			return nil
		})
		if diff := cmp.Diff([]string{"POST ", "POST ", "POST "}, server.asked); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 2*day {
			t.Errorf("they took %v; want 48h", took)
		}
		if s.Dials() != 3 {
			t.Errorf("%d connections; want 3, since an answer that is not used is left open", s.Dials())
		}
	})
}

// After the last attempt, failsafehttp returns an error instead of the
// response.
func TestFailsafe_hidesLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, &turned{status: []int{503}})
		policy := failsafehttp.NewRetryPolicyBuilder().Build()
		c := client.Client{HTTP: &http.Client{Transport: failsafehttp.NewRoundTripper(s.Transport, policy)}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); !errors.Is(err, retrypolicy.ErrExceeded) {
				t.Errorf("%v; want %v", err, retrypolicy.ErrExceeded)
			}
			return nil
		})
	})
}

// To failsafe-go's executor what is not a failure is a success: so a canceled
// loser ends a row of failures, and closes a breaker that is half open. That is
// why recipes.Breaker asks the breaker itself.
func TestFailsafe_loserIsSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		handle func(*http.Response, error) bool
		steps  []step
		want   string
	}{
		"by default it is a failure":  {nil, []step{lost, lost, lost}, "open"},
		"told not to count it":        {notCanceled, []step{lost, lost, lost}, "closed"},
		"the caller's own cause":      {notCanceled, []step{gone, gone, gone}, "open"},
		"it ends a row of failures":   {notCanceled, []step{failed, failed, lost, failed}, "closed"},
		"it closes what is half open": {notCanceled, []step{failed, failed, failed, wait, lost}, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				builder := circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(3).WithSuccessThreshold(1)
				if tc.handle != nil {
					builder = builder.HandleIf(tc.handle)
				}
				b := builder.WithDelay(10 * time.Second).Build()
				c := client.Client{HTTP: &http.Client{Transport: failsafehttp.NewRoundTripper(broken(t).Transport, b)}}
				for _, step := range tc.steps {
					step(t, &c)
				}
				if got := b.State().String(); got != tc.want {
					t.Errorf("the breaker is %s; want %s", got, tc.want)
				}
			})
		})
	}
}

func notCanceled(resp *http.Response, err error) bool {
	return err != nil && !isCanceled(err) || err == nil && resp.StatusCode >= 500
}

// failsafehttp hedges a POST as it does a GET, and takes a 503 that comes first.
func TestFailsafe_hedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slow{came: make(map[string]int)}
		policy := hedgepolicy.NewWithDelay[*http.Response](10 * time.Millisecond)
		c := client.Client{HTTP: &http.Client{Transport: failsafehttp.NewRoundTripper(testnet.New(t, server).Transport, policy)}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			resp, err := p.Post("http://h/?100ms,10ms:503", parallel.JSON(7)).Response()
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusServiceUnavailable || len(server.all()) != 2 {
				t.Errorf("status %d after %d requests; want 503 after 2", resp.StatusCode, len(server.all()))
			}
			if stats := p.Stats(); stats.Done != 1 {
				t.Errorf("Stats() = %+v; want one request, since the policy is within its slot", stats)
			}
			return nil
		})
	})
}

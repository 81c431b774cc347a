package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// WARNINGS.md's facts about github.com/hashicorp/go-retryablehttp.

// retryable is its transport over another, without a log.
func retryable(next http.RoundTripper) *http.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient.Transport = next
	c.Logger = nil
	return &http.Client{Transport: &retryablehttp.RoundTripper{Client: c}}
}

// keepsIdle has no CloseIdleConnections for http.Client to find.
type keepsIdle struct{ http.RoundTripper }

func TestRetryablehttp_closesIdleConnections(t *testing.T) {
	for name, tc := range map[string]struct {
		path string
		wrap func(http.RoundTripper) http.RoundTripper
		want int // connections left of 10 that were idle
	}{
		"canceled between attempts":  {"/503", func(t http.RoundTripper) http.RoundTripper { return t }, 0},
		"canceled in flight":         {"/hangs", func(t http.RoundTripper) http.RoundTripper { return t }, 0},
		"where it can't, in between": {"/503", func(t http.RoundTripper) http.RoundTripper { return keepsIdle{t} }, 10},
		"where it can't, in flight":  {"/hangs", func(t http.RoundTripper) http.RoundTripper { return keepsIdle{t} }, 9}, // its own
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/503":
						w.WriteHeader(http.StatusServiceUnavailable)
					case "/hangs":
						<-r.Context().Done()
					default:
						<-time.After(time.Second) // so that each has a connection of its own
					}
				}))
				c := client.Client{HTTP: retryable(tc.wrap(s.Transport))}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					hs := make([]*pending.Pending, 10)
					for i := range hs {
						hs[i] = p.Get("http://h/")
					}
					if _, err := pending.All(hs...); err != nil {
						t.Error(err)
					}
					h := p.Get("http://h" + tc.path)
					synctest.Wait()
					if s.Open() != 10 {
						t.Errorf("%d connections, want 10", s.Open())
					}
					h.Cancel()
					h.Response()
					return nil
				})
				synctest.Wait()
				if got := s.Open(); got != tc.want {
					t.Errorf("%d connections are left of 10; want %d", got, tc.want)
				}
			})
		})
	}
}

func TestRetryablehttp_unboundedRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		s := testnet.New(t, &turned{status: []int{429, 200, 429}, retryAfter: fmt.Sprint(day.Seconds())})
		c := client.Client{HTTP: retryable(s.Transport)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			resp, err := p.Get("http://h/", parallel.Timeout(-1)).Response()
			if err != nil || resp.StatusCode != http.StatusOK || time.Since(start) != day {
				t.Errorf("after %v: %v, %v; want an answer after a day", time.Since(start), resp, err)
			}
			start = time.Now()
			_, err = p.Get("http://h/").Response()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
				t.Errorf("after %v: %v; want the Timeout after 30s, with the slot held until then", time.Since(start), err)
			}
			return nil
		})
	})
}

// After the last attempt the answer is gone: there is an error in its place,
// which is not a *pending.StatusError.
func TestRetryablehttp_hidesLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, &turned{status: []int{503}})
		c := client.Client{HTTP: retryable(s.Transport)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			resp, err := p.Get("http://h/").Response()
			if err == nil {
				t.Errorf("%v; want an error", resp.Status)
			}
			return nil
		})
	})
}

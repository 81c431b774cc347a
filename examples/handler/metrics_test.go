package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Each way for a request to end, and where it is counted.
func TestMetrics_outcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(s *shop, ctx context.Context)
		want string
	}{
		"done": {
			func(s *shop, ctx context.Context) { get(ctx, s, "/product/7") },
			`
			shop_requests_total{outcome="done",service="price"} 1
			shop_requests_total{outcome="done",service="recommendations"} 1
			shop_requests_total{outcome="done",service="reviews"} 1
			`,
		},
		"timed out": {
			func(s *shop, ctx context.Context) { get(ctx, s, "/product/3") },
			`
			shop_requests_total{outcome="done",service="price"} 1
			shop_requests_total{outcome="done",service="recommendations"} 1
			shop_requests_total{outcome="timed_out",service="reviews"} 1
			`,
		},
		"failed": {
			func(s *shop, ctx context.Context) {
				for range 3 { // of which the last has no recommendations
					get(ctx, s, "/product/7")
				}
			},
			`
			shop_requests_total{outcome="done",service="price"} 3
			shop_requests_total{outcome="done",service="recommendations"} 2
			shop_requests_total{outcome="failed",service="recommendations"} 1
			shop_requests_total{outcome="done",service="reviews"} 3
			`,
		},
		"canceled": {
			func(s *shop, ctx context.Context) {
				ctx, leave := context.WithCancel(ctx)
				time.AfterFunc(100*time.Millisecond, leave)
				get(ctx, s, "/product/7")
			},
			`
			shop_requests_total{outcome="done",service="price"} 1
			shop_requests_total{outcome="canceled",service="recommendations"} 1
			shop_requests_total{outcome="canceled",service="reviews"} 1
			`,
		},
		"not sent": {
			func(s *shop, ctx context.Context) {
				ctx, leave := context.WithCancel(ctx)
				leave()
				get(ctx, s, "/product/7")
			},
			`
			shop_requests_total{outcome="not_sent",service="price"} 1
			shop_requests_total{outcome="not_sent",service="recommendations"} 1
			shop_requests_total{outcome="not_sent",service="reviews"} 1
			`,
		},
		"in both ways": {
			func(s *shop, ctx context.Context) { get(ctx, s, "/compare") },
			`
			shop_requests_total{outcome="done",service="price"} 2
			shop_requests_total{outcome="done",service="recommendations"} 2
			shop_requests_total{outcome="done",service="reviews"} 2
			`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newShop(t, services())
				tt.run(s, t.Context())
				want := "# HELP shop_requests_total Requests to services that are done: done, failed (also with a status outside 2xx), timed_out, canceled or not_sent.\n# TYPE shop_requests_total counter" +
					strings.ReplaceAll(tt.want, "\t", "")
				if err := testutil.GatherAndCompare(s.metrics.registry, strings.NewReader(want), "shop_requests_total"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestMetrics_inFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		inFlight := func() (n [3]float64) {
			for i, service := range []string{"price", "recommendations", "reviews"} {
				n[i] = testutil.ToFloat64(s.metrics.inFlight.WithLabelValues(service))
			}
			return n
		}
		go get(t.Context(), s, "/product/7")
		for _, at := range []struct {
			later time.Duration
			want  [3]float64
		}{
			{20 * time.Millisecond, [3]float64{1, 1, 1}},
			{40 * time.Millisecond, [3]float64{0, 1, 1}}, // at 60ms
			{80 * time.Millisecond, [3]float64{0, 0, 1}}, // at 140ms
			{40 * time.Millisecond, [3]float64{0, 0, 0}}, // at 180ms
		} {
			<-time.After(at.later)
			synctest.Wait()
			if got := inFlight(); got != at.want {
				t.Errorf("%v in flight, want %v", got, at.want)
			}
		}
	})
}

// Time in the queue and time from the send, apart: one after another the last
// request waits for 200ms, and then takes its 120ms.
func TestMetrics_queueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		c := s.client
		c.Limit = 1
		if _, err := s.gather(t.Context(), &c, 7); err != nil {
			t.Fatal(err)
		}
		page, _ := get(t.Context(), s, "/metrics")
		for _, line := range []string{
			`shop_request_queue_seconds_sum{service="price"} 0`,
			`shop_request_queue_seconds_sum{service="reviews"} 0.04`,
			`shop_request_queue_seconds_sum{service="recommendations"} 0.2`,
			`shop_request_duration_seconds_sum{service="price"} 0.04`,
			`shop_request_duration_seconds_sum{service="reviews"} 0.16`,
			`shop_request_duration_seconds_sum{service="recommendations"} 0.12`,
			`shop_request_queue_seconds_bucket{service="recommendations",le="0.1"} 0`,
			`shop_request_queue_seconds_bucket{service="recommendations",le="0.25"} 1`,
		} {
			if !strings.Contains(page.Body.String(), line+"\n") {
				t.Errorf("there is no line %s", line)
			}
		}
		if page.Code != http.StatusOK || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
			t.Errorf("status %d, %v", page.Code, page.Header())
		}
		if t.Failed() {
			t.Log(page.Body)
		}
	})
}

// The labels do not depend on what visitors ask for.
func TestMetrics_labels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		for _, path := range []string{"/product/1", "/product/2", "/product/999", "/product/x", "/product/7?service=mine", "/other"} {
			get(t.Context(), s, path)
		}
		if n := testutil.CollectAndCount(s.metrics.inFlight); n != 3 {
			t.Errorf("%d services are counted, want 3", n)
		}
	})
}

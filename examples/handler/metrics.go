package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/abreast-go/abreast/pending"
)

// metrics count the requests to services. A label has a few known values: it is
// never a URL or the input of a visitor.
type metrics struct {
	registry       *prometheus.Registry
	requests       *prometheus.CounterVec
	inFlight       *prometheus.GaugeVec
	queue, seconds *prometheus.HistogramVec
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	with, service := promauto.With(registry), []string{"service"}
	return &metrics{
		registry: registry,
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_requests_total",
			Help: "Requests to services that are done: done, failed (also with a status outside 2xx), timed_out, canceled or not_sent.",
		}, []string{"service", "outcome"}),
		inFlight: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_requests_in_flight",
			Help: "Requests to services that were made and are not done, including queued ones.",
		}, service),
		queue: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_request_queue_seconds",
			Help: "How long requests were queued.",
		}, service),
		seconds: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_request_duration_seconds",
			Help: "How long requests took, from when they were sent until they were done.",
		}, service),
	}
}

// observe is for Client.Observe. It counts a request.
func (m *metrics) observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	service := r.URL.Host // one of three: gather has all URLs
	m.inFlight.WithLabelValues(service).Inc()
	return nil, func(o pending.Outcome) {
		m.inFlight.WithLabelValues(service).Dec()
		m.requests.WithLabelValues(service, outcome(o)).Inc()
		if !o.Sent.IsZero() {
			m.queue.WithLabelValues(service).Observe(o.Sent.Sub(o.Made).Seconds())
			m.seconds.WithLabelValues(service).Observe(o.Done.Sub(o.Sent).Seconds())
		}
	}
}

// outcome returns one of five words. A request that was not sent is "not_sent"
// even if it timed out or was canceled, as no service saw it.
func outcome(o pending.Outcome) string {
	switch {
	case errors.Is(o.Err, pending.ErrNotSent):
		return "not_sent"
	case errors.Is(o.Err, context.DeadlineExceeded):
		return "timed_out"
	case errors.Is(o.Err, context.Canceled):
		return "canceled"
	case o.Err != nil, o.Response.StatusCode/100 != 2:
		return "failed"
	}
	return "done"
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

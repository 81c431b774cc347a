package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// A measure is one column of the results. It reads a number from an outcome, or
// 0 if the number is unknown.
type measure struct {
	name string
	of   func(outcome) float64
	text func(float64) string
}

var (
	wall   = measure{"wall", func(o outcome) float64 { return float64(o.WallNS) }, duration}
	cpu    = measure{"client CPU", func(o outcome) float64 { return float64(o.CPUNS) }, duration}
	rss    = measure{"peak RSS", func(o outcome) float64 { return float64(o.PeakRSS) }, size}
	p50    = measure{"p50 of a block", func(o outcome) float64 { return float64(o.BlockP50NS) }, duration}
	p99    = measure{"p99 of a block", func(o outcome) float64 { return float64(o.BlockP99NS) }, duration}
	queued = measure{"queued, each", func(o outcome) float64 { return o.Queued }, size}

	allocs         = measure{"allocations a request", func(o outcome) float64 { return perRequest(o, o.Mallocs) }, tenths}
	bytesAllocated = measure{"bytes a request", func(o outcome) float64 { return perRequest(o, o.Bytes) }, size}
	connections    = measure{"connections", func(o outcome) float64 { return float64(o.upstream.Connections) }, number}
)

// perRequest divides n by the number of requests.
func perRequest(o outcome, n int64) float64 { return float64(n) / float64(max(o.Bodies, 1)) }

func duration(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d < 10*time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func size(bytes float64) string {
	if bytes < 0 {
		return "-" + size(-bytes)
	}
	return humanize.IBytesN(uint64(bytes), 3)
}

func number(n float64) string { return humanize.Comma(int64(n)) }

func tenths(n float64) string { return fmt.Sprintf("%.1f", n) }

func ratio(r float64) string { return fmt.Sprintf("%.2f", r) }

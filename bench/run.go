package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"gonum.org/v1/gonum/stat"
)

// An outcome is the result of one run: what one contender needed for one
// scenario. A contender prints it as one line of JSON.
type outcome struct {
	Bodies  int64 `json:"bodies"` // the number that arrived and were right
	WallNS  int64 `json:"wall_ns"`
	CPUNS   int64 `json:"cpu_ns"`  // user and system
	Mallocs int64 `json:"mallocs"` // 0 if unknown, as are the fields below
	Bytes   int64 `json:"bytes"`   // allocated in total
	PeakRSS int64 `json:"peak_rss"`

	// RSS is the memory in use after each hundredth of the requests, in bytes.
	// It is nil if that is not measured.
	RSS []int64 `json:"rss,omitempty"`

	BlockP50NS int64   `json:"block_p50_ns"`
	BlockP99NS int64   `json:"block_p99_ns"`
	Queued     float64 `json:"queued"` // bytes for one queued request

	upstream counts
}

// run has the role of a contender: it does the work of one scenario and prints
// the outcome.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	contender := flags.String("contender", "", "`name` of the contender")
	scenario := flags.String("scenario", "", "`name` of the scenario")
	scale := flags.Float64("scale", 1, "`part` of the requests to send")
	var at addresses
	flags.StringVar(&at.Plain, "plain", "", "http `URL` of the upstream")
	flags.StringVar(&at.TLS, "tls", "", "https `URL` of the upstream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := contenderNamed(*contender)
	if err != nil {
		return err
	}
	s, err := scenarioNamed(*scenario)
	if err != nil {
		return err
	}
	s = s.scaled(*scale)
	o, err := c.do(ctx, work{scenario: s, url: s.url(at)})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// do does the work and measures it. Checking the bodies is included, for all
// contenders alike.
func (c contender) do(ctx context.Context, w work) (outcome, error) {
	want := content(w.size)
	var right, wrong atomic.Int64
	curve := newCurve(w.scenario)
	take := func(body []byte) {
		if isContent(body, want) {
			curve.passed(right.Add(1))
		} else {
			wrong.Add(1)
		}
	}
	took := make([]float64, 0, w.blocks)

	start, err := usageNow()
	if err != nil {
		return outcome{}, err
	}
	block := c.open(w)
	for range w.blocks {
		began := time.Now()
		if err := block(ctx, take); err != nil {
			return outcome{}, err
		}
		took = append(took, float64(time.Since(began)))
	}
	end, err := usageNow()
	if err != nil {
		return outcome{}, err
	}

	if n := wrong.Load(); n > 0 {
		return outcome{}, fmt.Errorf("%d bodies differ from what the upstream sent", n)
	}
	slices.Sort(took)
	o := outcome{
		Bodies:     right.Load(),
		WallNS:     int64(end.at.Sub(start.at)),
		CPUNS:      int64(end.cpu - start.cpu),
		PeakRSS:    end.peakRSS,
		RSS:        curve.rss,
		BlockP50NS: int64(stat.Quantile(0.50, stat.Empirical, took, nil)),
		BlockP99NS: int64(stat.Quantile(0.99, stat.Empirical, took, nil)),
	}
	if !c.foreign {
		o.Mallocs, o.Bytes = int64(end.mallocs-start.mallocs), int64(end.bytes-start.bytes)
	}
	if c.queued != nil {
		o.Queued, err = c.queued(w)
	}
	return o, err
}

// isContent compares the length, and all bytes of a small body. Of a large body
// it compares both ends: reading 4 MiB again would be a good part of what is
// measured.
func isContent(body, want []byte) bool {
	if len(body) != len(want) {
		return false
	}
	n := min(len(body), 64*kib)
	return bytes.Equal(body[:n], want[:n]) && bytes.Equal(body[len(body)-n:], want[len(want)-n:])
}

// check returns an error unless each request was sent once and each body
// arrived.
func (o outcome) check(s scenario) error {
	n := int64(s.requests())
	var errs []error
	if o.Bodies != n {
		errs = append(errs, fmt.Errorf("got %d bodies, want %d", o.Bodies, n))
	}
	if o.upstream.Requests != n {
		errs = append(errs, fmt.Errorf("the upstream got %d requests, want %d", o.upstream.Requests, n))
	}
	return errors.Join(errs...)
}

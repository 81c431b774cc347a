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

// An outcome is what one contender took for one scenario, and what it printed of it:
// one line of JSON.
type outcome struct {
	Bodies  int64 `json:"bodies"` // that came and were right
	WallNS  int64 `json:"wall_ns"`
	CPUNS   int64 `json:"cpu_ns"`  // user and system
	Mallocs int64 `json:"mallocs"` // 0: not known; so too below
	Bytes   int64 `json:"bytes"`   // allocated in all
	PeakRSS int64 `json:"peak_rss"`

	BlockP50NS int64   `json:"block_p50_ns"`
	BlockP99NS int64   `json:"block_p99_ns"`
	Queued     float64 `json:"queued"` // bytes of one queued request

	upstream counts
}

// run is the role of a contender.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	contender := flags.String("contender", "", "the contender's `name`")
	scenario := flags.String("scenario", "", "the scenario's `name`")
	scale := flags.Float64("scale", 1, "the `part` of its requests")
	var at addresses
	flags.StringVar(&at.Plain, "plain", "", "the upstream's http `URL`")
	flags.StringVar(&at.TLS, "tls", "", "the upstream's https `URL`")
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

// do does the work and measures it. What the harness does meanwhile is part of it, for
// all alike: it looks at each body and drops it.
func (c contender) do(ctx context.Context, w work) (outcome, error) {
	want := content(w.size)
	var right, wrong atomic.Int64
	take := func(body []byte) {
		if isContent(body, want) {
			right.Add(1)
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
		begun := time.Now()
		if err := block(ctx, take); err != nil {
			return outcome{}, err
		}
		took = append(took, float64(time.Since(begun)))
	}
	end, err := usageNow()
	if err != nil {
		return outcome{}, err
	}

	if n := wrong.Load(); n > 0 {
		return outcome{}, fmt.Errorf("%d bodies are not what the upstream sent", n)
	}
	slices.Sort(took)
	o := outcome{
		Bodies:     right.Load(),
		WallNS:     int64(end.at.Sub(start.at)),
		CPUNS:      int64(end.cpu - start.cpu),
		PeakRSS:    end.peakRSS,
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

// isContent looks at the length, and at all of a small body. Of a large one it looks
// at both ends: to read 4 MiB once more would be a good part of what is measured.
func isContent(body, want []byte) bool {
	if len(body) != len(want) {
		return false
	}
	n := min(len(body), 64*kib)
	return bytes.Equal(body[:n], want[:n]) && bytes.Equal(body[len(body)-n:], want[len(want)-n:])
}

// check says what is not as it must be: each request sent once, each body there.
func (o outcome) check(s scenario) error {
	n := int64(s.requests())
	var errs []error
	if o.Bodies != n {
		errs = append(errs, fmt.Errorf("%d bodies came, of %d", o.Bodies, n))
	}
	if o.upstream.Requests != n {
		errs = append(errs, fmt.Errorf("%d requests came to the upstream, of %d", o.upstream.Requests, n))
	}
	return errors.Join(errs...)
}

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/upstream"
)

// A demo is an upstream and the number of failures that it plants.
type demo struct {
	*upstream.Upstream
	items    []upstream.Item
	retries  int
	failures uint64
}

// startDemo starts an upstream. In the first half, one URL in a hundred has a
// fault: it is not found, or fails once or always.
func startDemo(o options) (*demo, error) {
	d := &demo{items: make([]upstream.Item, o.n), retries: o.retries}
	rng := rand.New(rand.NewPCG(1, 300))
	for i := range d.items {
		item := &d.items[i]
		*item = upstream.Item{Status: 200, Bytes: rng.Int64N(4 << 10), Latency: time.Duration(rng.Float64() * float64(o.latency))}
		if i >= o.n/2 {
			continue
		}
		switch i % 400 {
		case 50:
			item.Status = 404
			d.failures++
		case 150:
			item.Fault, item.Once = upstream.Busy, true
		case 250:
			item.Fault, item.Once = upstream.Reset, true
		case 350:
			item.Fault = upstream.Busy
			d.failures++
		}
	}
	var err error
	if d.Upstream, err = upstream.Start(o.listen, d.items); err != nil {
		return nil, fmt.Errorf("the demo's upstream: %w", err)
	}
	fmt.Fprintf(os.Stderr, "upstream       %d URLs on %s; answers take up to %v\n", o.n, d.Address, o.latency)
	return d, nil
}

// serveDemo runs -role upstream.
func serveDemo(ctx context.Context, o options) error {
	d, err := startDemo(o)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := io.Copy(os.Stdout, d.list()); err != nil {
		return err
	}
	<-ctx.Done()
	d.count()
	return nil
}

// list returns the URLs, one on each line.
func (d *demo) list() io.Reader {
	var b strings.Builder
	for i := range d.items {
		fmt.Fprintln(&b, d.URL(i))
	}
	return strings.NewReader(b.String())
}

// count prints how often URLs were fetched again without need.
func (d *demo) count() {
	again := 0
	for i, item := range d.items {
		want := 1
		switch {
		case item.Once:
			want = 2
		case item.Fault != upstream.None:
			want = 1 + d.retries
		}
		again += max(0, int(d.Asked(i))-want)
	}
	fmt.Fprintf(os.Stderr, "fetched twice  %d URLs, by the upstream's count\n", again)
}

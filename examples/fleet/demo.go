package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/abreast-go/abreast/cmd/abreast/upstream"
)

// A demo is an upstream that counts its requests.
type demo struct {
	*upstream.Upstream
	items []upstream.Item
}

// startDemo starts an upstream. In the first half, one URL in a hundred has a
// fault: it is not found, or fails once.
func startDemo(o options) (*demo, error) {
	d := &demo{items: make([]upstream.Item, o.n)}
	for i := range d.items {
		item := upstream.Item{Status: 200, Bytes: rand.Int64N(4 << 10), Latency: rand.N(o.latency + 1)}
		switch {
		case i >= o.n/2:
		case i%200 == 50:
			item.Status = 404
		case i%400 == 150:
			item.Fault, item.Once = upstream.Busy, true
		case i%400 == 350:
			item.Fault, item.Once = upstream.Reset, true
		}
		d.items[i] = item
	}
	var err error
	if d.Upstream, err = upstream.Start(o.listen.String(), d.items); err != nil {
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
	var again int64
	for i, item := range d.items {
		again += max(0, d.Asked(i)-1)
		if item.Once && d.Asked(i) > 1 {
			again--
		}
	}
	fmt.Fprintf(os.Stderr, "fetched twice  %d URLs, by the upstream's count\n", again)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// collect runs -role collect.
func collect(ctx context.Context, o options) error {
	return newCollector(os.Stdout).collect(ctx, o)
}

// A collector writes the results of a job and counts them.
type collector struct {
	out      *lines.Writer
	begun    time.Time
	seen     []bool        // which URLs have a result, by number
	lost     uint64        // URLs that will have no result
	again    uint64        // second results
	total    atomic.Uint64 // URLs in the list; 0 until it is known
	results  atomic.Uint64
	failures atomic.Uint64 // results that are failures
}

func newCollector(w io.Writer) *collector {
	return &collector{out: lines.NewWriter(w), begun: time.Now()}
}

// collect reads the results, from the first, until each URL of the list has one
// or none is left to come. The engine keeps them, so a second collector gets
// the same.
func (c *collector) collect(ctx context.Context, o options) error {
	j, err := connect(ctx, o, "collect")
	if err != nil {
		return err
	}
	defer j.conn.Close()
	if err := j.find(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	go c.progress(done)
	defer c.print()
	defer close(done)
	consumer, err := j.js.OrderedConsumer(ctx, j.name+"-results", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	// In a cluster, the server that has the consumer may stop while ours goes
	// on. That is noticed after two missed heartbeats, if Next waits for longer
	// than that.
	messages, err := consumer.Messages(jetstream.PullHeartbeat(500 * time.Millisecond))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for last := uint64(0); c.total.Load() == 0 || c.results.Load() < c.total.Load(); {
		m, err := messages.Next(jetstream.NextMaxWait(2 * time.Second))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrTimeout):
			if c.total.Load() > 0 && j.idle(ctx, last) {
				c.lost = c.total.Load() - c.results.Load()
				return errors.New("some URLs have no result")
			}
			continue
		case err != nil:
			return fmt.Errorf("reading the results: %w", err)
		}
		if meta, err := m.Metadata(); err == nil {
			last = meta.Sequence.Stream
		}
		if err := c.add(j.name, m); err != nil {
			return fmt.Errorf("the result %s: %w", m.Subject(), err)
		}
	}
	if c.again > 0 {
		return errors.New("some URLs have more than one result")
	}
	return nil
}

// idle reports whether the queue is empty and last is the sequence of the last
// result. Then no more will come: a URL leaves the queue when its result is
// stored.
func (j *job) idle(ctx context.Context, last uint64) bool {
	queue, err := j.urls.Info(ctx)
	if err != nil || queue.State.Msgs > 0 {
		return false
	}
	results, err := j.results.Info(ctx)
	return err == nil && results.State.LastSeq == last
}

// add counts and writes a result of the job name, or notes the number of URLs.
func (c *collector) add(name string, m jetstream.Msg) error {
	number, isResult := strings.CutPrefix(m.Subject(), name+".result.")
	if !isResult {
		number = string(m.Data()) // of URLs
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return err
	}
	if !isResult {
		c.total.Store(n)
		return nil
	}
	var r result
	if err := json.Unmarshal(m.Data(), &r); err != nil {
		return err
	}
	for uint64(len(c.seen)) <= n {
		c.seen = append(c.seen, false)
	}
	if c.seen[n] {
		c.again++
		return nil
	}
	c.seen[n] = true
	c.results.Add(1)
	if r.Kind != "" {
		c.failures.Add(1)
	}
	return c.out.Write(r)
}

// progress prints String every five seconds.
func (c *collector) progress(done chan struct{}) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintln(os.Stderr, c)
		case <-done:
			return
		}
	}
}

func (c *collector) String() string {
	n, of := c.results.Load(), ""
	if total := c.total.Load(); total > 0 {
		of = fmt.Sprintf(" of %d", total)
	}
	return fmt.Sprintf("%d%s, of which %d are failures; %.0f a second", n, of, c.failures.Load(), float64(n)/time.Since(c.begun).Seconds())
}

// print prints the final counts.
func (c *collector) print() {
	fmt.Fprintf(os.Stderr, "results        %v; took %v\n", c, time.Since(c.begun).Round(100*time.Millisecond))
	fmt.Fprintf(os.Stderr, "lost           %d\n", c.lost)
	fmt.Fprintf(os.Stderr, "twice          %d in the results\n", c.again)
}

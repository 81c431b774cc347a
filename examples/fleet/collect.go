package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A tally counts the results of a job.
type tally struct {
	begun    time.Time
	seen     []bool // which lines have a result, by number
	total    uint64 // URLs in the list; 0 until it is known
	results  uint64
	failures uint64 // results that are failures
	lost     uint64 // URLs that will have no result
	again    uint64 // second results
}

// collect writes the results, from the first, until each URL of the list has
// one or none is left to come. The engine keeps them, so a second collector
// gets the same.
func (j *job) collect(ctx context.Context) error {
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
	defer context.AfterFunc(ctx, messages.Stop)()
	t := &tally{begun: time.Now()}
	defer t.print()
	out := lines.NewWriter(os.Stdout)
	for told := t.begun; t.total == 0 || t.results < t.total; {
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			fmt.Fprintln(os.Stderr, t)
		}
		m, err := messages.Next(jetstream.NextMaxWait(2 * time.Second))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrTimeout):
			if t.total > 0 && j.isIdle(ctx, t.results) {
				t.lost = t.total - t.results
				return errors.New("some URLs have no result")
			}
		case err != nil:
			return fmt.Errorf("reading the results: %w", err)
		default:
			if err := t.add(m, out); err != nil {
				return fmt.Errorf("the result %s: %w", m.Subject(), err)
			}
		}
	}
	if t.again > 0 {
		return errors.New("some URLs have more than one result")
	}
	return nil
}

// isIdle reports whether the queue is empty, and no more results are stored
// than were read. Then no more will come: a URL leaves the queue when its
// result is stored.
func (j *job) isIdle(ctx context.Context, read uint64) bool {
	queue, err := j.urls.Info(ctx)
	if err != nil || queue.State.Msgs > 0 {
		return false
	}
	results, err := j.results.Info(ctx)
	return err == nil && results.State.Msgs == read+1 // one has the number of URLs
}

// add counts a result and writes it, or notes the number of URLs.
func (t *tally) add(m jetstream.Msg, out *lines.Writer) error {
	if strings.HasSuffix(m.Subject(), ".total") {
		t.total, _ = strconv.ParseUint(string(m.Data()), 10, 64) // 0 if it is empty
		return nil
	}
	var r result
	if err := json.Unmarshal(m.Data(), &r); err != nil {
		return err
	}
	for len(t.seen) <= r.Line {
		t.seen = append(t.seen, false)
	}
	if t.seen[r.Line] {
		t.again++
		return nil
	}
	t.seen[r.Line] = true
	t.results++
	if r.Kind != "" {
		t.failures++
	}
	return out.Write(r)
}

func (t *tally) String() string {
	of := ""
	if t.total > 0 {
		of = fmt.Sprintf(" of %d", t.total)
	}
	return fmt.Sprintf("%d%s, of which %d are failures; %.0f a second", t.results, of, t.failures, float64(t.results)/time.Since(t.begun).Seconds())
}

func (t *tally) print() {
	fmt.Fprintf(os.Stderr, "results        %v; took %v\n", t, time.Since(t.begun).Round(100*time.Millisecond))
	fmt.Fprintf(os.Stderr, "lost           %d\n", t.lost)
	fmt.Fprintf(os.Stderr, "twice          %d in the results\n", t.again)
}

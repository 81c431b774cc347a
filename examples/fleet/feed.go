package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// feed runs -role feed. It may be killed at any time and started again.
func feed(ctx context.Context, o options) error {
	signal.Reset() // it may be waiting for input when a signal comes
	list, err := openList(o.file)
	if err != nil {
		return err
	}
	j, err := openFeed(ctx, o)
	if err != nil {
		return err
	}
	defer j.conn.Close()
	return j.feed(ctx, list)
}

func openList(name string) (io.Reader, error) {
	if name == "-" {
		return os.Stdin, nil
	}
	return os.Open(name)
}

// openFeed creates the job unless it exists, and removes its total: from now on
// the number of URLs is unknown.
func openFeed(ctx context.Context, o options) (*job, error) {
	j, err := connect(ctx, o, "feed")
	if err != nil {
		return nil, err
	}
	if err = j.create(ctx, o); err == nil {
		err = j.results.Purge(ctx, jetstream.WithPurgeSubject(j.name+".total"))
	}
	if err != nil {
		j.conn.Close()
		return nil, fmt.Errorf("making the job %s: %w", o.job, err)
	}
	return j, nil
}

// feed puts the URLs of a list on the queue, except those that it was fed
// before, and then stores their number.
func (j *job) feed(ctx context.Context, list io.Reader) error {
	there, err := j.fed(ctx)
	if err != nil {
		return err
	}
	var n uint64 // URLs read
	var chunk []string
	for r, ended := lines.NewReader(list, maxLine), false; !ended; {
		number, line, err := r.Next()
		if ended = err == io.EOF; err != nil && !ended {
			return err
		}
		if line != "" {
			if n++; n > there {
				chunk = append(chunk, fmt.Sprint(number, " ", line))
			} else if n == there {
				if err := j.sameAs(ctx, n, lines.Parse(number, line, maxLine)); err != nil {
					return err
				}
			}
		}
		// Don't hold back URLs of a slow pipe until the chunk is full.
		if len(chunk) == 1000 || r.Waits() || ended {
			if err := j.put(ctx, n-uint64(len(chunk))+1, chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	switch {
	case n == 0:
		return errors.New("there is no URL in the list")
	case n < there:
		return fmt.Errorf("the list has %d URLs, and the job %s was fed %d: another list needs a -job name of its own", n, j.name, there)
	}
	fmt.Fprintf(os.Stderr, "fed            %d URLs, %d of which were there already\n", n, there)
	for {
		_, err := j.js.Publish(ctx, j.name+".total", strconv.AppendUint(nil, n, 10))
		if err == nil || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// fed returns how many URLs the queue was ever given. That is its last
// sequence.
func (j *job) fed(ctx context.Context) (uint64, error) {
	info, err := j.urls.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking how far the job %s was fed: %w", j.name, err)
	}
	return info.State.LastSeq, nil
}

// put stores URLs in the queue, the first of them as number n. Each is stored
// only if the one before it is the last of the queue. So a URL that is sent
// again after a lost answer is not stored twice, and each has its own number.
func (j *job) put(ctx context.Context, n uint64, urls []string) error {
	for {
		err := j.publish(ctx, n, urls)
		var refused *jetstream.APIError
		switch {
		case err == nil:
			return nil
		case errors.Is(err, nats.ErrMaxPayload), errors.As(err, &refused) && !outOfSequence(err):
			return fmt.Errorf("feeding URL %d and after: %w", n, err)
		case !pause(ctx, 200*time.Millisecond):
			return ctx.Err()
		}
		// The engine or its answer was lost. Ask how far this came.
		if last, err := j.fed(ctx); err == nil && last >= n {
			done := min(last-n+1, uint64(len(urls)))
			n, urls = n+done, urls[done:]
		}
	}
}

func (j *job) publish(ctx context.Context, n uint64, urls []string) error {
	stored := make([]jetstream.PubAckFuture, len(urls))
	for i, u := range urls {
		var err error
		m := &nats.Msg{Subject: j.name + ".url", Data: []byte(u)}
		if stored[i], err = j.js.PublishMsgAsync(m, jetstream.WithExpectLastSequence(n+uint64(i)-1)); err != nil {
			return err
		}
	}
	for _, s := range stored {
		select {
		case <-s.Ok():
		case err := <-s.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// sameAs compares a request with the one that was fed with its number, which is
// still in the queue or has a result.
func (j *job) sameAs(ctx context.Context, n uint64, r *lines.Request) error {
	var was result
	m, err := j.urls.GetMsg(ctx, n)
	if err == nil {
		was.URL = parse(m.Data).Shown()
	} else if m, err = j.results.GetLastMsgForSubject(ctx, j.resultSubject(n)); err == nil {
		err = json.Unmarshal(m.Data, &was)
	}
	if shown := r.Shown(); err == nil && was.URL != shown {
		err = fmt.Errorf("it is %s and not %s: another list needs a -job name of its own", was.URL, shown)
	}
	if err != nil {
		return fmt.Errorf("URL %d of the job %s: %w", n, j.name, err)
	}
	return nil
}

// parse returns the request of a message of the queue.
func parse(data []byte) *lines.Request {
	number, line, _ := strings.Cut(string(data), " ")
	n, _ := strconv.Atoi(number)
	return lines.Parse(n, line, maxLine)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// feed puts the URLs of a list on the queue, except those that it was fed
// before, and then stores their number. It may be killed at any time and started
// again.
func (j *job) feed(ctx context.Context, list io.Reader) error {
	there := j.urls.CachedInfo().State.LastSeq // of a queue: it was given so many
	var n uint64                               // URLs in the queue
	var chunk []string
	for r, ended := lines.NewReader(list, maxLine), false; !ended; {
		number, line, err := r.Next()
		if ended = err == io.EOF; err != nil && !ended {
			return err
		}
		if line != "" {
			chunk = append(chunk, fmt.Sprint(number, " ", line))
		}
		// Don't hold back URLs of a slow pipe until the chunk is full.
		if len(chunk) == 1000 || len(chunk) > 0 && (r.Waits() || ended) {
			if err := j.put(ctx, n+1, chunk); err != nil {
				return err
			}
			n += uint64(len(chunk))
			chunk = chunk[:0]
		}
	}
	switch {
	case n == 0:
		return errors.New("there is no URL in the list")
	case n < there:
		return fmt.Errorf("the list has %d URLs, and the job %s was fed %d: %w", n, j.name, there, errOtherList)
	}
	fmt.Fprintf(os.Stderr, "fed            %d URLs, %d of which were there already\n", n, there)
	return retry(ctx, "feeding", func(ctx context.Context) error {
		_, err := j.js.Publish(ctx, j.name+".total", fmt.Append(nil, n))
		return err
	})
}

// put stores messages in the queue, the first of them as message n, except
// those that are there already. Each is stored only if the one before it is the
// last of the queue. So none is stored twice if the engine's answer is lost, and
// all are stored if the last is: the engine answers only for that.
func (j *job) put(ctx context.Context, n uint64, messages []string) error {
	end := n + uint64(len(messages))
	return retry(ctx, "feeding", func(ctx context.Context) error {
		queue, err := j.urls.Info(ctx)
		if err != nil {
			return err
		}
		first := max(n, min(queue.State.LastSeq+1, end))
		if first > n {
			if err := j.compare(ctx, first-1, messages[first-1-n]); err != nil {
				return err
			}
		}
		for i := first; i < end; i++ {
			m := nats.NewMsg(j.name + ".url")
			m.Header.Set(jetstream.ExpectedLastSeqHeader, fmt.Sprint(i-1))
			m.Data = []byte(messages[i-n])
			if i < end-1 {
				err = j.conn.PublishMsg(m)
			} else {
				_, err = j.js.PublishMsg(ctx, m)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

var errOtherList = errors.New("another list needs a -job name of its own")

// compare fails if another message than this was fed as message n. That one is
// still in the queue, or its URL has a result.
func (j *job) compare(ctx context.Context, n uint64, message string) error {
	var was string
	if m, err := j.urls.GetMsg(ctx, n); err == nil {
		was = request(m.Data).Shown()
	} else if r, err := j.result(ctx, n); err == nil {
		was = r.URL
	} else {
		return err
	}
	if is := request([]byte(message)).Shown(); is != was {
		return fmt.Errorf("URL %d was %s and is %s: %w", n, was, is, errOtherList)
	}
	return nil
}

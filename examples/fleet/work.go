package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A worker fetches lines of the queue, all of them in one block.
type worker struct {
	job     *job
	name    string
	stop    context.Context // when it is done, the worker takes and sends nothing more
	batch   int             // lines that it takes at once
	ackWait time.Duration   // of the queue, as its feed set it
	open    sync.Map        // has each *task that was taken and is not settled
	making  *task           // whose request is being made
}

// work fetches lines of the queue until stop is done. Then it finishes the
// requests in flight and gives back the other lines.
func (j *job) work(stop context.Context, o options) error {
	host, _ := os.Hostname()
	w := &worker{
		job: j, name: fmt.Sprintf("%s/%d", host, os.Getpid()), stop: stop, batch: o.batch,
		ackWait: j.queue.CachedInfo().Config.AckWait,
	}
	go w.keep()
	c := client.Client{
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   o.timeout,
		Retry:     parallel.Retries(o.retries),
		Ahead:     max(o.batch, o.limit),
		Wait:      func(*http.Request) error { return stop.Err() },
		// As its last step, a request settles its line. Until then it holds its
		// slot, so that a worker whose engine is gone sends nothing more.
		Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
			t := w.making
			return nil, func(o pending.Outcome) { w.settle(t, o) }
		},
	}
	c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range parallel.Each(p, w.tasks, func(t *task) *pending.Pending {
			w.making = t
			return p.Get(t.Address(), t.Option(new(lines.Default)), parallel.Take(t.hash))
		}) {
			// Nothing is left to do.
		}
		return nil
	})
	return j.conn.FlushTimeout(5 * time.Second) // send the last acknowledgments
}

// A task is one line that was taken from the queue.
type task struct {
	jetstream.Msg
	*lines.Request
	n   uint64 // its number in the list
	sum hash.Hash
}

// hash returns the writer of the body of a response.
func (t *task) hash(resp *http.Response) (io.Writer, error) {
	if resp.StatusCode/100 != 2 {
		return nil, nil
	}
	t.sum = sha256.New()
	return t.sum, nil
}

// hopeless is how often a URL is given to workers that do not settle it. It may
// be what kills them.
const hopeless = 20

var errHopeless = fmt.Errorf("not fetched: it was given to workers %d times without a result", hopeless)

// tasks yields the lines of the queue until the worker stops. Each pulls the
// next batch before the requests of the last are done.
func (w *worker) tasks(yield func(*task) bool) {
	for w.stop.Err() == nil {
		var batch []*task
		messages, err := w.job.queue.FetchNoWait(w.batch)
		if err == nil {
			for m := range messages.Messages() {
				batch = append(batch, w.take(m))
			}
			err = messages.Error()
		}
		if err != nil {
			complain("worker %s: taking URLs: %v", w.name, err)
			pause(w.stop, time.Second)
		}
		if len(batch) == 0 {
			pause(w.stop, 100*time.Millisecond)
		}
		for _, t := range batch {
			if !yield(t) {
				return
			}
		}
	}
}

func (w *worker) take(m jetstream.Msg) *task {
	meta, err := m.Metadata()
	if err != nil {
		panic(err) // a message of a stream has metadata
	}
	t := &task{Msg: m, Request: request(m.Data()), n: meta.Sequence.Stream}
	if meta.NumDelivered > hopeless {
		t.Err = errHopeless
	}
	w.open.Store(t, nil)
	return t
}

// keep tells the engine regularly which lines are in progress, so that it does
// not give them to other workers. It runs until the program ends.
func (w *worker) keep() {
	for range time.Tick(w.ackWait / 3) {
		w.open.Range(func(t, _ any) bool {
			t.(*task).InProgress()
			return true
		})
	}
}

// settle gives a line back to the queue, or stores its result and then
// acknowledges the line.
func (w *worker) settle(t *task, o pending.Outcome) {
	defer w.open.Delete(t)
	if errors.Is(o.Err, context.Canceled) { // by Wait
		t.NakWithDelay(time.Millisecond) // without a delay, an engine that stops now would forget it
		return
	}
	r := result{Result: t.Result(o, o.Sent), Worker: w.name}
	if r.Kind == "" {
		r.SHA256 = fmt.Sprintf("%x", t.sum.Sum(nil))
	}
	// After that time, another worker has the line.
	ctx, cancel := context.WithTimeout(context.Background(), w.ackWait)
	defer cancel()
	if err := w.job.store(ctx, t.n, r); err != nil {
		complain("worker %s: URL %d has no result yet: %v", w.name, t.n, err)
		return
	}
	t.DoubleAck(context.Background()) // waits up to 5 s for an answer: the engine may stop next
}

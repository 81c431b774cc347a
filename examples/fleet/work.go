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
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// work runs -role work.
func work(ctx context.Context, o options) error {
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.untilEOF {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	host, _ := os.Hostname()
	name := fmt.Sprintf("%s/%d", host, os.Getpid())
	j, err := connect(stop, o, "worker "+name)
	if err == nil {
		defer j.conn.Close()
		err = j.find(stop)
	}
	if stop.Err() != nil {
		return nil // there was nothing to do
	}
	if err != nil {
		return err
	}
	newWorker(stop, name, j, o).work()
	return j.conn.FlushTimeout(5 * time.Second) // send the last acknowledgments
}

// A worker takes batches of URLs from the queue and fetches each batch in one
// block.
type worker struct {
	options
	stop    context.Context // when it is done, the worker takes and sends nothing more
	name    string
	job     *job
	ackWait time.Duration // of the queue, as its feed set it
	client  client.Client
	making  *task // whose request is being made
}

var errGivenBack = errors.New("the worker is stopping")

func newWorker(stop context.Context, name string, j *job, o options) *worker {
	w := &worker{options: o, stop: stop, name: name, job: j, ackWait: j.queue.CachedInfo().Config.AckWait}
	w.client = client.Client{
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   o.timeout,
		Retry:     parallel.Retries(o.retries),
		Wait: func(*http.Request) error {
			if stop.Err() != nil {
				return errGivenBack
			}
			return nil
		},
		Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
			a := w.making
			return nil, func(o pending.Outcome) { a.outcome = o }
		},
	}
	return w
}

func (w *worker) work() {
	for w.stop.Err() == nil {
		batch, err := w.take()
		w.fetch(batch)
		if err != nil {
			complain("worker %s: taking URLs: %v", w.name, err)
			pause(w.stop, time.Second)
		}
	}
}

// A task is one line that was taken from the queue.
type task struct {
	jetstream.Msg
	*lines.Request
	n       uint64 // its number in the list
	sum     hash.Hash
	outcome pending.Outcome // set when its handle is done
}

// take waits up to a second for the first URL, and takes the others that are
// there, up to a batch.
func (w *worker) take() (batch []*task, err error) {
	first, err := w.job.queue.Next(jetstream.FetchMaxWait(time.Second))
	if errors.Is(err, nats.ErrTimeout) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	batch = append(batch, newTask(first))
	if w.batch == 1 {
		return batch, nil
	}
	more, err := w.job.queue.FetchNoWait(w.batch - 1)
	if err != nil {
		return batch, err
	}
	for m := range more.Messages() {
		batch = append(batch, newTask(m))
	}
	return batch, more.Error()
}

func newTask(m jetstream.Msg) *task {
	meta, err := m.Metadata()
	if err != nil {
		panic(err) // a message of a stream has metadata
	}
	a := &task{Msg: m, Request: parse(m.Data()), n: meta.Sequence.Stream}
	if meta.NumDelivered > hopeless {
		a.Err = errHopeless
	}
	return a
}

// fetch fetches a batch and settles each URL. Until it returns, the engine does
// not give the lines to other workers.
func (w *worker) fetch(batch []*task) {
	fetched := make(chan struct{})
	var keeping, settling sync.WaitGroup
	keeping.Go(func() { w.keep(batch, fetched) })
	w.client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		start := func(a *task) *pending.Pending { return w.start(p, a) }
		for a, h := range parallel.Each(p, slices.Values(batch), start) {
			_, err := h.Response()
			settling.Go(func() { w.settle(a, err) }) // while other requests are in flight
		}
		return nil
	})
	settling.Wait()
	close(fetched)
	keeping.Wait()
}

// keep tells the engine regularly that the batch is in progress, until fetched
// is closed. For URLs that are settled, this has no effect.
func (w *worker) keep(batch []*task, fetched chan struct{}) {
	tick := time.NewTicker(w.ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, a := range batch {
				a.InProgress()
			}
		case <-fetched:
			return
		}
	}
}

// hopeless is how often a URL is given to workers that do not settle it. It may
// be what kills them.
const hopeless = 20

var errHopeless = fmt.Errorf("not fetched: it was given to workers %d times without a result", hopeless)

// start makes the request of a task.
func (w *worker) start(p *parallel.Parallel, a *task) *pending.Pending {
	w.making = a
	return p.Get(a.Address(), a.Option(new(lines.Default)), parallel.Take(func(resp *http.Response) (io.Writer, error) {
		if resp.StatusCode/100 != 2 {
			return nil, nil
		}
		a.sum = sha256.New()
		return a.sum, nil
	}))
}

// settle gives a line back to the queue, or stores its result and then
// acknowledges the line.
func (w *worker) settle(a *task, err error) {
	if errors.Is(err, errGivenBack) {
		a.NakWithDelay(time.Millisecond) // without a delay, an engine that stops now would forget it
		return
	}
	r := result{Result: a.Result(a.outcome, a.outcome.Sent), Worker: w.name}
	if r.Kind == "" {
		r.SHA256 = fmt.Sprintf("%x", a.sum.Sum(nil))
	}
	// After that time, another worker has the line.
	ctx, cancel := context.WithTimeout(context.Background(), w.ackWait)
	defer cancel()
	if err := w.job.store(ctx, a.n, r); err != nil {
		complain("worker %s: URL %d has no result yet: %v", w.name, a.n, err)
		return
	}
	a.DoubleAck(context.Background()) // waits up to 5 s for an answer: the engine may stop next
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/internal/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// work is -role work.
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
	return j.conn.FlushTimeout(5 * time.Second) // the last acknowledgements
}

// A worker takes batches of URLs from the queue, and fetches each in one block.
type worker struct {
	options
	stop    context.Context // when it ends, nothing more is taken, or sent
	name    string
	job     *job
	ackWait time.Duration // of the queue, whatever the flag says
	client  client.Client
	making  *attempt // the one whose request is being made
}

var errGivenBack = errors.New("the worker was told to stop")

func newWorker(stop context.Context, name string, j *job, o options) *worker {
	w := &worker{options: o, stop: stop, name: name, job: j, ackWait: j.queue.CachedInfo().Config.AckWait}
	t := client.NewTransport()
	t.MaxIdleConns = max(t.MaxIdleConns, o.limit)
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	w.client = client.Client{
		HTTP:      &http.Client{Transport: t},
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   o.timeout,
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

// An attempt is a URL that was taken from the queue.
type attempt struct {
	jetstream.Msg
	n, tries uint64
	sum      hash.Hash       // of the body of a 2xx response
	outcome  pending.Outcome // once its handle is done
}

// take waits a little for the first URL, and takes what else is there, a batch at
// most.
func (w *worker) take() (batch []*attempt, err error) {
	first, err := w.job.queue.Next(jetstream.FetchMaxWait(time.Second))
	if errors.Is(err, nats.ErrTimeout) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	batch = append(batch, newAttempt(first))
	if w.batch == 1 {
		return batch, nil
	}
	more, err := w.job.queue.FetchNoWait(w.batch - 1)
	if err != nil {
		return batch, err
	}
	for m := range more.Messages() {
		batch = append(batch, newAttempt(m))
	}
	return batch, more.Error()
}

func newAttempt(m jetstream.Msg) *attempt {
	meta, err := m.Metadata()
	if err != nil {
		panic(err) // it came from a queue, which numbers what it gives
	}
	return &attempt{Msg: m, n: meta.Sequence.Stream, tries: meta.NumDelivered, sum: sha256.New()}
}

// fetch fetches a batch, and tells the engine of each URL what became of it. Until
// it has, it keeps the engine from giving the URL to others.
func (w *worker) fetch(batch []*attempt) {
	fetched := make(chan struct{})
	var keeping, settling sync.WaitGroup
	keeping.Go(func() { w.keep(batch, fetched) })
	w.client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		start := func(a *attempt) *pending.Pending { return w.start(p, a) }
		for a, h := range parallel.Each(p, slices.Values(batch), start) {
			_, err := h.Response()
			settling.Go(func() { w.settle(a, err) }) // while the others go on
		}
		return nil
	})
	settling.Wait()
	close(fetched)
	keeping.Wait()
}

// keep tells the engine now and then that a batch is being worked on. For what is
// settled that does nothing.
func (w *worker) keep(batch []*attempt, fetched chan struct{}) {
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

// hopeless is how often a URL is given to workers if none of them lives to say what
// became of it.
const hopeless = 20

var errHopeless = fmt.Errorf("not fetched: none of %d workers that took it said what became of it", hopeless)

func (w *worker) start(p *parallel.Parallel, a *attempt) *pending.Pending {
	url := string(a.Data())
	a.outcome.Err = lines.Check(url, maxURL)
	if a.tries > hopeless {
		a.outcome.Err = errHopeless
	}
	if a.outcome.Err != nil {
		return pending.Race() // which is done
	}
	w.making = a
	return p.Get(url, parallel.To(a.sum))
}

// settle tells the engine what became of a URL: it may fetch it again, or it is done.
// That it says only once the result is stored.
func (w *worker) settle(a *attempt, err error) {
	switch {
	case errors.Is(err, errGivenBack):
		a.NakWithDelay(time.Millisecond) // without a delay, an engine that is stopped now forgets it
		return
	case a.tries < uint64(w.tries) && mayPass(a.outcome):
		a.NakWithDelay(w.backoff << min(a.tries-1, 16))
		return
	}
	// If this takes longer, others have been given the URL.
	ctx, cancel := context.WithTimeout(context.Background(), w.ackWait)
	defer cancel()
	if err := w.job.store(ctx, w.result(a)); err != nil {
		complain("worker %s: URL %d has no result yet: %v", w.name, a.n, err)
		return
	}
	a.DoubleAck(context.Background()) // waits for an answer, 5 s at most: the engine might be the next to stop
}

// mayPass reports whether another try may end otherwise. That it does no harm goes
// without saying: all are GETs, and may be sent twice.
func mayPass(o pending.Outcome) bool {
	var tooLarge *pending.BodyTooLargeError
	switch {
	case o.Err == nil:
		return o.Response.StatusCode == http.StatusTooManyRequests || o.Response.StatusCode >= 500
	case o.Sent.IsZero(): // it could not even be made
		return false
	}
	return !errors.As(o.Err, &tooLarge)
}

func (w *worker) result(a *attempt) result {
	o := a.outcome
	r := result{N: a.n, URL: lines.Shown(string(a.Data())), Bytes: o.Bytes, Tries: a.tries, Worker: w.name}
	r.DurationMS = math.Round(o.Settled.Sub(o.Sent).Seconds()*1e6) / 1e3
	switch {
	case o.Response != nil && o.Response.StatusCode/100 == 2:
		r.Status, r.SHA256 = o.Response.StatusCode, fmt.Sprintf("%x", a.sum.Sum(nil))
	case o.Response != nil:
		r.Status, r.Error = o.Response.StatusCode, lines.Reason(errors.New(o.Response.Status))
	default:
		r.Error = lines.Reason(o.Err)
	}
	return r
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A job is one list of URLs on its way through an engine. It has two streams:
//
//   - NAME-urls is the work queue. Its message with sequence n is URL n of the list,
//     and is gone once a worker has acknowledged it.
//   - NAME-results has the subject NAME.result.n for what became of URL n, and
//     NAME.total for how many there are.
type job struct {
	name          string
	conn          *nats.Conn
	js            jetstream.JetStream
	urls, results jetstream.Stream
	queue         jetstream.Consumer // of urls: all workers share it
}

const queueName = "workers"

// maxURL is the length of the longest URL, in bytes. Two fit into a NATS message, and a
// batch of a thousand into the client's buffer, beyond which it drops messages. A longer URL
// is fed in part, and has a result that says so.
const maxURL = 64 << 10

// startup is how long the parts of a fleet wait for an engine that is not there yet.
const startup = 10 * time.Second

// connect connects to a job's engine. It waits for one that is starting, but not for
// ever: the -nats URL may be wrong. A connection that is lost later is made again for as
// long as it takes.
func connect(ctx context.Context, o options, who string) (*job, error) {
	gone := func(_ *nats.Conn, err error) {
		if err != nil {
			complain("%s: the engine is gone (%v); waiting for it", who, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	var conn *nats.Conn
	for {
		var err error
		conn, err = nats.Connect(o.nats, nats.Name("fleet "+who), nats.MaxReconnects(-1),
			nats.ReconnectWait(250*time.Millisecond), nats.DisconnectErrHandler(gone))
		if err == nil {
			break
		}
		if errors.As(err, new(*url.Error)) {
			return nil, errors.New("invalid -nats URL (details omitted: they may contain a password)")
		}
		if errors.Is(err, nats.ErrAuthorization) || !pause(ctx, 200*time.Millisecond) {
			return nil, fmt.Errorf("connecting to the -nats URL: %w", err)
		}
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncTimeout(5*time.Second))
	return &job{name: o.job, conn: conn, js: js}, err
}

// create makes the streams of a job, unless they are there: the feed's business.
func (j *job) create(ctx context.Context, o options) (err error) {
	j.urls, err = j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:      j.name + "-urls",
		Subjects:  []string{j.name + ".url"},
		Retention: jetstream.WorkQueuePolicy,
		Replicas:  o.replicas,
	})
	if err == nil {
		j.results, err = j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:              j.name + "-results",
			Subjects:          []string{j.name + ".result.*", j.name + ".total"},
			MaxMsgsPerSubject: 1, // a new total takes the place of the old; a second result is refused (store)
			Duplicates:        o.ackWait,
			Replicas:          o.replicas,
		})
	}
	if err == nil {
		// There is no MaxDeliver: the engine would leave what is over it in the queue,
		// without a result, for ever. Workers count for themselves.
		j.queue, err = j.urls.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable:       queueName,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       o.ackWait,
			MaxAckPending: -1,
		})
	}
	return err
}

// find waits until a feed has made the job, and its engine answers.
func (j *job) find(ctx context.Context) (err error) {
	for {
		if j.results, err = j.js.Stream(ctx, j.name+"-results"); err == nil {
			j.urls, err = j.js.Stream(ctx, j.name+"-urls")
		}
		if err == nil {
			j.queue, err = j.urls.Consumer(ctx, queueName)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrConsumerNotFound) &&
			!errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("looking for the job %s: %w", j.name, err)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// A result is what became of one URL.
type result struct {
	N          uint64  `json:"n"`
	URL        string  `json:"url"`
	Status     int     `json:"status"`
	Bytes      int64   `json:"bytes"`
	SHA256     string  `json:"sha256,omitempty"`
	DurationMS float64 `json:"duration_ms"`
	Tries      uint64  `json:"tries"`
	Worker     string  `json:"worker"`
	Error      string  `json:"error,omitempty"`
}

func (j *job) resultSubject(n uint64) string { return fmt.Sprintf("%s.result.%d", j.name, n) }

// store keeps a result, unless its URL has one: then the first stands, and all is
// well. It tries until ctx ends.
//
// That no URL gets a second result rests on the condition that there is no message
// with this subject, which the engine checks for as long as the results are kept. A
// message id it remembers for a time only. The id spares most second results the
// error, and goes along when others copy the results into streams of their own.
func (j *job) store(ctx context.Context, r result) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	subject := j.resultSubject(r.N)
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := j.js.Publish(try, subject, data,
			jetstream.WithMsgID(subject), jetstream.WithExpectLastSequencePerSubject(0))
		if outOfSequence(err) { // there is one; or one is being stored, and may yet fail
			_, err = j.results.GetLastMsgForSubject(try, subject)
		}
		cancel()
		if err == nil || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// outOfSequence reports whether a message was refused for what is in its stream.
func outOfSequence(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

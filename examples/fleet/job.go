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

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A job is one list on its way through an engine. It has two streams:
//
//   - NAME-urls is the work queue. Its message with sequence n is URL n of the
//     list: the number of its line, a space and the line. The message is
//     removed when a worker acknowledges it.
//   - NAME-results has the result of URL n under the subject NAME.result.n, and
//     the number of URLs under NAME.total.
type job struct {
	name          string
	conn          *nats.Conn
	js            jetstream.JetStream
	urls, results jetstream.Stream
	queue         jetstream.Consumer // of urls; all workers share it
}

const queueName = "workers"

// maxLine is the length of the longest line, in bytes. A NATS message holds
// 1 MB by default, and the client drops messages if more than 64 MB wait in it,
// which is a batch of a thousand. Of a longer line only a part is fed; its
// result is an error.
const maxLine = 64 << 10

// startup is how long the parts of a fleet wait for an engine at first.
const startup = 10 * time.Second

// connect connects to a job's engine. It waits for one that is not there yet,
// but not forever, as the -nats URL may be wrong. If the connection is lost
// later, it tries to connect again without a limit.
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

// create creates the streams of a job unless they exist. Only a feed calls it.
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
			MaxMsgsPerSubject: 1, // a new total replaces the old; store prevents a second result
			Duplicates:        o.ackWait,
			Replicas:          o.replicas,
		})
	}
	if err == nil {
		// No MaxDeliver: the engine would leave a URL that exceeds it in the
		// queue, without a result, forever. The workers count instead.
		j.queue, err = j.urls.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable:       queueName,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       o.ackWait,
			MaxAckPending: -1,
		})
	}
	return err
}

// find waits until a feed has created the job.
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

// A result is the result of one line. All of its texts are bounded by maxLine,
// so that it fits into a message.
type result struct {
	lines.Result
	SHA256 string `json:"sha256,omitempty"` // of the body of a 2xx response
	Worker string `json:"worker"`
}

func (j *job) resultSubject(n uint64) string { return fmt.Sprintf("%s.result.%d", j.name, n) }

// store stores a result unless its URL has one, and tries until ctx is done. If
// there is a result, store keeps that and returns nil.
//
// A URL gets no second result because the engine stores one only if the subject
// has no message. It checks that for as long as it keeps the results. It
// remembers a message id for a limited time only. The id avoids most of those
// errors, and helps those who copy the results into streams of their own.
func (j *job) store(ctx context.Context, n uint64, r result) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	subject := j.resultSubject(n)
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := j.js.Publish(try, subject, data,
			jetstream.WithMsgID(subject), jetstream.WithExpectLastSequencePerSubject(0))
		if outOfSequence(err) { // there is one, or another worker is storing one and may fail
			_, err = j.results.GetLastMsgForSubject(try, subject)
		}
		cancel()
		if err == nil || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// outOfSequence reports whether the engine refused a message because of its
// condition.
func outOfSequence(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
//     the number of URLs under NAME.total, which is empty until it is known.
type job struct {
	name          string
	conn          *nats.Conn
	js            jetstream.JetStream
	urls, results jetstream.Stream
	queue         jetstream.Consumer // of urls; all workers share it
}

// maxLine is the length of the longest line, in bytes. A NATS message holds
// 1 MB by default, and the client drops messages if more than 64 MB wait in it,
// which is a batch of a thousand. Of a longer line only a part is fed; its
// result is an error.
const maxLine = 64 << 10

// open connects to a job's engine. It waits for one that is not there yet, but
// not forever, as the -nats URL may be wrong. If the connection is lost later,
// the client tries to connect again without a limit. A feed creates the job
// unless it exists, and the others wait for that.
func open(ctx context.Context, o options) (*job, error) {
	gone := func(_ *nats.Conn, err error) {
		if err != nil {
			complain("the engine is gone (%v); waiting for it", err)
		}
	}
	conn, err := nats.Connect(o.nats, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(250*time.Millisecond), nats.DisconnectErrHandler(gone))
	if err != nil {
		return nil, errors.New("invalid -nats URL (details omitted: they may contain a password)")
	}
	connected, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if conn.FlushWithContext(connected) != nil {
		return nil, fmt.Errorf("connecting to the -nats URL: %w", cmp.Or(conn.LastError(), nats.ErrNoServers))
	}
	j := &job{name: o.job, conn: conn}
	j.js, err = jetstream.New(conn)
	switch {
	case err != nil:
	case o.feeds():
		err = j.create(ctx, o)
	default:
		err = retry(ctx, "waiting for the job "+j.name, j.find)
	}
	if err != nil {
		conn.Close()
	}
	return j, err
}

// create creates a job unless it exists. The number of URLs becomes unknown,
// even if it was known.
func (j *job) create(ctx context.Context, o options) error {
	_, urls := j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:      j.name + "-urls",
		Subjects:  []string{j.name + ".url"},
		Retention: jetstream.WorkQueuePolicy,
		Replicas:  o.replicas,
	})
	_, results := j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              j.name + "-results",
		Subjects:          []string{j.name + ".result.*", j.name + ".total"},
		MaxMsgsPerSubject: 1, // a new total replaces the old; store prevents a second result
		Duplicates:        o.ackWait,
		Replicas:          o.replicas,
	})
	// No MaxDeliver: the engine would leave a URL that exceeds it in the
	// queue, without a result, forever. The workers count instead.
	_, queue := j.js.CreateOrUpdateConsumer(ctx, j.name+"-urls", jetstream.ConsumerConfig{
		Durable:       "workers",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       o.ackWait,
		MaxAckPending: -1,
	})
	_, total := j.js.Publish(ctx, j.name+".total", nil)
	return cmp.Or(urls, results, queue, total, j.find(ctx))
}

func (j *job) find(ctx context.Context) (err error) {
	if j.urls, err = j.js.Stream(ctx, j.name+"-urls"); err != nil {
		return err
	}
	if j.results, err = j.js.Stream(ctx, j.name+"-results"); err != nil {
		return err
	}
	j.queue, err = j.urls.Consumer(ctx, "workers")
	return err
}

// retry calls f until it returns nil or errOtherList, or ctx is done. Each call
// has two seconds, as the engine's answer may be lost. If what is not empty,
// retry prints the first error.
func retry(ctx context.Context, what string, f func(context.Context) error) error {
	for ; ; what = "" {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := f(try)
		cancel()
		if err == nil || errors.Is(err, errOtherList) || ctx.Err() != nil {
			return err
		}
		if what != "" {
			complain("%s: %v; trying again", what, err)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// request returns the request of a message of the queue.
func request(message []byte) *lines.Request {
	number, line, _ := strings.Cut(string(message), " ")
	n, _ := strconv.Atoi(number)
	return lines.Parse(n, line, maxLine)
}

// A result is the result of one line. All of its texts are bounded by maxLine,
// so that it fits into a message.
type result struct {
	lines.Result
	SHA256 string `json:"sha256,omitempty"` // of the body of a 2xx response
	Worker string `json:"worker"`
}

// result returns the result of URL n that is stored.
func (j *job) result(ctx context.Context, n uint64) (r result, err error) {
	m, err := j.results.GetLastMsgForSubject(ctx, fmt.Sprintf("%s.result.%d", j.name, n))
	if err == nil {
		err = json.Unmarshal(m.Data, &r)
	}
	return r, err
}

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
	subject := fmt.Sprintf("%s.result.%d", j.name, n)
	return retry(ctx, "", func(ctx context.Context) error {
		_, err := j.js.Publish(ctx, subject, data, jetstream.WithMsgID(subject), jetstream.WithExpectLastSequencePerSubject(0))
		if err != nil { // there is one, or another worker is storing one and may fail
			if _, missing := j.result(ctx, n); missing == nil {
				return nil
			}
		}
		return err
	})
}

package main

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/internal/lines"
	"github.com/abreast-go/abreast/internal/kind"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A fetcher fetches the URLs of lines concurrently.
type fetcher struct {
	client  client.Client
	ordered bool
	folder  *folder
	maxBody int64
	pace    *rate.Limiter
	drawn   *pictures
	opened  atomic.Int64 // number of connections
	making  *fetch       // the fetch whose request is being made
}

func newFetcher(o options, bodies *folder, drawn *pictures) *fetcher {
	f := &fetcher{ordered: o.ordered, folder: bodies, maxBody: o.maxBody, pace: rate.NewLimiter(rate.Inf, 1), drawn: drawn}
	if o.rate > 0 {
		f.pace.SetLimit(rate.Limit(o.rate))
	}
	if f.maxBody == 0 && bodies == nil {
		f.maxBody = 10 << 20
	}
	f.client = client.Client{
		Header:    o.header,
		HTTP:      &http.Client{Transport: statusNoter{drawn.transport(f.transport(o.limit))}},
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   o.timeout,
		MaxBody:   f.maxBody,
		Wait:      f.wait,
		Observe:   f.observe,
	}
	if o.timeout == 0 {
		f.client.Timeout = -1
	}
	return f
}

// transport returns the library's transport, and counts its connections.
func (f *fetcher) transport(limit int) http.RoundTripper {
	t := client.NewTransport()
	t.MaxIdleConns = max(t.MaxIdleConns, limit)
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			f.opened.Add(1)
		}
		return conn, err
	}
	return t
}

// all fetches every line and calls report with each result, until report fails.
// When ctx is done, it starts no further line, but still reports those that it
// has started.
func (f *fetcher) all(ctx context.Context, in *input, bar *progress, report func(record) error) error {
	return f.client.Parallel(ctx, func(p *parallel.Parallel) error {
		bar.start(p.Stats)
		defer bar.stop()
		each := parallel.Each[*fetch]
		if f.ordered {
			each = parallel.Ordered[*fetch]
		}
		taken := intake{input: in, ctx: p.Context()}
		start := func(it *fetch) *pending.Pending { return f.start(p, it) }
		for it := range each(p, taken.fetches(), start) {
			if it == nil {
				taken.looking = false
				continue
			}
			if err := report(it.record()); err != nil {
				return err
			}
		}
		return taken.err
	})
}

// An intake turns lines into fetches, one at a time.
type intake struct {
	input   *input
	ctx     context.Context
	err     error // of reading the input
	looking bool  // a nil was yielded and has not come back
}

// fetches yields a fetch for each line, until there are no more or the context
// is done. While it waits for a line, it yields nil ten times a second: the
// loop over Each cannot look at results while it waits for an item, and a pipe
// may be slow.
func (in *intake) fetches() iter.Seq[*fetch] {
	return func(yield func(*fetch) bool) {
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for in.ctx.Err() == nil {
			var it *fetch
			select {
			case ln, ok := <-in.input.next:
				if !ok {
					in.err = in.input.err
					return
				}
				it = &fetch{line: ln}
			case <-look.C:
				if in.looking {
					continue // with -ordered, a nil waits for the requests before it
				}
				in.looking = true
			case <-in.ctx.Done():
				return
			}
			if !yield(it) {
				return
			}
		}
	}
}

// A fetch is the fetching of one line.
type fetch struct {
	line line
	body body

	// Written while the request is sent; read when its handle is done.
	started time.Time // zero if it was never sent
	ended   time.Time
	status  int
	bytes   int64
	err     error
	kind    kind.Kind // of err
	file    string
}

// start makes the request of a fetch. For nil it returns a handle that is done.
func (f *fetcher) start(p *parallel.Parallel, it *fetch) *pending.Pending {
	if it == nil {
		return pending.Race()
	}
	it.body = body{folder: f.folder, line: it.line, max: f.maxBody}
	f.making = it
	if err := lines.Check(it.line.text, maxLine); err != nil {
		return p.Get("", func(*parallel.Request) error { return err })
	}
	return p.Get(it.line.text, parallel.To(&it.body))
}

type fetchKey struct{}

// observe adds the fetch to the context of its request. Get calls it.
func (f *fetcher) observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	it := f.making
	ctx, done := f.drawn.observe(r)
	return context.WithValue(ctx, fetchKey{}, it), func(o pending.Outcome) {
		done(o)
		it.settle(o)
	}
}

// wait paces the requests, and notes when each is sent.
func (f *fetcher) wait(r *http.Request) error {
	err := f.pace.Wait(r.Context())
	if it, ok := r.Context().Value(fetchKey{}).(*fetch); ok && err == nil {
		it.started = time.Now()
	}
	return err
}

// A statusNoter notes the status of each response. A request has none if its
// body breaks off.
type statusNoter struct{ next http.RoundTripper }

func (t statusNoter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if it, ok := r.Context().Value(fetchKey{}).(*fetch); ok && err == nil {
		it.status = resp.StatusCode
	}
	return resp, err
}

// settle notes the result of the request and completes its file. It runs before
// the handle is done, concurrently with other requests.
func (it *fetch) settle(o pending.Outcome) {
	it.ended, it.bytes, it.err = o.Done, o.Bytes, o.Err
	switch {
	case o.Err != nil:
		it.kind = kindOf(o.Err)
		if o.Sent.IsZero() && it.kind != kind.Canceled { // it was refused when it was made
			it.kind = badURL
		}
	case o.Response.StatusCode/100 != 2:
		it.kind, it.err = badStatus, errors.New(o.Response.Status)
	default:
		if it.file, it.err = it.body.keep(); it.err != nil {
			it.kind = kindOf(it.err)
		}
	}
	if it.err != nil {
		it.body.drop()
	}
}

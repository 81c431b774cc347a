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

// A fetcher fetches the URLs of lines side by side.
type fetcher struct {
	client  client.Client
	ordered bool
	folder  *folder
	maxBody int64
	pace    *rate.Limiter
	drawn   *pictures
	opened  atomic.Int64 // connections
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

// transport is the library's, with its connections counted.
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

// all fetches every line and calls report with what became of it, line by line,
// until report fails. Once ctx has ended, no further line is taken up; what was
// taken up is still reported.
func (f *fetcher) all(ctx context.Context, in *input, bar *progress, report func(record) error) error {
	return f.client.Parallel(ctx, func(p *parallel.Parallel) error {
		bar.start(p.Stats)
		defer bar.stop()
		sideBySide := parallel.Each[*fetch]
		if f.ordered {
			sideBySide = parallel.Ordered[*fetch]
		}
		taken := intake{input: in, ctx: p.Context()}
		start := func(it *fetch) *pending.Pending { return f.start(p, it) }
		for it := range sideBySide(p, taken.fetches(), start) {
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

// An intake makes fetches of lines, as they are asked for.
type intake struct {
	input   *input
	ctx     context.Context
	err     error // of reading
	looking bool
}

// fetches yields a fetch for each line until the lines or the context end. While
// no line comes, it yields a nil now and then: the loop doesn't look at what has
// arrived while it waits for an item, and URLs may come from a pipe slowly.
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
					continue // one at a time: in order, it may take a while to come through
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

// A fetch is one line on its way to being fetched.
type fetch struct {
	line line
	body body

	// Written as the request is sent and settled; to be read once its handle is
	// done.
	started time.Time // zero: its turn never came
	ended   time.Time
	status  int
	bytes   int64
	err     error
	kind    kind.Kind // of err
	file    string
}

// start makes the request of a fetch. A nil is given what is settled already.
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

// observe is called within Get. It hangs the fetch on the request.
func (f *fetcher) observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	it := f.making
	ctx, settled := f.drawn.observe(r)
	return context.WithValue(ctx, fetchKey{}, it), func(o pending.Outcome) {
		settled(o)
		it.settle(o)
	}
}

// wait is called just before a request is sent.
func (f *fetcher) wait(r *http.Request) error {
	err := f.pace.Wait(r.Context())
	if it, ok := r.Context().Value(fetchKey{}).(*fetch); ok && err == nil {
		it.started = time.Now()
	}
	return err
}

// A statusNoter notes the status of a response, so that it is known too where the
// body breaks off.
type statusNoter struct{ next http.RoundTripper }

func (t statusNoter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if it, ok := r.Context().Value(fetchKey{}).(*fetch); ok && err == nil {
		it.status = resp.StatusCode
	}
	return resp, err
}

// settle is called once, with what became of the request, before its handle is
// done. What it does with files is done side by side too.
func (it *fetch) settle(o pending.Outcome) {
	it.ended, it.bytes, it.err = o.Settled, o.Bytes, o.Err
	switch {
	case o.Err != nil:
		it.kind = kindOf(o.Err)
		if o.Sent.IsZero() && it.kind != kind.Canceled { // it could not even be made
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

package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A fetcher sends the requests of lines concurrently.
type fetcher struct {
	client   client.Client
	opts     *options
	pace     *pace
	policy   func(parallel.Attempt) (time.Duration, bool)
	folder   *folder
	drawn    *pictures
	conns    *connections
	retrying atomic.Int64 // requests between two attempts
	told     func(error)  // is called when a host begins a long pause

	stop   context.Context // when it is done, no further line is begun
	making *fetch          // the fetch whose request is being made
	batch  *batch          // the requests that were made and not yet reported

	unknown map[string]int // lines by an unknown field that may be meant as another
}

func newFetcher(o *options, conns *connections, auth func(*http.Request) error, bodies *folder, drawn *pictures, jar http.CookieJar) *fetcher {
	f := &fetcher{opts: o, conns: conns, folder: bodies, drawn: drawn, policy: parallel.Retries(o.retries), unknown: make(map[string]int)}
	f.pace = newPace(o.rate.limit, o.costRate.limit)
	f.client = client.Client{
		Header:    o.header,
		Auth:      auth,
		HTTP:      &http.Client{Transport: drawn.transport(conns.transport), Jar: jar, CheckRedirect: redirect},
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   time.Duration(o.timeout),
		Stall:     time.Duration(o.stall),
		MaxBody:   f.inMemory(),
		Wait:      f.wait,
		Observe:   f.observe,
	}
	if o.timeout == 0 {
		f.client.Timeout = -1
	}
	return f
}

// inMemory returns the length of the longest body that is kept or dropped.
func (f *fetcher) inMemory() int64 {
	if f.opts.maxBody == 0 {
		return 10 << 20
	}
	return int64(f.opts.maxBody)
}

// all sends the requests of all lines but those that are finished, and calls
// report with each result, until report fails. When stop is done, it begins no
// further line, and calls report only for those that it has begun.
func (f *fetcher) all(ctx, stop context.Context, in *input, done *finished, bar *progress, report func(int, *lines.Result) error) error {
	f.stop = stop
	return f.client.Parallel(ctx, func(p *parallel.Parallel) error {
		bar.start(p.Stats, f)
		defer bar.stop()
		b := newBatch(f, in, done)
		f.batch = b
		feed := p.Go(func(inner *parallel.Parallel) (*http.Response, error) {
			ctx, cancel := context.WithCancel(inner.Context()) // which ends with the block
			defer cancel()
			defer context.AfterFunc(stop, cancel)()
			return nil, b.feed(ctx, p)
		})
		for h := range p.Arrivals() {
			if h == feed {
				continue
			}
			it := b.take(h)
			if it.began.IsZero() && it.Err == nil && stop.Err() != nil {
				if err := report(it.seq, nil); err != nil {
					return err
				}
				continue
			}
			if err := report(it.seq, it.result(h)); err != nil {
				return err
			}
		}
		_, err := feed.Response()
		return err
	})
}

// holdsBack reports whether lines may be held back while others could be sent.
func (f *fetcher) holdsBack() bool {
	return f.opts.hostLimit > 0 || f.retrying.Load() > 0 || f.pace.holdsBack()
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
	it, ok := r.Context().Value(fetchKey{}).(*fetch)
	if !ok {
		return nil
	}
	err := f.pace.wait(r.Context(), f.stop, strings.ToLower(r.URL.Host), it.Cost)
	if err == nil {
		// Responses that have arrived are read first, and the next requests go
		// out together: that saves changes of threads, here and in the server.
		runtime.Gosched()
		it.leavePause()
		it.status = 0
		if it.began.IsZero() {
			it.began = time.Now()
		}
	}
	return err
}

// mostRedirects is the number of redirects that are followed, as in net/http.
const mostRedirects = 10

// redirect stops a loop of redirects, and notes the status of the last. Like
// the library with the headers of -H, it takes the headers of a line away once
// a redirect has led to another scheme, host or port: they may be credentials.
func redirect(r *http.Request, via []*http.Request) error {
	it, ok := r.Context().Value(fetchKey{}).(*fetch)
	if !ok {
		return nil
	}
	if len(via) >= mostRedirects {
		it.status = r.Response.StatusCode
		return fmt.Errorf("stopped after %d redirects", mostRedirects)
	}
	first := via[0].URL
	isAway := func(hop *http.Request) bool { return hop.URL.Scheme != first.Scheme || hop.URL.Host != first.Host }
	if isAway(r) || slices.ContainsFunc(via, isAway) {
		it.RemoveHeaders(r.Header)
	}
	return nil
}

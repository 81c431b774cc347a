package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

	stop   context.Context // when it is done, no further line is begun
	making *fetch          // the fetch whose request is being made
}

func newFetcher(o *options, bodies *folder, drawn *pictures, jar http.CookieJar) (*fetcher, error) {
	f := &fetcher{opts: o, folder: bodies, drawn: drawn, policy: parallel.Retries(o.retries)}
	f.pace = newPace(o.rate.limit, o.costRate.limit)
	var err error
	if f.conns, err = newConnections(o); err != nil {
		return nil, err
	}
	auth, err := o.auth()
	if err != nil {
		return nil, err
	}
	f.client = client.Client{
		Header:    o.header,
		Auth:      auth,
		HTTP:      &http.Client{Transport: statusNoter{drawn.transport(f.conns.transport)}, Jar: jar},
		Limit:     o.limit,
		HostLimit: o.hostLimit,
		Timeout:   time.Duration(o.timeout),
		MaxBody:   f.maxBody(),
		Wait:      f.wait,
		Observe:   f.observe,
	}
	if o.timeout == 0 {
		f.client.Timeout = -1
	}
	return f, nil
}

// maxBody returns the longest body, or 0 if there is no limit.
func (f *fetcher) maxBody() int64 {
	if f.opts.maxBody == 0 && f.folder == nil {
		return 10 << 20
	}
	return int64(f.opts.maxBody)
}

// A fetch is the way of one line from its request to its result.
type fetch struct {
	*lines.Request
	fetcher *fetcher
	seq     int // its place in the input
	body    body

	// Written while the request is sent; read when its handle is done.
	began   time.Time // zero if it was never sent
	status  int
	starved int  // attempts that found no free descriptor
	pausing bool // between two attempts
	outcome pending.Outcome
	file    string
	fileErr error
}

// all sends the requests of all lines but those that are finished, and calls
// report with each result, until report fails. When stop is done, it begins no
// further line, and calls report only for those that it has begun.
func (f *fetcher) all(ctx, stop context.Context, in *input, done *finished, bar *progress, report func(int, *lines.Result) error) error {
	f.stop = stop
	return f.client.Parallel(ctx, func(p *parallel.Parallel) error {
		bar.start(p.Stats, f)
		defer bar.stop()
		b := &batch{fetcher: f, in: in, done: done, room: make(chan struct{}, 2*f.opts.limit), sent: make(map[*pending.Pending]*fetch)}
		feed := p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, b.feed(p) })
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

// A batch has the requests that are made and not reported. A function of the
// block makes them, so that a silent input holds up no result.
type batch struct {
	fetcher *fetcher
	in      *input
	done    *finished
	room    chan struct{} // has an element for each request that is made and not reported

	mu   sync.Mutex // guards sent
	sent map[*pending.Pending]*fetch
}

// feed makes a request of each line, until there are no more lines or no
// further one may begin.
func (b *batch) feed(p *parallel.Parallel) error {
	seq := 0
	for {
		select {
		case all, ok := <-b.in.next:
			if !ok {
				return b.in.err
			}
			for _, ln := range all {
				if b.done.has(ln.number) {
					continue
				}
				select {
				case b.room <- struct{}{}:
				case <-b.fetcher.stop.Done():
					return nil
				}
				b.make(p, ln, seq)
				seq++
			}
		case <-b.fetcher.stop.Done():
			return nil
		}
	}
}

// make makes the request of a line.
func (b *batch) make(p *parallel.Parallel, ln line, seq int) {
	f := b.fetcher
	it := &fetch{Request: lines.Parse(ln.number, ln.text, maxLine), fetcher: f, seq: seq}
	if it.File != "" && f.folder == nil && it.Err == nil {
		it.Err = errors.New("a line with a file needs -dir")
	}
	it.body = body{folder: f.folder, line: it.Request, max: f.maxBody()}
	b.mu.Lock() // take waits until the handle is in sent
	defer b.mu.Unlock()
	f.making = it
	b.sent[p.Get(it.Address(), it.prepare)] = it
}

// take returns the fetch of a handle that is done.
func (b *batch) take(h *pending.Pending) *fetch {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.sent[h]
	delete(b.sent, h)
	<-b.room
	return it
}

// prepare is an Option that makes the request of a fetch.
func (it *fetch) prepare(r *parallel.Request) error {
	f := it.fetcher
	if it.Err != nil {
		return it.Err
	}
	if err := it.Option(&f.opts.body)(r); err != nil {
		return err
	}
	r.Retry = it.retry
	if f.opts.withBody && f.folder == nil {
		return nil
	}
	return parallel.To(&it.body)(r)
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
		it.leavePause()
		if it.began.IsZero() {
			it.began = time.Now()
		}
	}
	return err
}

// longestPause is the longest Retry-After that is waited for.
const longestPause = 10 * time.Minute

// retry decides whether a fetch is sent again. It pauses a host that asks for
// it. An attempt that found no free descriptor does not count: nothing was
// sent, and others give theirs back.
func (it *fetch) retry(a parallel.Attempt) (wait time.Duration, again bool) {
	f := it.fetcher
	defer func() {
		if again {
			it.pausing = true
			f.retrying.Add(1)
		}
	}()
	if a.Err != nil && outOfFiles(a.Err) && f.stop.Err() == nil {
		it.starved++
		return 50*time.Millisecond + rand.N(100*time.Millisecond), true
	}
	a.N -= it.starved
	if a.Response != nil {
		if pause, ok := askedPause(a.Response, a.Done); ok {
			f.pace.pause(hostOf(a), a.Done.Add(min(pause, longestPause)))
			return pause, pause <= longestPause && a.N <= f.opts.retries && f.stop.Err() == nil
		}
	}
	wait, again = f.policy(a)
	return wait, again && f.stop.Err() == nil
}

// hostOf returns the host that has responded.
func hostOf(a parallel.Attempt) string {
	if r := a.Response.Request; r != nil {
		return strings.ToLower(r.URL.Host)
	}
	return strings.ToLower(a.Request.URL.Host)
}

func (it *fetch) leavePause() {
	if it.pausing {
		it.pausing = false
		it.fetcher.retrying.Add(-1)
	}
}

// outOfFiles reports whether err says that no more files can be opened.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		strings.Contains(err.Error(), "too many open files") // a DNSError wraps nothing
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

// settle notes how the request ended and completes its file. It runs before the
// handle is done, concurrently with other requests.
func (it *fetch) settle(o pending.Outcome) {
	it.leavePause()
	it.outcome = o
	if o.Err == nil && o.Response.StatusCode/100 == 2 {
		it.file, it.fileErr = it.body.keep()
	}
	if o.Err != nil || it.fileErr != nil {
		it.body.drop()
	}
}

// result returns the result of a fetch whose handle is done.
func (it *fetch) result(h *pending.Pending) *lines.Result {
	o := it.outcome
	if it.fileErr != nil {
		o.Err = it.fileErr
	}
	o.Attempts -= it.starved
	r := it.Result(o, it.began)
	r.Status, r.File = it.status, it.file
	if o.Response == nil {
		return &r
	}
	for _, name := range it.fetcher.opts.withHeaders {
		if values := o.Response.Header.Values(name); values != nil {
			if r.Headers == nil {
				r.Headers = make(map[string]string)
			}
			r.Headers[name] = strings.Join(values, ", ")
		}
	}
	if it.fetcher.opts.withBody && it.file == "" {
		r.SetBody(o.Response.Header, bodyOf(h))
	}
	return &r
}

// bodyOf returns the body of a handle's response, whatever its status.
func bodyOf(h *pending.Pending) []byte {
	body, err := h.Bytes()
	var status *pending.StatusError
	if errors.As(err, &status) {
		body = readAll(status.Response)
	}
	return body
}

func readAll(resp *http.Response) []byte {
	body, _ := io.ReadAll(resp.Body)
	return body
}

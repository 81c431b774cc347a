package parallel

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"runtime"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/pending"
)

// ErrEnded is reported by requests that were not done when their block ended,
// and by requests made after it ended. It matches context.Canceled.
var ErrEnded error = ended{}

type ended struct{}

func (ended) Error() string { return "the block has ended" }
func (ended) Unwrap() error { return context.Canceled }

// ErrNonePending is returned by Next when every handle has been claimed.
var ErrNonePending = errors.New("no response is pending")

// A Parallel is an open block: it makes requests and returns their responses as
// they complete. All methods are safe for use by multiple goroutines, also
// while responses are being read. Only Next and the iterators block.
//
// A Parallel remains safe to use after its block has ended. A request made then
// is not sent. Its handle is done, and its error matches ErrEnded and
// pending.ErrNotSent. A zero Parallel is not a block: Next, Arrivals and
// HasPending find nothing, and all other methods panic.
type Parallel struct {
	settings settings  // the same as in the block around this one
	queue    *queue    // the same
	outer    *Parallel // nil for the outermost
	caller   context.Context
	ctx      context.Context

	guard   *exchange.Guard
	handles *pending.Arrivals
	left    pending.Left // of handles, which alone uses it
	tasks   tasks

	// Guarded by queue.mu.
	ended   bool                 // no more tasks are started
	waiting fifo.Queue[*sending] // requests of this block that have no slot yet
	unwatch func() bool          // stops what watchBlockLocked started; nil until a request waits
	stats   Stats
}

// Run opens a block, calls fn with it on the caller's goroutine, and returns
// fn's error unchanged. The failure of a request is not reported if nobody
// requests its result.
//
// However fn ends (return, error, panic, runtime.Goexit), the block cancels its
// requests, with ErrEnded as the cause. Run then blocks until none of them is
// still inside the HTTP client, and until every function started with Go has
// returned. It does not wait for responses: see the loop in the package
// documentation.
//
// If ctx ends first, every request that is not done fails with an error that
// matches context.Cause(ctx). Run still waits for fn, and returns fn's error.
//
// A panic in code that a request runs (a RoundTripper, Auth, Wait, Take and its
// writer, Retry, Observe and the function that it returns, an upload's Read or
// Close, a function started with Go) fails the request's handle and cancels
// the block. Once fn has returned normally, Run panics with a *panics.Recovered
// of github.com/sourcegraph/conc/panics. Its Value is the original value, and
// its text has the stack of the original panic. Only http.ErrAbortHandler is
// raised as itself. If fn panics, fn's panic wins.
//
// Run panics at once if ctx or fn is nil.
func Run(ctx context.Context, cfg Config, fn func(*Parallel) error) error {
	if ctx == nil {
		panic("abreast: Parallel needs a context, and was given nil")
	}
	if fn == nil {
		panic("abreast: Parallel needs a function, and was given nil")
	}
	b := new(struct { // one allocation
		Parallel
		own queue
	})
	p := &b.Parallel
	p.settings = cfg.settings()
	p.open(ctx, nil, &b.own)
	err := p.run(func() error {
		b.own.open(p.ctx, &cfg)
		return fn(p)
	})
	p.guard.Raise()
	return err
}

// open opens p, which has only its settings, as a block with the context ctx.
// outer is the block that it is opened within, or nil.
func (p *Parallel) open(ctx context.Context, outer *Parallel, q *queue) {
	p.queue, p.outer, p.caller = q, outer, ctx
	p.guard, p.handles = new(exchange.Guard), new(pending.Arrivals)
	p.ctx = p.guard.Protect(ctx, outer == nil)
}

// run calls fn, and ends the block however fn ends.
func (p *Parallel) run(fn func() error) error {
	defer p.leave()
	return fn()
}

// leave ends the block: it cancels what is pending and waits for it.
func (p *Parallel) leave() {
	p.queue.mu.Lock()
	unwatch := p.unwatch
	p.queue.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
	p.guard.End(ErrEnded)
	p.abandonWaiting(true)
	if r := p.tasks.wait(); r != nil {
		p.guard.Caught(r)
	}
	if p.outer == nil {
		p.queue.stop()
	}
	p.handles.End(ErrEnded, &p.left)
}

// abandonWaiting removes the block's requests from the queue and fails them. If
// end is true, it also marks the block as ended under the same lock. A request
// that is made concurrently is therefore either removed here or sees that the
// block has ended, and no task is started after that.
func (p *Parallel) abandonWaiting(end bool) {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.ended {
		return
	}
	var left []*sending
	for n := p.waiting.Pop(); n != nil; n = p.waiting.Pop() {
		n.Item.unqueueLocked()
		left = append(left, n.Item)
	}
	if len(left) > 0 {
		err := exchange.EndOf(p.ctx)
		p.tasks.Go(func() { p.abandon(left, err) })
	}
	p.ended = end
}

// mustBeOpen panics if p is nil or zero. Otherwise that mistake would show as a
// nil dereference far below the call.
func (p *Parallel) mustBeOpen() {
	if p == nil || p.queue == nil {
		panic("abreast: nil or zero *Parallel: use the one that Client.Parallel, client.Parallel or parallel.Run passes to its function")
	}
}

// Next claims the unclaimed handle that completes first, and returns the
// response or the error of its Response method. It blocks until there is one.
// It returns each result once, in order of completion, failed and canceled
// requests included. Several goroutines may call Next; each result goes to one
// of them.
//
// If every handle is claimed, Next returns ErrNonePending at once. It also does
// so if another call claims the last handle while Next waits. The end of the
// block's context does not end Next directly: it cancels the requests, and Next
// returns their errors as they stop. After the block has ended, Next returns
// the results that are still unclaimed.
func (p *Parallel) Next() (*http.Response, error) {
	h := p.next()
	if h == nil {
		return nil, ErrNonePending
	}
	return h.Response()
}

// next claims and returns the handle whose result Next is to return, or nil.
func (p *Parallel) next() *pending.Pending {
	if p.handles == nil { // p is zero
		return nil
	}
	h := p.handles.Next()
	runtime.KeepAlive(p) // with left
	return h
}

// HasPending reports whether any handle is unclaimed, and thus whether Next has
// a result to return or to wait for. It does not block.
func (p *Parallel) HasPending() bool { return p.handles != nil && p.handles.Has() }

// Arrivals yields the unclaimed handles in order of completion, each when it is
// done. It is like Next, but tells which request is done. It claims each handle
// that it yields. It blocks while it waits for the next handle, and ends when
// every handle is claimed.
//
// Requests made in the loop are yielded as well. Several goroutines may range
// over Arrivals at once; each handle goes to one of them. Breaking out of the
// loop cancels nothing.
func (p *Parallel) Arrivals() iter.Seq[*pending.Pending] {
	return func(yield func(*pending.Pending) bool) {
		for h := p.next(); h != nil; h = p.next() {
			if !yield(h) {
				return
			}
		}
	}
}

// Context returns the block's context, for other work in the block (a database
// query, a select). It ends when the context that Run was called with ends,
// when the block ends (context.Cause then returns ErrEnded), or when code that
// a request runs panics (the cause then describes the panic).
func (p *Parallel) Context() context.Context {
	p.mustBeOpen()
	return p.ctx
}

// Stats returns the number of the block's requests in each state, at this
// moment. It includes the requests of blocks that Go opened within this one.
func (p *Parallel) Stats() Stats {
	p.mustBeOpen()
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.stats
}

package parallel

import (
	"context"
	"errors"
	"iter"
	"net/http"

	"github.com/sourcegraph/conc"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/slots"
	"github.com/abreast-go/abreast/pending"
)

// ErrEnded is the error of what was pending when its block ended, and of what is
// made on a block that has ended. errors.Is(ErrEnded, context.Canceled) holds.
var ErrEnded error = ended{}

type ended struct{}

func (ended) Error() string { return "the block has ended" }
func (ended) Unwrap() error { return context.Canceled }

// ErrNonePending is Next's answer when every response has been taken.
var ErrNonePending = errors.New("no response is pending")

// Parallel is a block that is open: the way to make requests in it and to take
// their responses as they arrive. All its methods may be called from many
// goroutines at once, also while responses are being read; none but Next and the
// iterators block.
//
// After its block has ended a Parallel is still safe to use: what is made on it
// has failed with ErrEnded.
type Parallel struct {
	cfg    Config
	queue  *queue    // shared with the block around this one
	outer  *Parallel // nil for the outermost
	caller context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc

	guard    *exchange.Guard
	settings exchange.Settings
	handles  pending.Arrivals
	tasks    conc.WaitGroup // what is waited for on leaving; Go is called under queue.mu, and not after ended was set

	// Guarded by queue.mu.
	ended   bool
	waiting fifo.Queue[*sending] // made, and without a slot yet
	unwatch func() bool          // from the end of ctx; nil until something waits
	stats   Stats
}

// Run opens a block, calls fn with it on the caller's goroutine, and returns fn's
// own error, unchanged. Every way out of fn (return, error, panic,
// runtime.Goexit) cancels what the block has pending, with ErrEnded as the cause,
// and waits until none of it is left inside the HTTP client; only then Run
// returns. Failures that nobody asked about stay silent.
//
// The end of ctx cancels what is pending too, with context.Cause(ctx) for an
// error; fn decides what Run returns then.
//
// If something that a request runs panics (a RoundTripper, Auth, Wait, Observe's
// function, the writer of To, an upload's Read or Close, a function given to Go),
// its handle fails, the block is cancelled, and once fn has returned normally Run
// panics with a *panics.Recovered of github.com/sourcegraph/conc/panics, whose
// Value is the original and whose text has the stack of where it happened;
// http.ErrAbortHandler is raised as itself. If fn panics, its panic wins.
//
// Run panics at once if ctx or fn is nil.
func Run(ctx context.Context, cfg Config, fn func(*Parallel) error) error {
	if ctx == nil {
		panic("abreast: Parallel needs a context, and was given nil")
	}
	if fn == nil {
		panic("abreast: Parallel needs a function, and was given nil")
	}
	cfg = cfg.withDefaults()
	p := newBlock(ctx, nil, cfg, &queue{slots: slots.New[*sending](cfg.Limit, cfg.HostLimit)})
	err := p.run(func() error { return fn(p) })
	p.guard.Raise()
	return err
}

func newBlock(ctx context.Context, outer *Parallel, cfg Config, q *queue) *Parallel {
	p := &Parallel{cfg: cfg, queue: q, outer: outer, caller: ctx, guard: new(exchange.Guard)}
	p.settings = exchange.Settings{Send: cfg.Send, Wait: cfg.Wait, Timeout: cfg.Timeout, MaxBody: cfg.MaxBody}
	p.ctx, p.cancel = p.guard.Protect(ctx, outer == nil)
	return p
}

// run calls fn and leaves the block whatever way fn ends.
func (p *Parallel) run(fn func() error) error {
	defer p.leave()
	return fn()
}

// leave cancels what is pending and joins it.
func (p *Parallel) leave() {
	p.queue.mu.Lock()
	unwatch := p.unwatch
	p.queue.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
	p.cancel(ErrEnded)
	p.abandonWaiting(true)
	if r := p.tasks.WaitAndRecover(); r != nil {
		p.guard.Caught(r)
	}
	p.handles.End(ErrEnded)
}

// watchLocked makes queued requests fail as soon as the context ends, not when a slot
// is free. A block in which no request has to wait does without.
func (p *Parallel) watchLocked() {
	if p.unwatch == nil {
		p.unwatch = context.AfterFunc(p.ctx, func() { p.abandonWaiting(false) })
	}
}

// abandonWaiting takes out of the queue what the block has there, and settles it.
// With end it marks the block as ended in the same moment, so that making a
// request and leaving cannot miss each other: nothing joins tasks after that.
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

// Next waits for the response that arrives first among those of handles nobody
// claimed, and returns what its handle's Response would. It yields each once, in
// the order of completion, failures and cancelled handles too.
//
// With none left it returns ErrNonePending at once, also when the last one is
// claimed elsewhere while it waits. After the block has ended it returns what is
// left.
func (p *Parallel) Next() (*http.Response, error) {
	h := p.handles.Next()
	if h == nil {
		return nil, ErrNonePending
	}
	return h.Response()
}

// HasPending reports whether there is a handle that nobody claimed: whether Next
// has something to give, be it there or still to come. It does not block.
func (p *Parallel) HasPending() bool { return p.handles.Has() }

// Arrivals yields what Next would return, as handles, so that one knows which it
// is, until there is none left. It blocks while it waits for the next. Requests
// made in the loop are yielded too; several goroutines may range at once, and
// each handle goes to one of them.
func (p *Parallel) Arrivals() iter.Seq[*pending.Pending] {
	return func(yield func(*pending.Pending) bool) {
		for h := p.handles.Next(); h != nil; h = p.handles.Next() {
			if !yield(h) {
				return
			}
		}
	}
}

// Context returns the block's context: the caller's, ended by the end of the
// block too, with ErrEnded for its context.Cause, or by a panic in the block, with one
// that says so. It is for other work in the block (a database query, a select).
func (p *Parallel) Context() context.Context { return p.ctx }

// Stats returns how the block's requests stand at this moment.
func (p *Parallel) Stats() Stats {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.stats
}

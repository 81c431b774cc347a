package parallel

import (
	"context"
	"errors"
	"net/http"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Go calls fn at once, on a goroutine of the block's, and returns the handle of
// what it will return: a sequence of requests, a fallback, a query, a
// computation.
//
// fn has a block of its own within this one: its Context ends with the handle
// or with the outer block, and leaving fn cancels what it started and no more.
// What it sends shares the limits of the outer block; the function itself takes
// no slot and is not counted by Stats. All are started at once: for many, use
// Each.
//
// The response that fn returns is read to its end, up to MaxBody, and closed,
// before its Context ends (that of a handle is whole in any case); nil stands
// for an empty 204. Its error comes out of the handle unchanged, and a response
// beside it is closed unread. fn's panic is treated like a request's (see Run).
// A nil fn is an error of the handle. On a block that has ended fn is not
// called: the error is ErrEnded, and pending.ErrNotSent.
//
// Clean-up at the end of fn, where its Context may have ended, has a block of
// its own with context.WithoutCancel(p.Context()).
//
// Leaving the outer block waits for fn to return, so it must heed its Context.
// It must not wait for its own handle, or drain the outer block's arrivals,
// which it is one of: that is waiting for ever, and no deadline ends it. (Name
// fn's parameter as the outer block is named, and that is out of its reach.)
func (p *Parallel) Go(fn func(*Parallel) (*http.Response, error)) *pending.Pending {
	if fn == nil {
		return p.refused(errors.New("Go was given a nil function"))
	}
	inner := newBlock(p.ctx, p, p.cfg, p.queue)
	h := p.handles.Make(ask.Ask{}, function{inner})
	p.queue.mu.Lock()
	ended := p.ended
	if !ended {
		p.tasks.Go(func() { p.runFunction(h, inner, fn) })
	}
	p.queue.mu.Unlock()
	if ended {
		inner.cancel(ErrEnded)
		p.handles.Complete(h, ask.Answer{Err: fail.NotSent(ErrEnded), NotSent: true})
	}
	return h
}

// A function is what the handle of a Go function cancels: the block of the
// function.
type function struct{ inner *Parallel }

func (f function) Cancel() { f.inner.cancel(context.Canceled) }

// Withdraw cancels the function, which may have requests that are queued.
func (f function) Withdraw() bool {
	f.Cancel()
	return true
}

// refused returns a handle of the block that failed with err and was not sent.
func (p *Parallel) refused(err error) *pending.Pending {
	h := p.handles.Make(ask.Ask{}, nil)
	p.handles.Complete(h, ask.Answer{Err: fail.Mark(err, true), NotSent: true})
	return h
}

// runFunction calls fn with its block, and completes h with the result.
func (p *Parallel) runFunction(h *pending.Pending, inner *Parallel, fn func(*Parallel) (*http.Response, error)) {
	var a ask.Answer
	defer func() { p.handles.Complete(h, a) }()
	returned := false
	p.guard.Run(func() {
		inner.run(func() error {
			resp, err := fn(inner)
			a = exchange.Read(inner.ctx, resp, err, inner.cfg.MaxBody, inner.guard)
			return nil
		})
		inner.guard.Raise()
		returned = true
	}, func(err error) { a = ask.Answer{Err: err} })
	if returned && a.Err != nil {
		// A Race needs to know, and can't ask where nothing is guarded.
		p.guard.Run(func() { a.NotSent = errors.Is(a.Err, pending.ErrNotSent) }, func(error) {})
	}
}

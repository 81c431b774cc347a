package parallel

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Go calls fn at once, on a goroutine of the block, and returns a handle for
// its result. Use it for a sequence of requests, a fallback, a query, or a
// computation. fn returns a response: for a result of any other type, call the
// function [Go] of this package, parallel.Go(p, fn). Go does not block. All
// functions start immediately; to run many, use [Each].
//
// fn runs in a block of its own within this one. The Context of that block ends
// when the handle is done or canceled, or when the outer block ends. When fn
// returns, only what fn started is canceled. The requests of fn share the
// limits of the outer block. fn itself uses no slot, and Stats does not count
// it.
//
// The response that fn returns is read to its end, up to MaxBody, and closed
// before fn's Context ends. If it is that of a handle, it is whole, even if fn
// has read it. A nil response without an error stands for an empty 204. An
// error is returned by the handle unchanged; a response beside it is closed
// unread. A panic in fn is treated like the panic of a request (see [Run]). If
// fn is nil, the handle fails.
//
// On a block that has ended, fn is not called. The error of the handle then
// matches ErrEnded and pending.ErrNotSent.
//
// The end of the outer block waits for fn to return, so fn must honor its
// Context. fn must not wait for its own handle, and must not drain the arrivals
// of the outer block, which include that handle: fn would wait forever, and no
// deadline ends that. To prevent it, let fn's parameter shadow the outer block.
//
// To clean up at the end of fn, when its Context may have ended, open a block
// with context.WithoutCancel(p.Context()).
func (p *Parallel) Go(fn func(*Parallel) (*http.Response, error)) *pending.Pending {
	return Go(p, fn)
}

// Go calls fn at once, as [Parallel.Go] does, and returns a handle for its
// value. [pending.As] returns the value:
//
//	row := parallel.Go(p, func(p *parallel.Parallel) (Product, error) { return db.Product(p.Context(), 7) })
//	...
//	product, err := pending.As[Product](row)
//
// The handle is like any other: Next and Arrivals yield it, Each and Ordered
// take it, and it can be a racer in a Race with requests. Its Response method
// returns an empty 204. An error of fn is returned by the handle unchanged, and
// a value beside it is dropped. If the value is an *http.Response, it is read
// as Parallel.Go reads it.
//
// The value must not depend on the Context of fn's block, which ends with fn.
func Go[T any](p *Parallel, fn func(*Parallel) (T, error)) *pending.Pending {
	p.mustBeOpen()
	if fn == nil {
		return p.refused(errors.New("Go called with a nil function"))
	}
	return p.function(func(inner *Parallel) ask.Answer {
		v, err := fn(inner)
		resp, ok := any(v).(*http.Response)
		if ok || err != nil {
			return exchange.ReadReturned(inner.ctx, resp, err, inner.settings.MaxBody, inner.guard)
		}
		return (&ask.Value{Any: v, Type: reflect.TypeFor[T]()}).Answer()
	})
}

// function calls fn at once, on a goroutine of the block, with a block within
// this one. It returns a handle for the answer of fn.
func (p *Parallel) function(fn func(*Parallel) ask.Answer) *pending.Pending {
	inner := &Parallel{settings: p.settings}
	inner.open(p.ctx, p, p.queue)
	h := p.handles.Make(ask.Ask{}, function{inner}, &p.left)
	p.queue.mu.Lock()
	ended := p.ended
	if !ended {
		p.tasks.Go(func() { p.runFunction(h, inner, fn) })
	}
	p.queue.mu.Unlock()
	if ended {
		inner.guard.End(ErrEnded)
		p.handles.Complete(h, ask.Answer{Err: fail.NotSent(ErrEnded), NotSent: true})
	}
	return h
}

// A function cancels the block of a Go function. It is the canceler of the
// function's handle.
type function struct{ inner *Parallel }

func (f function) Cancel() { f.inner.guard.End(context.Canceled) }

// Withdraw cancels the function, and with it the requests that it has queued.
func (f function) Withdraw() bool {
	f.Cancel()
	return true
}

// refused returns a handle that failed with err and matches pending.ErrNotSent.
func (p *Parallel) refused(err error) *pending.Pending {
	h := p.handles.Make(ask.Ask{}, nil, &p.left)
	p.handles.Complete(h, ask.Answer{Err: fail.Mark(err, true), NotSent: true})
	return h
}

// runFunction calls fn with its block, and completes h with the result.
func (p *Parallel) runFunction(h *pending.Pending, inner *Parallel, fn func(*Parallel) ask.Answer) {
	var a ask.Answer
	defer func() { p.handles.Complete(h, a) }()
	returned := false
	p.guard.Run(func() {
		inner.run(func() error {
			a = fn(inner)
			return nil
		})
		inner.guard.Raise()
		returned = true
	}, func(err error) { a = ask.Answer{Err: err} })
	if returned && a.Err != nil {
		// A Race needs to know. It cannot ask the error itself, whose methods
		// may be user code.
		p.guard.Run(func() { a.NotSent = errors.Is(a.Err, pending.ErrNotSent) }, func(error) {})
	}
}

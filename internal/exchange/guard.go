package exchange

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// A Guard catches what user code does instead of returning, in one block.
//
// User code runs in Guard.Run and nowhere else. The worker's Catcher is the only
// exception, and its comment says why. User code is
//
//   - on a goroutine of the block: Config.Send with all that it calls (the
//     RoundTripper, Auth, CheckRedirect, Jar), Wait, the function that Observe
//     returned, the Write of To, Read and Close of a response's body, a function of
//     Go;
//   - on goroutines of net/http's and of package context's: Read and Close of a
//     request's body, GetBody, and a context's methods, where net/http and package
//     context ask it: see Guard.Context;
//   - the methods of errors that came out of any of these, or are the cause of a
//     context: Error, Is, As, Unwrap, and Timeout, which failure asks;
//   - on the caller's goroutine: Observe, and a context's methods.
//
// Options, Config.Resolve, the items and the start function of Each, and MarshalJSON
// and UnmarshalJSON run on the caller's goroutine, in a call of the caller's: what
// they do instead of returning is fn's, and isn't caught. Nor is what the writer of a
// DialContext of the user's own does on net/http's goroutine, but for
// [DialContext], which has a guard of its own in internal/conns.
//
// A Guard is kept by the contexts of requests, and so by responses. It keeps
// nothing of the block alive but the block's context.
type Guard struct {
	mu sync.Mutex // guards the fields below

	panicked *panics.Recovered       // the first
	cause    error                   // what the block's context was, or is to be, canceled with
	cancel   context.CancelCauseFunc // of the block's context; nil until that is made
}

// Protect makes the block's context of ctx, which is the user's if it is not that of
// another block.
func (g *Guard) Protect(ctx context.Context, users bool) (context.Context, context.CancelCauseFunc) {
	if users {
		ctx = g.Context(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	g.mu.Lock()
	g.cancel = cancel
	cause := g.cause
	g.mu.Unlock()
	if cause != nil { // a method of the user's context, which is asked above
		cancel(cause)
	}
	return ctx, cancel
}

// End cancels the block's context with cause.
func (g *Guard) End(cause error) {
	g.mu.Lock()
	g.cause = cause
	cancel := g.cancel
	g.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// Run calls f, which runs user code. If f doesn't return, Run calls failed, once,
// with an error that says what f did:
//
//   - If f panicked, with nil, too, that is kept for the owner of the block to raise,
//     and the block is canceled. Run returns.
//   - If f ended the goroutine with runtime.Goexit, it ends after failed. What is left
//     to do after f belongs into a deferred function of the caller's, and a loop goes
//     on in a goroutine of its own, since each Goexit in a deferred function would
//     need more of the stack.
//
// failed is not guarded.
func (g *Guard) Run(f func(), failed func(error)) {
	var catcher panics.Catcher
	returned, survived := false, false
	defer func() {
		if !survived {
			failed(ErrGoexit)
		}
	}()
	catcher.Try(func() {
		f()
		returned = true
	})
	survived = true
	if !returned {
		failed(g.Caught(catcher.Recovered()))
	}
}

// Caught keeps the first panic to be raised, cancels the block, and returns the
// panic as an error. r is nil after a panic(nil) of a program that has set
// GODEBUG=panicnil=1: there is nothing to recover then, though something panicked.
func (g *Guard) Caught(r *panics.Recovered) error {
	if r == nil {
		nothing := panics.NewRecovered(1, new(runtime.PanicNilError)) // as without that setting
		r = &nothing
	}
	// What somebody caught and raised again is the panic that was caught. There may be
	// many around one another. If they are a circle it doesn't matter where this ends.
	for range 100 {
		first, ok := r.Value.(*panics.Recovered)
		if !ok || first == nil {
			break
		}
		r = first
	}
	g.mu.Lock()
	if g.panicked == nil {
		g.panicked = r
	}
	g.mu.Unlock()
	g.End(&panicCause{r.Value})
	return r.AsError()
}

// Raise raises a panic of what was started in the block on the goroutine of its
// owner, once the owner's function has returned normally.
//
// errgroup decided against doing this (golang/go 53757, 74275): its Wait may come
// long after, or never, and the stack of the goroutine that panicked would be
// lost. Here leaving is not optional, a panic cancels the block at once, and the
// child's stack travels in the value that is raised.
func (g *Guard) Raise() {
	g.mu.Lock()
	r := g.panicked
	g.mu.Unlock()
	if r == nil {
		return
	}
	if r.Value == http.ErrAbortHandler {
		panic(http.ErrAbortHandler) // net/http's server knows it by identity
	}
	panic(r)
}

// Context returns ctx, which is the user's, with its methods guarded. Package context
// and net/http ask it on goroutines of their own, where a panic would end the process.
//
// A method that panics cancels the block, and answers as that of a context that has
// ended. So does one that ends the goroutine, since nobody knows who waited for it.
func (g *Guard) Context(ctx context.Context) context.Context {
	return &guardedContext{ctx, g}
}

type guardedContext struct {
	ctx   context.Context
	guard *Guard
}

// over is the Done of a context whose method doesn't return.
var over = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *guardedContext) Deadline() (deadline time.Time, ok bool) {
	c.guard.Run(func() { deadline, ok = c.ctx.Deadline() }, c.guard.End)
	return deadline, ok
}

func (c *guardedContext) Done() <-chan struct{} {
	done := over
	c.guard.Run(func() { done = c.ctx.Done() }, c.guard.End)
	return done
}

// Err returns an error once Done is closed, whatever the user's context says:
// package context panics if it does not.
func (c *guardedContext) Err() error {
	err := context.Canceled
	c.guard.Run(func() { err = c.ctx.Err() }, c.guard.End)
	if err == nil {
		select {
		case <-c.Done():
			return context.Canceled
		default:
		}
	}
	return err
}

func (c *guardedContext) Value(key any) (value any) {
	c.guard.Run(func() { value = c.ctx.Value(key) }, c.guard.End)
	return value
}

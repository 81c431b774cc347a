package exchange

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/lifetime"
)

// A Guard calls the user code of one block, and catches what it does instead of
// returning: a panic or runtime.Goexit.
//
// User code runs in Guard.Run and nowhere else. The worker's Catcher is the
// only exception, and its comment says why. User code is:
//
//   - on a goroutine of the block: Config.Send with all that it calls (the
//     RoundTripper, Auth, CheckRedirect, the Jar), Wait, Take, Write of the
//     writer that it returned, Read and Close of a response's body, Retry, the
//     function that Observe returned, and a function passed to Go;
//   - on goroutines of net/http and of package context: Read and Close of a
//     request's body, GetBody, and the methods of contexts (see Guard.Context);
//   - the methods of errors that came out of any of these or are the cause of a
//     context: Error, Is, As, Unwrap and Timeout;
//   - on the caller's goroutine: Observe, and the methods of contexts.
//
// Options, Config.Resolve, the items and the start function of Each,
// MarshalJSON and UnmarshalJSON run in a call of the caller's. Their panics are
// the caller's and are not caught. A DialContext runs on a goroutine of
// net/http: conns.DialContext guards it, and nobody can guard one that is used
// without it. The same holds for other functions that net/http calls on its own
// goroutines: those of a Transport and of its TLSClientConfig that it calls
// while it dials, the hooks of an httptrace that it calls there, and the
// methods of a user's net.Conn. Their panics end the process.
//
// The contexts of requests, and so responses that are kept, refer to their
// Guard. It keeps nothing of the block alive but the block's context.
type Guard struct {
	requests lifetime.Block // the contexts of the block's requests

	// hooks are those of the block's context, which each request needs. nil
	// without any. Set by Protect.
	hooks *httptrace.ClientTrace

	mu sync.Mutex // guards the fields below

	panicked *panics.Recovered       // the first
	cause    error                   // what the block's context was, or is to be, canceled with
	cancel   context.CancelCauseFunc // of the block's context; nil until that is made
}

// Protect returns the context of a block whose caller's context is ctx. It ends
// with ctx, or by End. users says that ctx may be a user's own, and not that of
// another block.
func (g *Guard) Protect(ctx context.Context, users bool) context.Context {
	if users && ctx != context.Background() {
		ctx = g.Context(ctx)
	}
	from := ctx
	g.hooks = httptrace.ContextClientTrace(from)
	ctx, cancel := context.WithCancelCause(from)
	watched := false
	defer func() {
		if !watched { // a method of the user's context ended the goroutine
			cancel(ErrGoexit)
		}
	}()
	g.requests.Watch(ctx, from)
	watched = true
	g.mu.Lock()
	g.cancel = cancel
	cause := g.cause
	g.mu.Unlock()
	if cause != nil { // a method of the user's context, which is asked above
		cancel(cause)
	}
	return ctx
}

// End cancels the block's context, and those of its requests, with cause.
func (g *Guard) End(cause error) {
	g.mu.Lock()
	g.cause = cause
	cancel := g.cancel
	g.mu.Unlock()
	if cancel != nil {
		g.requests.Unwatch()
		cancel(cause)
		g.requests.End()
	}
}

// Run calls f, which runs user code. If f does not return, Run calls failed,
// once, with an error that says what f did:
//
//   - If f panicked, even with nil, the Guard keeps the panic for the owner of
//     the block and cancels the block. Run then returns.
//   - If f called runtime.Goexit, the goroutine ends after failed. The caller
//     must do what is left to do in a deferred function, and must continue a
//     loop on another goroutine: each Goexit in a deferred function would use
//     more of the stack.
//
// failed is not guarded.
//
// Every method of a user's context runs here, several times for each request,
// so Run allocates nothing. (A panics.Catcher would.)
func (g *Guard) Run(f func(), failed func(error)) {
	returned, survived := false, false
	defer func() {
		if !survived {
			failed(ErrGoexit)
		}
	}()
	var caught *panics.Recovered // nil also after a panic(nil): see Caught
	func() {
		defer func() {
			if returned {
				return
			}
			if v := recover(); v != nil {
				r := panics.NewRecovered(1, v)
				caught = &r
			}
		}()
		f()
		returned = true
	}()
	survived = true
	if !returned {
		failed(g.Caught(caught))
	}
}

// Caught keeps the first panic of the block, cancels the block, and returns r
// as an error. r is nil after a panic(nil) in a program with
// GODEBUG=panicnil=1: then there was nothing to recover, although something
// panicked.
func (g *Guard) Caught(r *panics.Recovered) error {
	if r == nil {
		nothing := panics.NewRecovered(1, new(runtime.PanicNilError)) // as without that setting
		r = &nothing
	}
	// A panic that was caught and raised again is wrapped in another, perhaps
	// many times. If they form a circle, it does not matter where this ends.
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

// Raise raises the first panic of the block again, if there was one. The owner
// of the block calls it after fn has returned normally.
//
// errgroup decided against raising panics (golang/go 53757, 74275): its Wait
// may come long after, or never, and the stack of the goroutine that panicked
// would be lost. Here the end of the block is not optional, a panic cancels the
// block at once, and the stack travels in the value that is raised.
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

// Context returns ctx, a user's context, with its methods guarded. Package
// context and net/http call them on goroutines of their own, where a panic
// would end the process.
//
// If a method panics, the block is canceled, and the context appears to have
// ended. So it does if a method ends the goroutine, since nobody knows who
// waited for it.
func (g *Guard) Context(ctx context.Context) context.Context {
	c := &guardedContext{ctx: ctx, guard: g, done: over}
	g.Run(func() {
		c.deadline, c.hasDeadline = ctx.Deadline()
		c.done = ctx.Done()
	}, g.End)
	return c
}

type guardedContext struct {
	ctx   context.Context
	guard *Guard

	// Of ctx, which is asked once.
	deadline    time.Time
	hasDeadline bool
	done        <-chan struct{}
}

// over is the Done of a context whose method does not return.
var over = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *guardedContext) Deadline() (time.Time, bool) { return c.deadline, c.hasDeadline }

func (c *guardedContext) Done() <-chan struct{} { return c.done }

// Err returns an error once Done is closed, even if the user's context returns
// nil: package context panics without one.
func (c *guardedContext) Err() error {
	err := context.Canceled
	c.guard.Run(func() { err = c.ctx.Err() }, c.guard.End)
	if err == nil {
		select {
		case <-c.done:
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

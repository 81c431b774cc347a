package lifetime

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type key struct{}

// begun returns a Context of a block with the context ctx. It ends after d, if
// d is larger than 0.
func begun(ctx context.Context, d time.Duration) *Context {
	b := new(Block)
	b.Watch(ctx, ctx)
	c := new(Context)
	c.Begin(b, ctx, d)
	return c
}

// A sight is what can be seen of a context that has ended.
type sight struct {
	Name  string
	After time.Duration
	Err   error
	Cause error
}

// look waits until each of the named contexts has ended, and returns what can
// be seen of them.
func look(start time.Time, ctxs map[string]context.Context) map[string]sight {
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := make(map[string]sight)
	for name, ctx := range ctxs {
		wg.Go(func() {
			<-ctx.Done()
			after := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			seen[name] = sight{name, after, ctx.Err(), context.Cause(ctx)}
		})
	}
	wg.Wait()
	return seen
}

var (
	errCause = errors.New("the cause")
	errOwn   = errors.New("another cause")
)

// A Context, what is made from it, and what is done after it are as with
// context.WithTimeout or context.WithCancelCause.
func TestContext_endsAsWithTimeout(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration // of the context; 0 for none
		block   time.Duration // deadline of the block's context; 0 for none
		cancel  time.Duration // when the context is canceled; 0 for never
		cause   error         // that it is canceled with, or nil; only without a timeout
		end     time.Duration // when the block's context is canceled with errCause; 0 for never
	}{
		"deadline":                        {timeout: 2 * time.Second},
		"deadline before the block's":     {timeout: 2 * time.Second, block: 3 * time.Second},
		"the block's deadline before":     {timeout: 3 * time.Second, block: 2 * time.Second},
		"canceled":                        {timeout: 3 * time.Second, cancel: time.Second},
		"canceled without a timeout":      {cancel: time.Second},
		"the block ends":                  {timeout: 3 * time.Second, end: time.Second},
		"the block ends, no timeout":      {end: time.Second},
		"the block ends after a deadline": {timeout: time.Second, end: 2 * time.Second},
		"the block ends after a cancel":   {cancel: time.Second, end: 2 * time.Second},
		"canceled with a cause":           {cancel: time.Second, cause: errOwn},
		"the block ends after a cause":    {cancel: time.Second, cause: errOwn, end: 2 * time.Second},
		"the block ends before a cause":   {cancel: 2 * time.Second, cause: errOwn, end: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run := func(derive func(context.Context) (context.Context, func())) any {
					start := time.Now()
					block, end := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
					defer end(nil)
					if test.block > 0 {
						var cancel context.CancelFunc
						block, cancel = context.WithTimeout(block, test.block)
						defer cancel()
					}
					ctx, cancel := derive(block)
					defer cancel()
					if test.cancel > 0 {
						time.AfterFunc(test.cancel, cancel)
					}
					if test.end > 0 {
						time.AfterFunc(test.end, func() { end(errCause) })
					}
					deadline, has := ctx.Deadline()
					until := deadline.Sub(start)
					if !has {
						until = 0
					}
					notCalled := func() { t.Error("a function that was stopped was called") }
					stopFirst := context.AfterFunc(ctx, notCalled)
					child, c1 := context.WithCancel(ctx)
					defer c1()
					second, c2 := context.WithCancelCause(ctx)
					defer c2(nil)
					valued, c3 := context.WithCancel(context.WithValue(ctx, key{}, "another"))
					defer c3()
					own, c4 := context.WithCancel(WithValue(ctx, key{}, "another"))
					defer c4()
					after, called := context.WithCancel(context.Background())
					context.AfterFunc(ctx, called)
					stop := context.AfterFunc(ctx, notCalled)
					stops := []bool{stopFirst(), stopFirst(), stop(), stop()}
					seen := look(start, map[string]context.Context{
						"itself": ctx, "child": child, "second": second, "value": valued, "own": own, "after": after,
					})
					time.Sleep(4 * time.Second) // what happens later changes nothing
					late, c5 := context.WithCancel(ctx)
					defer c5()
					return []any{until, has, ctx.Value(key{}), own.Value(key{}), stops, seen, look(start, map[string]context.Context{"late": late, "itself": ctx})}
				}
				want := run(func(ctx context.Context) (context.Context, func()) {
					if test.timeout > 0 {
						c, cancel := context.WithTimeout(ctx, test.timeout)
						return c, cancel
					}
					c, cancel := context.WithCancelCause(ctx)
					return c, func() { cancel(test.cause) }
				})
				got := run(func(ctx context.Context) (context.Context, func()) {
					c := begun(ctx, test.timeout)
					if test.cause == nil {
						return c, c.Cancel
					}
					return c, func() { c.CancelCause(test.cause) }
				})
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
					t.Errorf("package context -, lifetime +:\n%s", diff)
				}
			})
		})
	}
}

// The contexts of a block share a timer. None ends at the time of another.
func TestBlock_eachAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		ctx, end := context.WithCancel(t.Context())
		b := new(Block)
		b.Watch(ctx, ctx)
		var wg sync.WaitGroup
		for range 500 {
			timeout := []time.Duration{0, 5 * time.Second, 5 * time.Second, 5 * time.Second, 2 * time.Second}[rnd.IntN(5)]
			canceled := time.Duration(rnd.IntN(8_000)) * time.Millisecond
			want, err := canceled, context.Canceled
			if timeout > 0 && timeout <= canceled {
				want, err = timeout, context.DeadlineExceeded
			}
			c := new(Context)
			start := time.Now()
			if timeout > 0 && rnd.IntN(2) == 0 {
				c.Begin(b, ctx, 0)
				c.Limit(timeout)
			} else {
				c.Begin(b, ctx, timeout)
			}
			wg.Go(func() {
				time.Sleep(canceled)
				c.Cancel()
			})
			wg.Go(func() {
				<-c.Done()
				if after := time.Since(start); after != want || c.Err() != err {
					t.Errorf("timeout %v, canceled after %v: ended after %v with %v, want %v with %v", timeout, canceled, after, c.Err(), want, err)
				}
			})
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		}
		wg.Wait()
		b.Unwatch()
		end()
		b.End()
		if b.usual.Len() != 0 || b.others.Len() != 0 || b.fires != 0 {
			t.Errorf("a block that has ended keeps %d and %d contexts, and its timer fires at %v", b.usual.Len(), b.others.Len(), b.fires)
		}
	})
}

func TestBlock_shorterTimeoutAfterLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(Block)
		b.Watch(t.Context(), t.Context())
		start := time.Now()
		for _, timeout := range []time.Duration{time.Minute, time.Second, time.Hour} {
			c := new(Context)
			c.Begin(b, t.Context(), timeout)
			if timeout == time.Second {
				<-c.Done()
			}
			c.Cancel()
		}
		if after := time.Since(start); after != time.Second {
			t.Errorf("a timeout of 1s, after one of 1m that was canceled, ended after %v", after)
		}
	})
}

// The end of the block's context may be seen before the goroutine runs that
// ends the contexts of its requests.
func TestContext_errIsNotLate(t *testing.T) {
	for name, then := range map[string]func(*Context){
		"and is seen":             func(*Context) {},
		"and it is canceled":      (*Context).Cancel,
		"and it ends for a cause": func(c *Context) { c.CancelCause(errOwn) },
	} {
		ctx, end := context.WithCancelCause(t.Context())
		c := begun(ctx, time.Hour)
		end(errCause)
		then(c)
		if err, cause := c.Err(), context.Cause(c); err != context.Canceled || cause != errCause {
			t.Errorf("the block ends %s: Err() = %v, Cause = %v; want %v, %v", name, err, cause, context.Canceled, errCause)
		}
		select {
		case <-c.Done():
		default:
			t.Errorf("the block ends %s: Done is open, although Err is not nil", name)
		}
	}
}

// Package context ends the contexts that are made from the block's in any order.
// A context that ended before its parent was taken for canceled.
func TestBlock_endsContextsAfterTheirParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		b := new(Block)
		b.Watch(ctx, ctx)
		parent, endParent := context.WithCancelCause(t.Context()) // in truth, made from ctx
		c := new(Context)
		c.Begin(b, parent, 0)
		end()
		synctest.Wait()
		endParent(errCause)
		<-c.Done()
		if cause := context.Cause(c); cause != errCause {
			t.Errorf("Cause = %v, want %v", cause, errCause)
		}
	})
}

func TestContext_nanosecondIsOverAtOnce(t *testing.T) {
	for range 100 {
		if c := begun(t.Context(), 1); c.Err() != context.DeadlineExceeded {
			t.Fatalf("Err() = %v, want %v", c.Err(), context.DeadlineExceeded)
		}
	}
}

func TestContext_beginsAfterBlockEnded(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	b := new(Block)
	b.Watch(ctx, ctx)
	b.Unwatch()
	end()
	b.End()
	c := new(Context)
	c.Begin(b, ctx, time.Hour)
	if err := c.Err(); err != context.Canceled {
		t.Errorf("Err() = %v, want %v", err, context.Canceled)
	}
	c.Limit(time.Minute)
	if b.usual.Len() != 0 || b.others.Len() != 0 {
		t.Error("the block keeps a context that has ended")
	}
}

func TestContext_stopped(t *testing.T) {
	c := begun(t.Context(), 0)
	for n := range 3 {
		stop := c.AfterFunc(func() { t.Errorf("function %d was called, although it was stopped", n) })
		for _, want := range []bool{true, false} {
			if got := stop(); got != want {
				t.Errorf("stop of function %d = %v, want %v", n, got, want)
			}
		}
	}
	c.Cancel()
}

// Package context and net/http make one context from each request's. It costs
// no goroutine.
func TestContext_childHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := begun(t.Context(), 0)
		for _, parent := range []context.Context{c, WithValue(c, key{}, 1), WithValue(WithValue(c, key{}, 1), key{}, 2)} {
			asked := 0
			child, cancel := context.WithCancel(counting{parent, parent.(afterFuncer), &asked})
			cancel()
			<-child.Done()
			if asked != 1 {
				t.Errorf("AfterFunc was called %d times, want once", asked)
			}
		}
		c.Cancel()
	})
}

// A counting counts the calls of AfterFunc.
type counting struct {
	context.Context
	afterFuncer
	n *int
}

func (c counting) AfterFunc(f func()) func() bool {
	*c.n++
	return c.afterFuncer.AfterFunc(f)
}

func TestContext_concurrentUse(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	b := new(Block)
	b.Watch(ctx, ctx)
	var wg sync.WaitGroup
	for range 100 {
		c := new(Context)
		c.Begin(b, ctx, 0)
		for _, f := range []func(){
			func() { c.Limit(time.Millisecond) },
			c.Cancel,
			func() { c.Deadline() },
			func() { _ = c.Err() },
			func() { context.Cause(c) },
			func() { context.AfterFunc(c, func() {})() },
			func() { <-c.Done() },
		} {
			wg.Go(f)
		}
	}
	wg.Go(end)
	wg.Go(b.End)
	wg.Wait()
}

// A context that begins after its block has ended ends with its parent, which
// may end a moment later. It starts no timer.
func TestBegin_afterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		b := new(Block)
		b.Watch(ctx, ctx)
		end(errCause)
		synctest.Wait() // End was called
		parent, endParent := context.WithCancelCause(context.WithoutCancel(ctx))
		time.AfterFunc(time.Second, func() { endParent(errCause) })
		start := time.Now()
		c := new(Context)
		c.Begin(b, parent, time.Hour)
		<-c.Done()
		got := sight{"c", time.Since(start), c.Err(), context.Cause(c)}
		if diff := cmp.Diff(sight{"c", time.Second, context.Canceled, errCause}, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if b.timer != nil {
			t.Error("a timer was started")
		}
	})
}

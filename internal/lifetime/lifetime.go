// Package lifetime has the context of a request. A [Context] ends at its
// deadline, when it is canceled, or with its block.
//
// context.WithTimeout would do, and costs more. It allocates a context, a
// timer, two functions, and a map for the context that net/http makes from each
// request's. Here the requests of a block share one timer, and a Context is a
// part of a larger object.
package lifetime

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A Block ends the contexts of one block's requests. Call Watch before anything
// else.
type Block struct {
	ctx     context.Context // set by Watch
	unwatch func() bool     // undoes the AfterFunc of Watch; nil without one

	mu sync.Mutex // guards the fields below

	over bool // End was called: no context is queued and no timer started any more

	start time.Time // of the first request with a timeout; the times below are since then

	// Most requests of a block have the same timeout. Their deadlines come in
	// the order in which their timeouts start, so a queue and a timer are
	// enough. The timer is not reset when a request is done: it may fire before
	// the first of usual has to end.
	usual fifo.Queue[*Context] // those with the same timeout, in order of their deadlines
	time  time.Duration        // that timeout
	timer *time.Timer          // nil until there is a timeout
	fires time.Duration        // when timer fires; 0 if it does not run

	others fifo.Queue[*Context] // with another timeout, or without one
}

// Watch sets the context of the block, which ends when the context from does,
// or before. When from ends, End is called.
//
// Watch does not call AfterFunc of the block's own context. Package context
// would make a channel and a map for it, which nobody else needs.
func (b *Block) Watch(ctx, from context.Context) {
	b.ctx = ctx
	if from.Done() != nil {
		b.unwatch = context.AfterFunc(from, b.End)
	}
}

// Is reports whether ctx is the context of the block.
func (b *Block) Is(ctx context.Context) bool { return ctx == b.ctx }

// Unwatch undoes Watch, before the caller ends the context of the block. The
// caller then calls End itself.
func (b *Block) Unwatch() {
	if b.unwatch != nil {
		b.unwatch()
	}
}

// End ends the contexts of all requests, and stops the timer. The context of
// the block has ended, or is about to.
func (b *Block) End() {
	if b.ctx.Err() == nil {
		<-b.ctx.Done() // a context that begins before that is ended below
	}
	b.mu.Lock()
	b.over = true
	var all []*Context
	for _, q := range [...]*fifo.Queue[*Context]{&b.usual, &b.others} {
		for n := q.Pop(); n != nil; n = q.Pop() {
			all = append(all, n.Item)
		}
	}
	if b.timer != nil {
		b.timer.Stop()
		b.fires = 0
	}
	b.mu.Unlock()
	for _, c := range all {
		<-c.parent.Done() // it may end a moment after the context of the block
		c.Cancel()
	}
}

// expire ends the contexts whose deadlines have come.
func (b *Block) expire() {
	b.mu.Lock()
	var late []*Context
	now := time.Since(b.start)
	b.fires = 0
	for n := b.usual.First(); n != nil; n = b.usual.First() {
		if n.Item.ends > now {
			b.startLocked(n.Item.ends-now, n.Item.ends)
			break
		}
		n.Remove()
		late = append(late, n.Item)
	}
	b.mu.Unlock()
	for _, c := range late {
		c.end(outOfTime)
	}
}

// afterLocked returns the time that d is after now, as a time since b.start.
// One reading of the clock that is relative takes half as long as time.Now,
// which reads two clocks.
func (b *Block) afterLocked(d time.Duration) time.Duration {
	if b.start.IsZero() {
		b.start = time.Now()
		return d
	}
	at := time.Since(b.start) + d
	if at < d { // overflow
		return math.MaxInt64
	}
	return at
}

// startLocked lets the timer fire after d, at the time at.
func (b *Block) startLocked(d, at time.Duration) {
	b.fires = at
	if b.timer == nil {
		b.timer = time.AfterFunc(d, b.expire)
	} else {
		b.timer.Reset(d)
	}
}

// A Context is the context of a request. It is used by pointer, after Begin.
//
// A context that is made from a Context directly costs little. One that is made
// from a context around it, such as that of context.WithValue, has a goroutine
// until it ends: package context does not see the AfterFunc of the Context. See
// [WithValue].
type Context struct {
	parent context.Context
	block  *Block
	done   chan struct{} // closed when it ends

	// Guarded by block.mu.
	node  fifo.Node[*Context] // in a queue of block, until the Context ends
	ends  time.Duration       // its deadline, since block.start; 0 for none
	timer *time.Timer         // its own; nil if it has no timeout, or the usual one

	how atomic.Pointer[ending] // nil until it ends; set under mu

	mu sync.Mutex // guards the fields below

	taken bool // first was set

	// What AfterFunc was called with. Most requests have one context that is
	// made from theirs, by net/http.
	first func()             // nil if there was none yet, or after it was stopped
	more  fifo.Queue[func()] // all others
}

// An ending is how a Context ended.
type ending struct {
	err    error           // what Err returns
	itself bool            // it ended before its parent
	cause  context.Context // ended with the same cause; nil if that is err, or if the parent has it
}

var (
	canceled  = &ending{err: context.Canceled, itself: true}
	outOfTime = &ending{err: context.DeadlineExceeded, itself: true}
)

// Begin begins c, a part of a request of b. It has the values of parent, which
// is the context of b or made from it. c ends when parent does, and if d is
// larger than 0, after d.
func (c *Context) Begin(b *Block, parent context.Context, d time.Duration) {
	c.parent, c.block, c.node.Item = parent, b, c
	c.done = make(chan struct{})
	b.mu.Lock()
	over := b.over
	if !over {
		c.addLocked(d)
	}
	b.mu.Unlock()
	if over {
		<-parent.Done() // as in End
		c.Cancel()
		return
	}
	c.endIfOver(d)
}

// Limit ends c after d, unless it ends before. 0 or less means no limit. c was
// begun without one.
func (c *Context) Limit(d time.Duration) {
	c.block.mu.Lock()
	if c.node.Remove() { // it has not ended
		c.addLocked(d)
	}
	c.block.mu.Unlock()
	c.endIfOver(d)
}

// endIfOver ends c if d, its timeout, is over. A timer would end it too, but
// takes so long that a request with a timeout of a nanosecond would be sent.
func (c *Context) endIfOver(d time.Duration) {
	if d <= 0 || d >= time.Millisecond {
		return
	}
	if at, ok := c.Deadline(); ok && !time.Now().Before(at) {
		c.end(outOfTime)
	}
}

// addLocked adds c to its block, to end after d. 0 or less means no limit.
func (c *Context) addLocked(d time.Duration) {
	b := c.block
	if d <= 0 {
		b.others.Push(&c.node)
		return
	}
	c.ends = b.afterLocked(d)
	if b.usual.First() == nil {
		b.time = d
	}
	if d != b.time {
		b.others.Push(&c.node)
		c.timer = time.AfterFunc(d, func() { c.end(outOfTime) })
		return
	}
	b.usual.Push(&c.node)
	if b.fires == 0 || c.ends < b.fires {
		b.startLocked(d, c.ends)
	}
}

// Cancel ends c as context.CancelFunc does. If its parent has ended before, c
// ends with the error of the parent.
func (c *Context) Cancel() { c.end(canceled) }

// CancelCause ends c as context.CancelCauseFunc does. If its parent has ended
// before, c ends with the error and the cause of the parent.
func (c *Context) CancelCause(why error) {
	cause, end := context.WithCancelCause(context.Background())
	end(why)
	c.end(&ending{context.Canceled, true, cause})
}

// end ends c as how says, or if its parent has ended before, with the error of
// the parent.
func (c *Context) end(how *ending) {
	if why := c.parent.Err(); why != nil {
		how = &ending{err: why}
	}
	b := c.block
	b.mu.Lock()
	c.node.Remove()
	timer := c.timer
	b.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	c.mu.Lock()
	if !c.how.CompareAndSwap(nil, how) {
		c.mu.Unlock()
		return
	}
	close(c.done)
	first := c.first
	c.first = nil
	var more []func()
	for n := c.more.Pop(); n != nil; n = c.more.Pop() {
		more = append(more, n.Item)
	}
	c.mu.Unlock()
	if first != nil {
		first()
	}
	for _, f := range more {
		f()
	}
}

// Deadline returns the deadline of c or that of its parent, whichever is
// earlier.
func (c *Context) Deadline() (time.Time, bool) {
	deadline, ok := c.parent.Deadline()
	c.block.mu.Lock()
	defer c.block.mu.Unlock()
	if c.ends == 0 {
		return deadline, ok
	}
	if at := c.block.start.Add(c.ends); !ok || at.Before(deadline) {
		return at, true
	}
	return deadline, ok
}

// Done returns a channel that is closed when c ends. If the context of the
// block ends, that is a moment later, on another goroutine.
func (c *Context) Done() <-chan struct{} { return c.done }

// Err returns the error with which c has ended, or nil. It also ends c if its
// parent has ended, without waiting for the goroutine that does so.
func (c *Context) Err() error {
	if c.how.Load() == nil {
		if c.parent.Err() == nil {
			return nil
		}
		c.Cancel()
	}
	return c.how.Load().err
}

// Value returns the value of the parent for key.
//
// context.Cause asks for the [AncestorKey], and returns the cause of the
// ancestor. If c ended before its parent, c hides that ancestor: Value returns a
// context that ended with the cause of c, or nil if the cause is c.Err.
func (c *Context) Value(key any) any {
	if how := c.how.Load(); key == AncestorKey && how != nil && how.itself {
		if how.cause == nil {
			return nil
		}
		return how.cause.Value(key)
	}
	return c.parent.Value(key)
}

// AfterFunc calls f once c has ended. Package context calls AfterFunc for each
// context that is made from c, to cancel it: that is all that f does. stop
// undoes AfterFunc, and reports whether f will not be called for that reason.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	if !c.taken && c.how.Load() == nil {
		c.first, c.taken = f, true
		c.mu.Unlock()
		return c.stopFirst
	}
	defer c.mu.Unlock()
	if c.how.Load() != nil {
		go f() // package context holds a lock that f needs
		return func() bool { return false }
	}
	n := &fifo.Node[func()]{Item: f}
	c.more.Push(n)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return n.Remove()
	}
}

// stopFirst undoes the first AfterFunc.
func (c *Context) stopFirst() bool {
	c.mu.Lock()
	stopped := c.first != nil
	c.first = nil
	c.mu.Unlock()
	return stopped
}

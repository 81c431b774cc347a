package waterfall

import (
	"context"
	"runtime/trace"
)

// tasks has the task of each block that has requests. Its key is the Done
// channel of the block's context.
type tasks map[<-chan struct{}]*task

// A task is the runtime/trace task of one block. A region must not outlive its
// task, so the task ends when the block's context has ended and the last of its
// requests is done.
type task struct {
	*trace.Task
	ctx context.Context

	// The Recorder's mu guards the fields below.
	open  int  // the number of requests that are not done
	ended bool // the block's context has ended
}

// region opens a region for a request that is made with ctx, in the task of its
// block. It returns the function that ends the region, which waits until it has
// ended.
//
// A region must begin and end on the same goroutine, and a request is made on
// one goroutine and done on another. Each region therefore has a goroutine of
// its own while a trace is being taken.
func (rec *Recorder) region(ctx context.Context, request string) (end func(ended string)) {
	t := rec.taskOf(ctx)
	how, told := make(chan string), make(chan struct{})
	go func() {
		defer close(told)
		trace.WithRegion(t.ctx, "request", func() {
			trace.Log(t.ctx, "made", request)
			trace.Log(t.ctx, "done", request+": "+<-how)
		})
	}()
	return func(ended string) {
		how <- ended
		<-told
		rec.mu.Lock()
		defer rec.mu.Unlock()
		t.open--
		t.endIfDoneLocked()
	}
}

// taskOf returns the task of the block whose context is ctx, and counts one
// more open request in it.
func (rec *Recorder) taskOf(ctx context.Context) *task {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if t := rec.tasks[ctx.Done()]; t != nil {
		t.open++
		return t
	}
	t := &task{open: 1}
	t.ctx, t.Task = trace.NewTask(ctx, "block")
	if rec.tasks == nil {
		rec.tasks = make(tasks)
	}
	rec.tasks[ctx.Done()] = t
	context.AfterFunc(ctx, func() {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		delete(rec.tasks, ctx.Done())
		t.ended = true
		t.endIfDoneLocked()
	})
	return t
}

// endIfDoneLocked ends t if its block has ended and none of its requests is
// open. The caller holds the Recorder's mu.
func (t *task) endIfDoneLocked() {
	if t.ended && t.open == 0 {
		t.End()
	}
}

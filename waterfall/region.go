package waterfall

import (
	"context"
	"runtime/trace"
)

// tasks are those of runtime/trace, one for each block that has requests, by the Done
// of the block's context.
type tasks map[<-chan struct{}]*task

// A task is a block's. It ends with the block's context, or, since a region is not
// to outlive its task, with the last of its requests.
type task struct {
	*trace.Task
	ctx context.Context

	// Guarded by the Recorder's mu.
	open  int // requests
	ended bool
}

// region opens a region for a request that is made with ctx, in the task of its
// block, and returns what ends it.
//
// A region begins and ends on one goroutine, and a request is made on one and settled
// on another: hence a goroutine of its own, while a trace is being taken.
func (rec *Recorder) region(ctx context.Context, request string) (end func(ended string)) {
	t := rec.taskOf(ctx)
	settled, told := make(chan string), make(chan struct{})
	go func() {
		defer close(told)
		trace.WithRegion(t.ctx, "request", func() {
			trace.Log(t.ctx, "made", request)
			trace.Log(t.ctx, "settled", request+": "+<-settled)
		})
	}()
	return func(ended string) {
		settled <- ended
		<-told
		rec.mu.Lock()
		defer rec.mu.Unlock()
		t.open--
		t.endIfDone()
	}
}

// taskOf is the task of the block that a request is made in with ctx, for one more
// request.
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
		t.endIfDone()
	})
	return t
}

// endIfDone ends t when its block is left and no request of it is open. The caller
// holds the Recorder's mu.
func (t *task) endIfDone() {
	if t.ended && t.open == 0 {
		t.End()
	}
}

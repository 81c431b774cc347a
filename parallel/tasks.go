package parallel

import (
	"sync"

	"github.com/sourcegraph/conc/panics"
)

// tasks are the goroutines that the end of a block waits for. They are started
// under the mutex of the queue before the block is marked as ended, or by a
// task.
//
// A conc.WaitGroup does the same. It makes a closure for each goroutine, and
// catches panics a second time where a worker does.
type tasks struct {
	running sync.WaitGroup
	catcher panics.Catcher // of what Go was called with
}

// Go calls f on a goroutine. wait returns the first panic.
func (t *tasks) Go(f func()) {
	t.running.Go(func() { t.catcher.Try(f) })
}

// goWorker calls run on a goroutine. run catches panics itself, and calls
// t.running.Done when it ends.
func (t *tasks) goWorker(run func()) {
	t.running.Add(1)
	go run()
}

// wait waits until all goroutines have ended. It returns the first panic of a
// function that Go was called with, or nil.
func (t *tasks) wait() *panics.Recovered {
	t.running.Wait()
	return t.catcher.Recovered()
}

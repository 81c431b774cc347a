package parallel

import (
	"sync/atomic"
	"time"
)

// A timer calls a function with the object that it belongs to, once, unless it
// is stopped before. Its owner guards it with a lock.
type timer[T any] struct {
	*time.Timer

	// nil once the timer is stopped. The runtime may keep a timer for long after
	// that, and the timer what its function refers to.
	of atomic.Pointer[T]
}

// after returns a timer that calls f with of after d. f must not keep of alive.
func after[T any](d time.Duration, of *T, f func(*T)) *timer[T] {
	t := new(timer[T])
	t.of.Store(of)
	t.Timer = time.AfterFunc(d, func() {
		if of := t.of.Load(); of != nil {
			f(of)
		}
	})
	return t
}

// stop ends t early, and lets go of its object.
func (t *timer[T]) stop() {
	t.Stop()
	t.of.Store(nil)
}

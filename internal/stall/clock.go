// Package stall has the clock that ends a request which makes no progress.
package stall

import (
	"sync"
	"time"
)

// A Clock calls a function, once, when a request has made no progress for some
// time. Each sign of progress starts that time again. While the clock is
// paused, it stands still.
//
// Each Read of a long body is progress. Resetting a timer at each Read is slow,
// so a sign only stores the time; the timer fires early and is set again for
// the rest. The mutex is hardly ever contended, and costs less than reading the
// time. An atomic could not hold both the time and the pause.
//
// All methods may be called on a nil Clock, which does nothing. They may be
// called on any goroutine, also after Stop: a transport may go on writing a
// request that was answered.
type Clock struct {
	limit time.Duration
	end   func()

	mu sync.Mutex // guards the fields below

	timer  *time.Timer
	last   time.Time // the last sign of progress, plus the pauses since then
	paused time.Time // since when; zero if the clock runs
	asleep bool      // the timer has fired in a pause, and is not set
	over   bool      // end is no longer called
}

// Start returns a clock that runs, and that calls end, on a goroutine of its
// own, when no progress was made for limit. limit is positive.
func Start(limit time.Duration, end func()) *Clock {
	c := &Clock{limit: limit, end: end, last: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(limit, c.fire)
	return c
}

// Progress records a sign of progress.
func (c *Clock) Progress() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
}

// Pause stops the clock, for user code that the request waits for. Pauses do
// not nest.
func (c *Clock) Pause() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = time.Now()
}

// Resume ends a pause: the time that was left before the pause is left again.
// After a sign of progress during the pause, the whole time is left.
func (c *Clock) Resume() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used := max(0, c.paused.Sub(c.last))
	c.last, c.paused = time.Now().Add(-used), time.Time{}
	if c.asleep && !c.over {
		c.asleep = false
		c.timer.Reset(c.limit - used)
	}
}

// Deadline returns when the clock calls its function if there is no sign of
// progress before. It reports false if the clock does not run.
func (c *Clock) Deadline() (deadline time.Time, ok bool) {
	if c == nil {
		return time.Time{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Add(c.limit), c.paused.IsZero() && !c.over
}

// Stop ends the clock. After Stop the function is not called, but a call may
// still be running.
func (c *Clock) Stop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.timer.Stop()
}

func (c *Clock) fire() {
	if c.due() {
		c.end()
	}
}

// due reports whether the time has run out. If it has not, due sets the timer
// for the rest, or leaves that to Resume.
func (c *Clock) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	if !c.paused.IsZero() {
		c.asleep = true
		return false
	}
	if left := c.limit - time.Since(c.last); left > 0 {
		c.timer.Reset(left)
		return false
	}
	c.over = true
	return true
}

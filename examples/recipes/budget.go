package recipes

import (
	"sync"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

// Budget returns a function for Client.Retry that calls decide and limits how
// often a request is sent again: over the last ten seconds at most share of the
// number of requests, or least a second if that is more. So retries can't
// multiply the load of a service that is down:
//
//	Retry: recipes.Budget(0.2, 1, parallel.Retries(4))
//
// sends at most 120 attempts for 100 requests, and not 500. With least, a
// program that sends little may retry as well.
//
// The function has one budget. Give it to all clients of a service. A budget
// for several services lets one that is down use up the retries of the others.
func Budget(share float64, least int, decide func(parallel.Attempt) (time.Duration, bool)) func(parallel.Attempt) (time.Duration, bool) {
	var b budget
	return func(a parallel.Attempt) (time.Duration, bool) {
		if a.N == 1 {
			b.count()
		}
		pause, again := decide(a)
		return pause, again && b.draw(share, least)
	}
}

// A budget counts by the second. It looks back over the second that has begun
// and the nine before it.
type budget struct {
	mu      sync.Mutex // guards the field below
	seconds [10]struct {
		at                int64 // Unix time
		requests, retries int
	}
}

// count counts a request.
func (b *budget) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seconds[b.turnLocked()].requests++
}

// draw counts a retry and returns true, if there is one left.
func (b *budget) draw(share float64, least int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.turnLocked()
	var requests, retries int
	for _, s := range b.seconds {
		if b.seconds[i].at-s.at < int64(len(b.seconds)) {
			requests += s.requests
			retries += s.retries
		}
	}
	if float64(retries+1) > max(share*float64(requests), float64(least*len(b.seconds))) {
		return false
	}
	b.seconds[i].retries++
	return true
}

// turnLocked returns the index of this second, whose counts begin at 0.
func (b *budget) turnLocked() int {
	now := time.Now().Unix()
	i := int(now % int64(len(b.seconds)))
	if s := &b.seconds[i]; s.at != now {
		s.at, s.requests, s.retries = now, 0, 0
	}
	return i
}

package parallel

import (
	"context"
	"sync"

	"github.com/abreast-go/abreast/internal/slots"
)

// A queue gives slots to the requests of a block and of the blocks that Go
// opens within it, since a slot belongs to a request and never to a block.
//
// Decisions are made under mu; everything else happens outside. A goroutine is
// started when a request gets a slot, and goes on with the next request when it
// is done, so a queued request has none.
type queue struct {
	mu    sync.Mutex // guards slots, and the fields of sending and Parallel that say so
	slots *slots.Queue[*sending]
}

// Stats counts the requests of a block, including those of the blocks that Go
// opened within it. Calls of Go and Race are not counted.
type Stats struct {
	Queued   int // made and not sent: waiting for a slot or for their After
	InFlight int // holding a slot: from the call of Wait to the last byte
	Done     int // done, including Failed
	Failed   int // done with an error; a response of any status is no failure
}

// A state is where a request is on its way.
type state uint8

const (
	made      state = iota // not counted
	queued                 // waiting for a slot or for its After
	inFlight               // holding a slot
	succeeded              // done, with a response
	failed                 // done, with an error
)

// moveLocked changes the state of s, and counts it in its block and in the
// blocks around it. Nothing else changes a state or the Stats.
func (s *sending) moveLocked(to state) {
	var c Stats
	for _, change := range [...]struct {
		state state
		by    int
	}{{s.state, -1}, {to, +1}} {
		switch change.state {
		case queued:
			c.Queued += change.by
		case inFlight:
			c.InFlight += change.by
		case failed:
			c.Failed += change.by
			fallthrough
		case succeeded:
			c.Done += change.by
		}
	}
	s.state = to
	for p := s.p; p != nil; p = p.outer {
		p.stats.Queued += c.Queued
		p.stats.InFlight += c.InFlight
		p.stats.Done += c.Done
		p.stats.Failed += c.Failed
	}
}

// addLocked puts s, which its block has listed as waiting, behind all others.
func (q *queue) addLocked(s *sending) {
	q.slots.Push(&s.place)
	q.dispatchLocked()
}

// dispatchLocked starts a goroutine for each request that may have a slot.
func (q *queue) dispatchLocked() {
	for s := q.takeLocked(); s != nil; s = q.takeLocked() {
		s.workLocked()
	}
}

// takeLocked gives a slot to the oldest request that may have one, and returns
// it. It returns nil if there is none.
func (q *queue) takeLocked() *sending {
	e := q.slots.Take()
	if e == nil {
		return nil
	}
	s := e.Item
	s.listed.Remove()
	s.moveLocked(inFlight)
	return s
}

// done takes back the slot of s, whose state becomes to, and returns the
// request that its goroutine goes on with, if any. A goroutine belongs to one
// block: the request of another block gets a goroutine of that block.
func (q *queue) done(s *sending, to state) (next *sending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots.Release(&s.place)
	s.moveLocked(to)
	next = q.takeLocked()
	if next != nil && next.p != s.p {
		next.workLocked()
		next = nil
	}
	return next
}

// hop moves s, which holds a slot, to another host, and waits for its place
// there. It returns early, with ctx.Err, if ctx ends.
func (q *queue) hop(ctx context.Context, s *sending, host string) error {
	q.mu.Lock()
	waiting := q.slots.Hop(&s.place, host)
	q.dispatchLocked()
	q.mu.Unlock()
	if waiting == nil {
		return nil
	}
	select {
	case <-waiting.Turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots.Leave(waiting)
	return ctx.Err()
}

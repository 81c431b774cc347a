package parallel

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/internal/slots"
)

// A queue gives slots to the requests of a block and of the blocks that Go
// opens within it, since a slot belongs to a request and never to a block.
//
// Decisions are made under mu; everything else happens outside. A goroutine is
// started when a request gets a slot, and goes on with the next request when it
// is done, so a queued request has none.
type queue struct {
	limits *Limits     // shared with other queues; nil if there are none
	mu     *sync.Mutex // that of limits, or ownMu; guards slots and pauses, and the fields of sending and Parallel that say so
	slots  *slots.Queue[*sending]
	pauses map[string]*pause // hosts that are set aside

	ownMu    sync.Mutex
	ownSlots slots.Queue[*sending] // used without limits
}

// open opens q, a zero queue, for a block with the context ctx.
func (q *queue) open(ctx context.Context, cfg *Config) {
	if cfg.Shared != nil {
		cfg.Shared.share(q, ctx, cfg)
		return
	}
	q.mu, q.slots = &q.ownMu, &q.ownSlots
	q.slots.Init(cfg.Limit, cfg.HostLimit, cfg.Wait != nil) // Wait may pause a host
}

// hostOf returns the host and port of a URL, as HostLimit counts them.
func hostOf(u *url.URL) string { return origin.Of(u).HostPort() }

// Stats counts the requests of a block, including those of the blocks that Go
// opened within it. Calls of Go and Race are not counted.
type Stats struct {
	Queued   int // waiting for a slot, for their After, or to be sent again
	InFlight int // holding a slot: from the call of Wait to the last byte
	Done     int // done, including Failed
	Failed   int // done with an error; a response of any status is not a failure
}

// A state is where a request is on its way. A request that is sent again, or
// whose Wait returned a Later, goes back from inFlight to queued.
type state uint8

const (
	made      state = iota // not counted
	queued                 // waiting for a slot, for its After, or for the pause before an attempt
	inFlight               // holding a slot
	succeeded              // done, with a response
	failed                 // done, with an error
)

// moveLocked changes the state of s, and counts it in its block and in the
// blocks around it. Nothing else changes a state or the Stats.
func (s *sending) moveLocked(to state) {
	from := s.state
	s.state = to
	if s.held != nil && (to == succeeded || to == failed) {
		s.held.entry = nil
	}
	for p := s.p; p != nil; p = p.outer {
		p.stats.move(from, to)
	}
	if l := s.p.queue.limits; l != nil {
		l.stats.move(from, to)
	}
}

// move counts a request whose state changes.
func (s *Stats) move(from, to state) {
	s.count(from, -1)
	s.count(to, +1)
}

func (s *Stats) count(in state, by int) {
	switch in {
	case queued:
		s.Queued += by
	case inFlight:
		s.InFlight += by
	case failed:
		s.Failed += by
		s.Done += by
	case succeeded:
		s.Done += by
	}
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
	s.takenLocked()
	return s
}

// takenLocked records that s has got a slot.
func (s *sending) takenLocked() {
	s.listed.Remove()
	s.moveLocked(inFlight)
}

// done takes back the slot of s, whose state becomes to, and returns the
// request that its goroutine goes on with, if any. A goroutine belongs to one
// block: the request of another block gets a goroutine of that block.
func (q *queue) done(s *sending, to state) (next *sending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots.Release(&s.entry)
	s.moveLocked(to)
	return q.nextLocked(s.p)
}

// nextLocked returns the request that a goroutine of p goes on with, if any,
// and starts goroutines for the others that may have a slot. One slot that was
// given back may let several requests be sent, with Limits: one of this block,
// at another host, and one of another block, at the host that has a place
// again.
func (q *queue) nextLocked(p *Parallel) (next *sending) {
	for s := q.takeLocked(); s != nil; s = q.takeLocked() {
		if next == nil && s.p == p {
			next = s
		} else {
			s.workLocked()
		}
	}
	return next
}

// again takes back the slot of s, and queues it for another attempt with the
// exchange x, after a pause. It returns the request that the goroutine goes on
// with.
func (q *queue) again(s *sending, x *exchange.Exchange, pause time.Duration) (next *sending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.slots.ByHost() {
		s.entry.Host = hostOf(s.Ask.URL()) // a hop may have changed it
	}
	return q.returnLocked(s, x, pause)
}

// later takes back the slot of s, sets its host aside for d, and queues s with
// the exchange x, to be sent then.
func (q *queue) later(s *sending, x *exchange.Exchange, d time.Duration) (next *sending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pauseLocked(s.entry.Host, d)
	return q.returnLocked(s, x, 0)
}

// returnLocked takes back the slot of s and returns s to its place in the
// queue, before all requests of its host that were made later. If s or its
// block has ended meanwhile, it is abandoned.
func (q *queue) returnLocked(s *sending, x *exchange.Exchange, pause time.Duration) (next *sending) {
	err := s.endedLocked()
	q.slots.Release(&s.entry)
	s.moveLocked(queued)
	s.Exchange = x
	if err != nil {
		s.p.tasks.Go(func() { s.abandon(err) }) // its goroutine is one of the block, which is still waited for
	} else {
		s.waitLocked(pause, (*slots.Queue[*sending]).Return)
	}
	next = q.nextLocked(s.p)
	s.watchBlockLocked()
	return next
}

// A pause sets a host aside.
type pause struct {
	until time.Time
	timer *timer[queue]
}

// pauseLocked sets a host aside for d, or until the end of its pause if that is
// later.
func (q *queue) pauseLocked(host string, d time.Duration) {
	until := time.Now().Add(d)
	p := q.pauses[host]
	switch {
	case p == nil:
		if q.pauses == nil {
			q.pauses = make(map[string]*pause)
		}
		q.pauses[host] = &pause{until, after(d, q, func(q *queue) { q.resume(host) })}
		q.slots.Pause(host)
	case until.After(p.until):
		p.until = until // resume looks at it
	}
}

// resume ends the pause of a host, if it is over.
func (q *queue) resume(host string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pauses[host]
	if p == nil { // the block has ended
		return
	}
	if rest := time.Until(p.until); rest > 0 {
		p.timer.Reset(rest)
		return
	}
	delete(q.pauses, host)
	q.slots.Resume(host)
	q.dispatchLocked()
}

// stop ends all pauses. It is called when the block has ended.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for host, p := range q.pauses {
		p.timer.stop()
		q.slots.Resume(host)
	}
	q.pauses = nil
}

// hop moves s, which holds a slot, to another host, and waits for its place
// there. It returns early, with ctx.Err, if ctx ends.
func (q *queue) hop(ctx context.Context, s *sending, host string) error {
	q.mu.Lock()
	waiting := q.slots.Hop(&s.entry, host)
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

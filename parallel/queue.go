package parallel

import (
	"sync"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A queue decides which request is sent next and when: first in, first out, at
// most limit at once, at most hostLimit for one host. A block shares its queue
// with the blocks that Go opens within it, since a slot belongs to a request and
// never to a block.
//
// Decisions are made under mu; everything else happens outside. A goroutine is
// started when a request gets a slot, and goes on with the next request when it
// is done, so what waits costs none.
type queue struct {
	limit, hostLimit int // 0: none

	mu sync.Mutex // guards all below, and what sending and Parallel say it does

	inFlight int
	ready    fifo.Queue[*sending] // oldest first
	hosts    map[string]*host     // those with a request in flight; only under a hostLimit
}

// A host at its limit sets its requests aside, so that they hold back no other
// host's.
type host struct {
	inFlight int
	aside    fifo.Queue[*sending] // oldest first, all older than the host's in ready
}

// Stats are the requests of a block, those of the blocks that Go opened within it
// included. Neither Go nor Race is counted itself.
type Stats struct {
	Queued   int // made and not sent yet: waiting for a slot or for their After
	InFlight int // holding a slot: from the Wait to the last byte
	Done     int // settled, the Failed too
	Failed   int // settled with an error; a response of any status is none
}

// add lets s, which its block has listed as waiting, have a slot as soon as there
// is one. The caller holds mu.
func (q *queue) add(s *sending) {
	q.ready.Push(&s.place)
	q.dispatch()
}

// dispatch starts a goroutine for each request that may have a slot. The caller
// holds mu.
func (q *queue) dispatch() {
	for s := q.take(); s != nil; s = q.take() {
		s.work()
	}
}

// take gives a slot to the oldest request that may have one, nil if there is
// none. The caller holds mu.
func (q *queue) take() *sending {
	for q.limit == 0 || q.inFlight < q.limit {
		n := q.ready.Pop()
		if n == nil {
			return nil
		}
		s := n.Item
		if q.hostLimit > 0 {
			h := q.hosts[s.host]
			if h == nil {
				h = new(host)
				if q.hosts == nil {
					q.hosts = make(map[string]*host)
				}
				q.hosts[s.host] = h
			}
			if h.inFlight >= q.hostLimit {
				h.aside.Push(n)
				continue
			}
			h.inFlight++
		}
		q.inFlight++
		s.listed.Remove()
		s.p.count(Stats{Queued: -1, InFlight: +1})
		return s
	}
	return nil
}

// release gives back the slot that s held: one more request may have one. The caller
// holds mu, and must take before it unlocks, since what was set aside for s's host
// is now first in line, its turn having come long ago.
func (q *queue) release(s *sending) {
	q.inFlight--
	if q.hostLimit == 0 {
		return
	}
	h := q.hosts[s.host]
	h.inFlight--
	if n := h.aside.Pop(); n != nil {
		q.ready.PushFront(n)
	}
	if h.inFlight == 0 && h.aside.Len() == 0 {
		delete(q.hosts, s.host)
	}
}

// done settles the accounts of s, which held a slot, and returns the request that
// its goroutine goes on with, if any. A goroutine belongs to one block: another
// block's request gets a goroutine of that block's.
func (q *queue) done(s *sending, failed bool) (next *sending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(s)
	c := Stats{InFlight: -1, Done: +1}
	if failed {
		c.Failed = +1
	}
	s.p.count(c)
	next = q.take()
	if next != nil && next.p != s.p {
		next.work()
		next = nil
	}
	return next
}

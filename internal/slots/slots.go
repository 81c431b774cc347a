// Package slots decides which request gets the next slot. It knows nothing of
// HTTP, of blocks, or of goroutines: it is a data structure, and the lock of
// its owner guards it.
//
// An entry is queued, then holds a slot, then is gone. Each host has its own
// line, first in, first out. A slot goes to the oldest entry of all whose host
// may have one more in flight, so a host at its limit holds back no other host.
package slots

import (
	"container/heap"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A Queue holds entries and counts the slots that it gave out. [Queue.Take]
// alone gives out slots, at most limit at a time, and at most hostLimit at a
// time to the entries of one host.
//
// A Queue is not safe for concurrent use.
type Queue[T any] struct {
	limit, hostLimit int // 0 means no limit

	pushed   uint64              // entries so far; dates them
	inFlight int                 // slots given out
	hosts    map[string]*host[T] // hosts with an entry that waits or holds a slot
	all      host[T]             // stands for every host without a hostLimit
	ready    byAge[T]            // hosts whose oldest entry may have a slot
}

// A host is kept for as long as it has an entry. Only update changes whether it
// is ready.
type host[T any] struct {
	name     string
	line     fifo.Queue[*Entry[T]] // waiting for a slot, oldest first
	hops     fifo.Queue[*Hop[T]]   // holding a slot and waiting for a place here
	inFlight int                   // places taken
	index    int                   // in Queue.ready, from 1; 0 means not ready
}

// An Entry is one request in a Queue. Set Item and Host before it is pushed.
type Entry[T any] struct {
	Item T
	Host string // what hostLimit counts by; ignored without one

	age   uint64 // less is older
	place fifo.Node[*Entry[T]]
	at    *host[T] // where it waits or holds a place; nil during a Hop
}

// A Hop is an entry that holds a slot and waits for a place at another host.
type Hop[T any] struct {
	// Turn is closed when the entry has its place.
	Turn chan struct{}

	entry *Entry[T]
	host  *host[T]
	place fifo.Node[*Hop[T]]
}

// New returns an empty queue. Zero or less means no limit.
func New[T any](limit, hostLimit int) *Queue[T] {
	return &Queue[T]{limit: max(limit, 0), hostLimit: max(hostLimit, 0)}
}

// Limit returns the limit of slots, or 0 if there is none.
func (q *Queue[T]) Limit() int { return q.limit }

// LimitsHosts reports whether the queue has a limit per host.
func (q *Queue[T]) LimitsHosts() bool { return q.hostLimit > 0 }

// Idle reports whether no entry waits, none holds a slot, and no host is kept.
func (q *Queue[T]) Idle() bool {
	return q.inFlight == 0 && len(q.hosts) == 0 && len(q.ready) == 0
}

// Push adds e, which is not in the queue and holds no slot, behind all others.
func (q *Queue[T]) Push(e *Entry[T]) {
	q.pushed++
	e.age = q.pushed
	e.at = q.host(e.Host)
	e.place.Item = e
	e.at.line.Push(&e.place)
	q.update(e.at)
}

// Remove takes e out of the queue if it waits there for a slot.
func (q *Queue[T]) Remove(e *Entry[T]) {
	if e.place.Remove() {
		h := e.at
		e.at = nil
		q.update(h)
	}
}

// Take gives a slot to the oldest entry that may have one, takes it out of the
// line and returns it. It returns nil if no entry may have a slot now.
func (q *Queue[T]) Take() *Entry[T] {
	if len(q.ready) == 0 || q.limit > 0 && q.inFlight >= q.limit {
		return nil
	}
	h := q.ready[0]
	e := h.line.Pop().Item
	q.inFlight++
	h.inFlight++
	q.update(h)
	return e
}

// Release takes back the slot of e and its place at a host. Other entries may
// have a slot now: call Take before the owner's lock is released.
func (q *Queue[T]) Release(e *Entry[T]) {
	q.inFlight--
	q.vacate(e)
}

// Hop moves e, which holds a slot, to another host. e keeps its slot. It gives
// up its place at the first host at once, so that hops in opposite directions
// don't wait for each other. Hop returns nil if e has its place at the new
// host. Otherwise e waits for it in line: see the result's Turn, and Leave.
//
// As with Release, other entries may have a slot now.
func (q *Queue[T]) Hop(e *Entry[T], to string) *Hop[T] {
	q.vacate(e)
	e.Host = to
	h := q.host(to)
	if q.hasPlace(h) {
		e.at = h
		h.inFlight++
		q.update(h)
		return nil
	}
	w := &Hop[T]{Turn: make(chan struct{}), entry: e, host: h}
	w.place.Item = w
	h.hops.Push(&w.place)
	return w
}

// Leave takes w out of the line. An entry that has got its place by then keeps
// it until Release.
func (q *Queue[T]) Leave(w *Hop[T]) {
	w.place.Remove()
	q.update(w.host)
}

// vacate gives up the place of e, if it holds one. The oldest hop in line gets
// it, before any entry without a slot: a hop holds a slot while it waits.
func (q *Queue[T]) vacate(e *Entry[T]) {
	h := e.at
	if h == nil {
		return
	}
	e.at = nil
	if n := h.hops.Pop(); n != nil {
		n.Item.entry.at = h
		close(n.Item.Turn)
		return
	}
	h.inFlight--
	q.update(h)
}

// host returns the host of this name, which is kept from now on.
func (q *Queue[T]) host(name string) *host[T] {
	if q.hostLimit == 0 {
		return &q.all
	}
	h := q.hosts[name]
	if h == nil {
		h = &host[T]{name: name}
		if q.hosts == nil {
			q.hosts = make(map[string]*host[T])
		}
		q.hosts[name] = h
	}
	return h
}

func (q *Queue[T]) hasPlace(h *host[T]) bool {
	return q.hostLimit == 0 || h.inFlight < q.hostLimit
}

// update makes h ready or not, as its line and its places now say, puts it
// where its oldest entry belongs, and forgets a host without entries.
func (q *Queue[T]) update(h *host[T]) {
	ready := h.line.Len() > 0 && q.hasPlace(h)
	switch {
	case ready && h.index > 0:
		heap.Fix(&q.ready, h.index-1)
	case ready:
		heap.Push(&q.ready, h)
	case h.index > 0:
		heap.Remove(&q.ready, h.index-1)
	}
	if h != &q.all && h.inFlight == 0 && h.line.Len() == 0 && h.hops.Len() == 0 {
		delete(q.hosts, h.name)
	}
}

// byAge is a heap of hosts: the one with the oldest entry comes first.
type byAge[T any] []*host[T]

func (b byAge[T]) Len() int { return len(b) }

func (b byAge[T]) Less(i, j int) bool {
	return b[i].line.First().Item.age < b[j].line.First().Item.age
}

func (b byAge[T]) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].index, b[j].index = i+1, j+1
}

func (b *byAge[T]) Push(x any) {
	h := x.(*host[T])
	*b = append(*b, h)
	h.index = len(*b)
}

func (b *byAge[T]) Pop() any {
	last := len(*b) - 1
	h := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	h.index = 0
	return h
}

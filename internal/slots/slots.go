// Package slots decides which request gets the next slot. It knows nothing of
// HTTP, of blocks, or of goroutines: it is a data structure, and the lock of
// its owner guards it.
//
// An entry is queued, then holds a slot, then is gone or queued again. Each
// host has its own line. A slot goes to the oldest entry of all whose host may
// have one more in flight, so a host that is at its limit or paused holds back
// no other host.
//
// An entry that gets a slot also takes a place at its host, and the limit of a
// host counts its places. A [Hop] is an entry that keeps its slot, gives up its
// place, and waits for a place at another host.
//
// The queues of a [Group] take turns. Their entries need a slot and a place of
// the queue, and also a slot and a place of the group. The exception is an
// entry that runs on the slot of another entry, its lender.
package slots

import (
	"container/heap"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A Queue holds entries and counts the slots that it gave out. [Queue.Take]
// alone gives out slots, at most limit at a time, and at most hostLimit at a
// time to the entries of one host.
//
// A Queue is not safe for concurrent use, and neither are the queues of one
// Group.
type Queue[T any] struct {
	limit, hostLimit int        // 0 means no limit
	byHost           bool       // hosts are told apart
	member           *member[T] // of a group; nil without one

	pushed   uint64              // entries pushed so far: the age of the newest
	inFlight int                 // slots given out
	hosts    map[string]*host[T] // hosts with an entry or a pause
	all      host[T]             // stands for every host unless byHost
	ready    byAge[*host[T]]     // hosts whose oldest entry may have a slot
	one      [1]*host[T]         // the first array of ready: it never has more unless byHost
}

// A host is one host of one queue. It is kept for as long as it has an entry or
// is paused. It is able if it has an entry, and a place of its queue. It is
// ready if it is able and does not wait for a place of the group. Only settle
// changes whether it is able or ready.
type host[T any] struct {
	queue    *Queue[T]
	name     string
	line     line[T]             // waiting for a slot, oldest first
	hops     fifo.Queue[*Hop[T]] // holding a slot and waiting for a place here
	inFlight int                 // places taken
	paused   bool
	able     bool
	index    int // in Queue.ready, from 1; 0 means not ready

	inLine fifo.Node[*host[T]] // in common.waiting or common.called
	called bool                // a place of the group is kept for it
}

// An Entry is one request in a Queue. Set Item and Host before it is pushed.
type Entry[T any] struct {
	Item T
	Host string // what hostLimit counts by; ignored if the queue has no use for it

	age   uint64               // less is older
	node  fifo.Node[*Entry[T]] // in at.line.pushed, while it waits
	index int                  // in at.line.returned, from 1; 0 means it is not there
	at    *host[T]             // where it waits or holds a place; nil during a Hop
	share *share[T]            // of the group; nil without one
}

// A Hop is an entry that holds a slot and waits for a place at another host.
type Hop[T any] struct {
	// Turn is closed when the entry has its place.
	Turn chan struct{}

	entry *Entry[T]
	host  *host[T]
	node  fifo.Node[*Hop[T]] // in the line of host, then of the group
}

// New returns an empty queue. Zero or less means no limit. byHost says that
// hosts are told apart even without a hostLimit, since they may be paused.
func New[T any](limit, hostLimit int, byHost bool) *Queue[T] {
	q := new(Queue[T])
	q.Init(limit, hostLimit, byHost)
	return q
}

// Init makes q, a zero Queue, what New returns.
func (q *Queue[T]) Init(limit, hostLimit int, byHost bool) {
	q.limit, q.hostLimit = max(limit, 0), max(hostLimit, 0)
	q.byHost = byHost || q.hostLimit > 0
	q.all.queue = q
	q.ready = q.one[:0]
}

// Limit returns the limit of slots, or 0 if there is none.
func (q *Queue[T]) Limit() int { return q.limit }

// ByHost reports whether the entries need a Host.
func (q *Queue[T]) ByHost() bool { return q.byHost }

// Idle reports whether no entry waits, none holds a slot, and no host is kept.
func (q *Queue[T]) Idle() bool {
	return q.inFlight == 0 && len(q.hosts) == 0 && len(q.ready) == 0 && (q.member == nil || !q.member.turn.Queued())
}

// Push adds e, which is not in the queue and holds no slot, behind all others.
func (q *Queue[T]) Push(e *Entry[T]) {
	q.pushed++
	e.age = q.pushed
	if q.member != nil {
		e.share = new(share[T])
	}
	e.at = q.host(e.Host)
	e.at.line.push(e)
	q.update(e.at)
}

// Return adds e, which was pushed before and holds no slot now, where it was:
// before all entries of its host that were pushed after it.
func (q *Queue[T]) Return(e *Entry[T]) {
	e.at = q.host(e.Host)
	e.at.line.back(e)
	q.update(e.at)
}

// Remove takes e out of the queue if it waits there for a slot.
func (q *Queue[T]) Remove(e *Entry[T]) {
	if h := e.at; h != nil && h.line.remove(e) {
		e.at = nil
		q.update(h)
	}
}

// Take gives a slot to the oldest entry that may have one, takes it out of the
// line and returns it. It returns nil if no entry may have a slot now. In a
// group, it returns an entry of the queue whose turn it is.
func (q *Queue[T]) Take() *Entry[T] {
	if q.member != nil {
		return q.member.group.Take()
	}
	if !q.mayTake() {
		return nil
	}
	return q.takeFrom(q.ready[0])
}

// mayTake reports whether an entry may have a slot, as far as this queue knows.
func (q *Queue[T]) mayTake() bool {
	return len(q.ready) > 0 && q.hasSlot()
}

func (q *Queue[T]) hasSlot() bool { return q.limit == 0 || q.inFlight < q.limit }

func (q *Queue[T]) takeFrom(h *host[T]) *Entry[T] {
	e := h.line.first()
	h.line.remove(e)
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
	if e.share != nil {
		q.member.group.release(e)
	}
	q.takeTurns()
}

// Hop moves e, which holds a slot, to another host. e keeps its slot. It gives
// up its place at the first host at once, so that hops in opposite directions
// don't wait for each other. Hop returns nil if e has its place at the new
// host. Otherwise e waits for it in line: see the result's Turn, and Leave.
//
// As with Release, other entries may have a slot now.
func (q *Queue[T]) Hop(e *Entry[T], to string) *Hop[T] {
	q.vacate(e)
	if e.share != nil {
		q.member.group.vacate(e)
	}
	e.Host = to
	w := &Hop[T]{Turn: make(chan struct{}), entry: e, host: q.host(to)}
	w.node.Item = w
	if !q.hasPlace(w.host) {
		w.host.hops.Push(&w.node)
		return w
	}
	if w.arrive() {
		return nil
	}
	return w
}

// arrive takes a place at the host of w, which has one, and then one of the
// group. It reports whether w has both.
func (w *Hop[T]) arrive() bool {
	w.entry.at = w.host
	w.host.inFlight++
	w.host.queue.update(w.host)
	if w.entry.share != nil {
		return w.host.queue.member.group.arrive(w)
	}
	close(w.Turn)
	return true
}

// Leave takes w out of the line. An entry that has got its place by then keeps
// it until Release.
func (q *Queue[T]) Leave(w *Hop[T]) {
	w.node.Remove()
	q.update(w.host)
}

// Pause sets a host aside: its entries and hops get no slot and no place until
// Resume.
func (q *Queue[T]) Pause(name string) {
	h := q.host(name)
	h.paused = true
	if q.member != nil {
		q.member.group.sendBack(h)
	}
	q.update(h)
}

// Resume ends the pause of a host. As with Release, entries may have a slot
// now.
func (q *Queue[T]) Resume(name string) {
	h := q.hosts[name]
	if h == nil {
		return
	}
	h.paused = false
	q.admit(h)
}

// vacate gives up the place of e at its host, if it holds one.
func (q *Queue[T]) vacate(e *Entry[T]) {
	h := e.at
	if h == nil {
		return
	}
	e.at = nil
	h.inFlight--
	q.admit(h)
}

// admit gives the places that are free at h to hops, before any entry without a
// slot: a hop holds a slot while it waits.
func (q *Queue[T]) admit(h *host[T]) {
	for q.hasPlace(h) {
		n := h.hops.Pop()
		if n == nil {
			break
		}
		n.Item.arrive()
	}
	q.update(h)
}

// host returns the host of this name, which is kept from now on.
func (q *Queue[T]) host(name string) *host[T] {
	if !q.byHost {
		return &q.all
	}
	h := q.hosts[name]
	if h == nil {
		h = &host[T]{queue: q, name: name}
		if q.hosts == nil {
			q.hosts = make(map[string]*host[T])
		}
		q.hosts[name] = h
	}
	return h
}

func (q *Queue[T]) hasPlace(h *host[T]) bool {
	return !h.paused && (q.hostLimit == 0 || h.inFlight < q.hostLimit)
}

// update does what a change of h calls for: settle, and a turn in the group.
func (q *Queue[T]) update(h *host[T]) {
	q.settle(h)
	q.takeTurns()
}

// settle makes h ready or not, as its line and its places now say, puts it
// where its oldest entry belongs, and forgets a host that is not used.
func (q *Queue[T]) settle(h *host[T]) {
	ready := h.line.len() > 0 && q.hasPlace(h)
	if ready != h.able {
		h.able = ready
		if m := q.member; m != nil && ready {
			m.able++
		} else if m != nil {
			m.able--
		}
	}
	if !ready && q.member != nil {
		q.member.group.leave(h)
	}
	ready = ready && (h.called || !h.inLine.Queued())
	switch {
	case ready && h.index > 0:
		heap.Fix(&q.ready, h.index-1)
	case ready:
		heap.Push(&q.ready, h)
	case h.index > 0:
		heap.Remove(&q.ready, h.index-1)
	}
	if h != &q.all && h.inFlight == 0 && h.line.len() == 0 && h.hops.Len() == 0 && !h.paused {
		delete(q.hosts, h.name)
	}
}

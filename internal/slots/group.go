package slots

import (
	"slices"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A Group limits the slots of several queues together. Queues that have an
// entry which may have a slot take turns, one entry at a time.
//
// One lock guards a Group and its queues.
type Group[T any] struct {
	limit, hostLimit int // 0 means no limit

	inFlight int                   // slots of the group in use
	loans    fifo.Queue[*Entry[T]] // entries on whose slot an entry that waits can run
	turns    fifo.Queue[*Queue[T]] // queues with an entry to take, the next in turn first
	hosts    map[string]*common[T] // hosts with a place in use or kept
}

// A common host is what the queues of a group share for one host.
//
// If there is no place here for the entries of a queue, the queue's host waits
// in line. When a place becomes free, the first host in line is called: the
// place is kept for it. Otherwise a queue that comes later could take the place
// first, again and again.
//
// A place is kept only for a queue that has a slot of its own, and not from a
// hop. Otherwise a request could wait for a place that is kept for an entry
// which waits for the slot of that request.
type common[T any] struct {
	name     string
	inFlight int                  // places taken
	hops     fifo.Queue[*Hop[T]]  // holding a slot and waiting for a place here
	waiting  fifo.Queue[*host[T]] // the next to be called first
	called   fifo.Queue[*host[T]] // a place is kept for each
}

// A member is the state of a queue in its group.
type member[T any] struct {
	group  *Group[T]
	lender *Entry[T] // an entry of the group, on whose slot one of the queue can run; nil without one

	able   int                  // hosts of the queue that are able
	inLine int                  // hosts of the queue that wait, or are called, for a place of the group
	turn   fifo.Node[*Queue[T]] // in group.turns
	loan   fifo.Node[*Queue[T]] // in share.wanting of lender
}

// A share is what an entry has of its group.
type share[T any] struct {
	held     bool       // it holds a slot, of the group or of lender
	lender   *Entry[T]  // the entry on whose slot it runs; nil if it has its own
	borrower *Entry[T]  // the entry that runs on its slot
	at       *common[T] // where it holds a place

	wanting fifo.Queue[*Queue[T]] // queues with an entry that can run on its slot
	loan    fifo.Node[*Entry[T]]  // in Group.loans
}

// NewGroup returns a group without queues. Zero or less means no limit.
func NewGroup[T any](limit, hostLimit int) *Group[T] {
	g := new(Group[T])
	g.Set(limit, hostLimit)
	return g
}

// Set changes the limits. Entries in flight keep their slots. Entries may have
// a slot now: call Take of any queue.
func (g *Group[T]) Set(limit, hostLimit int) {
	g.limit, g.hostLimit = max(limit, 0), max(hostLimit, 0)
	for _, c := range g.hosts {
		g.admit(c)
	}
}

// New returns a queue whose entries get the group's slots. lender may be nil.
// If it holds a slot, one entry at a time, of the queues that have this lender,
// runs on that slot, and waits for none of the group's limits.
func (g *Group[T]) New(limit, hostLimit int, lender *Entry[T]) *Queue[T] {
	q := New[T](limit, hostLimit, true)
	q.member = &member[T]{group: g}
	q.member.turn.Item, q.member.loan.Item = q, q
	if lender.Held() {
		q.member.lender = lender
	}
	return q
}

// Held reports whether e, an entry of a group, holds a slot. A nil entry holds
// none.
func (e *Entry[T]) Held() bool { return e != nil && e.share != nil && e.share.held }

// Idle reports whether no entry holds a slot and nothing is kept.
func (g *Group[T]) Idle() bool {
	return g.inFlight == 0 && g.turns.Len() == 0 && g.loans.Len() == 0 && len(g.hosts) == 0
}

// Take gives a slot to an entry of the queue whose turn it is: see Queue.Take.
func (g *Group[T]) Take() *Entry[T] {
	if n := g.loans.Pop(); n != nil {
		return n.Item.share.wanting.Pop().Item.borrow()
	}
	for g.limit == 0 || g.inFlight < g.limit {
		n := g.turns.Pop()
		if n == nil {
			return nil
		}
		if e := n.Item.takeShared(); e != nil {
			return e
		}
	}
	return nil
}

// takeShared gives a slot of the group to the oldest entry of q whose host has
// a place. Hosts without a place join the line for one. It puts q behind the
// other queues if it has more entries.
func (q *Queue[T]) takeShared() *Entry[T] {
	g := q.member.group
	for q.mayTake() {
		h := q.ready[0]
		c := g.host(h.name)
		if !h.called && !g.hasPlace(c) {
			h.inLine.Item = h
			c.waiting.Push(&h.inLine)
			q.member.inLine++
			q.update(h)
			continue
		}
		g.takeOut(h)
		e := h.line.first()
		g.inFlight++
		c.inFlight++
		e.share.held, e.share.at = true, c
		g.settleLoan(e)
		return q.takeFrom(h)
	}
	return nil
}

// takeTurns puts q among the queues that take turns, or takes it out, as its
// entries and slots now say. A queue without a slot of its own leaves all
// lines.
func (q *Queue[T]) takeTurns() {
	m := q.member
	if m == nil {
		return
	}
	if l := m.lender; l != nil {
		switch wants := m.able > 0 && q.hasSlot(); {
		case !wants:
			m.loan.Remove()
		case !m.loan.Queued():
			l.share.wanting.Push(&m.loan)
		}
		m.group.settleLoan(l)
	}
	if m.inLine > 0 && !q.hasSlot() {
		for _, h := range q.hosts {
			m.group.leave(h)
			q.settle(h)
		}
	}
	switch {
	case !q.mayTake():
		m.turn.Remove()
	case !m.turn.Queued():
		m.group.turns.Push(&m.turn)
	}
}

// borrow gives the slot of the lender to the oldest entry of q that the limits
// of q itself allow, even if its host is at the limit of the group. There must
// be such an entry.
func (q *Queue[T]) borrow() *Entry[T] {
	var oldest *host[T]
	for _, h := range q.hosts {
		if h.able && (oldest == nil || h.line.first().age < oldest.line.first().age) {
			oldest = h
		}
	}
	e, lender := oldest.line.first(), q.member.lender
	e.share.held, e.share.lender = true, lender
	lender.share.borrower = e
	q.member.group.settleLoan(e)
	return q.takeFrom(oldest)
}

// settleLoan puts e in the line of loans, or takes it out, as its slot and the
// queues that want it now say.
func (g *Group[T]) settleLoan(e *Entry[T]) {
	switch s := e.share; {
	case !s.held || s.borrower != nil || s.wanting.Len() == 0:
		s.loan.Remove()
	case !s.loan.Queued():
		s.loan.Item = e
		g.loans.Push(&s.loan)
	}
}

// release takes back the slot of e, which is the group's or its lender's. If
// another entry runs on it, that one has the slot from here on, since it is
// still in flight. It then counts at its host as well.
func (g *Group[T]) release(e *Entry[T]) {
	s := e.share
	lender, heir := s.lender, s.borrower
	switch {
	case heir != nil:
		heir.share.lender = lender
		if lender == nil && heir.at != nil {
			c := g.host(heir.at.name)
			c.inFlight++
			heir.share.at = c
		}
	case lender == nil:
		g.inFlight--
	}
	if lender != nil {
		lender.share.borrower = heir
		g.settleLoan(lender)
	}
	g.vacate(e)
	s.held, s.lender, s.borrower = false, nil, nil
	g.settleLoan(e)
}

// vacate gives up the place of e, if it holds one.
func (g *Group[T]) vacate(e *Entry[T]) {
	c := e.share.at
	if c == nil {
		return
	}
	e.share.at = nil
	c.inFlight--
	g.admit(c)
}

// arrive takes a place for w, or puts w in line for one. It reports whether w
// has its place. A hop on a borrowed slot needs none.
func (g *Group[T]) arrive(w *Hop[T]) bool {
	if w.entry.share.lender != nil {
		close(w.Turn)
		return true
	}
	c := g.host(w.host.name)
	c.hops.Push(&w.node)
	g.admit(c)
	return w.entry.share.at != nil
}

// sendBack returns the hops to h that wait for a place of the group to the line
// of h, before all others there. They give up their places of the queue.
func (g *Group[T]) sendBack(h *host[T]) {
	c := g.hosts[h.name]
	if c == nil {
		return
	}
	var back []*Hop[T]
	for range c.hops.Len() {
		w := c.hops.Pop().Item
		if w.host == h {
			back = append(back, w)
		} else {
			c.hops.Push(&w.node)
		}
	}
	for _, w := range slices.Backward(back) {
		w.entry.at = nil
		h.inFlight--
		h.hops.PushFront(&w.node)
	}
	g.admit(c)
}

// admit gives places at c to the hops that wait, even places that are kept for
// hosts. Hosts whose place is gone go back into the line. If places are left,
// admit calls hosts for them. It forgets c if it is not used.
func (g *Group[T]) admit(c *common[T]) {
	for c.hops.Len() > 0 && (g.hostLimit == 0 || c.inFlight < g.hostLimit) {
		w := c.hops.Pop().Item
		c.inFlight++
		w.entry.share.at = c
		close(w.Turn)
	}
	for c.called.Len() > 0 && g.hostLimit > 0 && c.inFlight+c.called.Len() > g.hostLimit {
		h := c.called.Pop().Item
		h.called = false
		c.waiting.PushFront(&h.inLine)
		h.queue.update(h)
	}
	for c.waiting.Len() > 0 && g.hasPlace(c) {
		h := c.waiting.Pop().Item
		h.called = true
		c.called.Push(&h.inLine)
		h.queue.update(h)
	}
	if c.inFlight == 0 && c.called.Len() == 0 && c.hops.Len() == 0 && c.waiting.Len() == 0 {
		delete(g.hosts, c.name)
	}
}

// takeOut takes h out of the line, if it is in one, and reports whether it was.
func (g *Group[T]) takeOut(h *host[T]) bool {
	h.called = false
	if !h.inLine.Remove() {
		return false
	}
	h.queue.member.inLine--
	return true
}

// leave takes h out of the line. If a place was kept for it, the next host is
// called.
func (g *Group[T]) leave(h *host[T]) {
	if g.takeOut(h) {
		g.admit(g.hosts[h.name])
	}
}

func (g *Group[T]) hasPlace(c *common[T]) bool {
	return g.hostLimit == 0 || c.inFlight+c.called.Len() < g.hostLimit
}

// host returns the common host of this name, which is kept from now on.
func (g *Group[T]) host(name string) *common[T] {
	c := g.hosts[name]
	if c == nil {
		c = &common[T]{name: name}
		if g.hosts == nil {
			g.hosts = make(map[string]*common[T])
		}
		g.hosts[name] = c
	}
	return c
}

package slots

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A queue with many entries takes turns with a queue that has few.
func TestGroup_takesTurns(t *testing.T) {
	g := NewGroup[string](1, 0)
	long, short := g.New(0, 0, nil), g.New(0, 0, nil)
	push(long, "a1", "a2", "a3", "a4", "a5", "a6")
	push(short, "b1", "b2", "b3")
	queues := map[string]*Queue[string]{"a": long, "b": short}
	var got []string
	for e := g.Take(); e != nil; e = g.Take() {
		got = append(got, e.Item)
		queues[e.Host].Release(e)
	}
	want := []string{"a1", "b1", "a2", "b2", "a3", "b3", "a4", "a5", "a6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
}

// The queues also take turns for one host that all of them need, while other
// hosts are free.
func TestGroup_takesTurnsPerHost(t *testing.T) {
	g := NewGroup[string](0, 1)
	of := make(map[*Entry[string]]*Queue[string])
	for i := range 3 {
		q := g.New(0, 0, nil)
		for n := range 3 {
			e := &Entry[string]{Item: fmt.Sprint(i, ".", n), Host: "a"}
			of[e] = q
			q.Push(e)
		}
	}
	var got []string
	for e := g.Take(); e != nil; e = g.Take() {
		if other := g.Take(); other != nil {
			t.Fatalf("took %s beside %s; want one at a time", other.Item, e.Item)
		}
		got = append(got, e.Item)
		of[e].Release(e)
	}
	want := []string{"0.0", "1.0", "2.0", "0.1", "1.1", "2.1", "0.2", "1.2", "2.2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
	if !g.Idle() {
		t.Error("the group is not idle at the end")
	}
}

func TestGroup_set(t *testing.T) {
	g := NewGroup[string](2, 1)
	q := g.New(0, 0, nil)
	e := push(q, "a1", "a2", "b1", "b2", "c1")
	for _, step := range []struct {
		limit, hostLimit int
		release, want    []string
	}{
		{2, 1, nil, []string{"a1", "b1"}},
		{3, 1, nil, []string{"c1"}},
		{5, 2, nil, []string{"a2", "b2"}},
		{1, 1, []string{"a1", "b1", "c1", "a2"}, nil},
	} {
		for _, name := range step.release {
			q.Release(e[name])
		}
		g.Set(step.limit, step.hostLimit)
		if diff := cmp.Diff(step.want, takeAll(q)); diff != "" {
			t.Errorf("with limits %d and %d (-want +got):\n%s", step.limit, step.hostLimit, diff)
		}
	}
	late := push(q, "c2", "c3")
	if got := takeAll(q); got != nil {
		t.Errorf("took %v with the only slot in use", got)
	}
	q.Release(e["b2"])
	if diff := cmp.Diff([]string{"c2"}, takeAll(q)); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
	q.Release(late["c2"])
	g.Set(0, 0)
	if diff := cmp.Diff([]string{"c3"}, takeAll(q)); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
}

// An entry that holds the only slot lends it to the queue of a block within it,
// to one entry at a time, and for as long as it holds the slot.
func TestGroup_lends(t *testing.T) {
	g := NewGroup[string](1, 1)
	outer := g.New(0, 0, nil)
	lender := push(outer, "a1")["a1"]
	takeAll(outer)
	inner := g.New(0, 0, lender)
	e := push(inner, "a2", "b1", "a3")
	if diff := cmp.Diff([]string{"a2"}, takeAll(inner)); diff != "" {
		t.Errorf("on the lent slot (-want +got):\n%s", diff)
	}
	inner.Release(e["a2"])
	if diff := cmp.Diff([]string{"b1"}, takeAll(inner)); diff != "" {
		t.Errorf("on the lent slot (-want +got):\n%s", diff)
	}
	outer.Release(lender)
	// The only slot was given to a3 once, while b1 went on running on it.
	if got := takeAll(inner); got != nil {
		t.Errorf("took %v, and the only slot is that of b1", got)
	}
	inner.Release(e["b1"])
	if diff := cmp.Diff([]string{"a3"}, takeAll(inner)); diff != "" {
		t.Errorf("on a slot of the group (-want +got):\n%s", diff)
	}
	inner.Release(e["a3"])
	if !g.Idle() {
		t.Error("the group is not idle at the end")
	}
}

// Two queues with one lender waited for each other: when an entry of one gave
// back the lent slot, nobody offered it to the other.
func TestGroup_lendsToSeveralQueues(t *testing.T) {
	g := NewGroup[string](1, 1)
	outer := g.New(0, 0, nil)
	lender := push(outer, "a1")["a1"]
	takeAll(outer)
	first, second := g.New(0, 0, lender), g.New(0, 0, lender)
	queues := map[string]*Queue[string]{"b": first, "c": second}
	push(first, "b1", "b2")
	push(second, "c1", "c2")
	var got []string
	for e := g.Take(); e != nil; e = g.Take() {
		got = append(got, e.Item)
		queues[e.Host].Release(e)
	}
	if diff := cmp.Diff([]string{"b1", "c1", "b2", "c2"}, got); diff != "" {
		t.Errorf("on the lent slot: -want +got\n%s", diff)
	}
	outer.Release(lender)
	if !g.Idle() {
		t.Error("the group is not idle at the end")
	}
}

// An entry that was not pushed yet holds no slot. New read what it had none of.
func TestGroup_newEntryLendsNothing(t *testing.T) {
	g := NewGroup[string](1, 0)
	q := g.New(0, 0, new(Entry[string]))
	push(q, "a1", "a2")
	if diff := cmp.Diff([]string{"a1"}, takeAll(q)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A hop may take a place that is kept: the entry that it is kept for waits for
// the slot that the hop holds.
func TestGroup_hopTakesKeptPlace(t *testing.T) {
	g := NewGroup[string](1, 1)
	q, other := g.New(0, 0, nil), g.New(0, 0, nil)
	first := push(q, "b1")["b1"]
	takeAll(q)
	g.Set(2, 1)
	blocked := push(other, "b2", "a1")
	takeAll(other) // a1; b2 is in line for b
	g.Set(1, 1)
	q.Release(first) // b2 is called, and there is no slot
	if got := takeAll(other); got != nil {
		t.Fatalf("took %v without a slot", got)
	}
	if w := other.Hop(blocked["a1"], "b"); w != nil {
		t.Error("a hop waits for a place that is kept for an entry without a slot")
	}
}

func TestPause_setsHostAside(t *testing.T) {
	q := New[string](0, 0, true)
	e := push(q, "a1", "b1")
	takeAll(q)
	q.Pause("a")
	q.Release(e["a1"])
	q.Return(e["a1"])
	more := push(q, "a2", "b2", "a3")
	if diff := cmp.Diff([]string{"b2"}, takeAll(q)); diff != "" {
		t.Errorf("with a paused (-want +got):\n%s", diff)
	}
	w := q.Hop(e["b1"], "a")
	if w == nil {
		t.Error("a hop went to a paused host")
	}
	q.Resume("a")
	if !closed(w.Turn) {
		t.Error("the hop waits after the pause")
	}
	if diff := cmp.Diff([]string{"a1", "a2", "a3"}, takeAll(q)); diff != "" {
		t.Errorf("after the pause (-want +got):\n%s", diff)
	}
	q.Pause("c")
	for _, e := range []*Entry[string]{e["a1"], e["b1"], more["a2"], more["a3"], more["b2"]} {
		q.Release(e)
	}
	if q.Idle() {
		t.Error("the pause of c is forgotten")
	}
	q.Resume("c")
	if !q.Idle() {
		t.Error("the queue is not idle at the end")
	}
}

// Random calls on several queues of a group. After each, the limits hold, and
// no entry waits that may have a slot.
func TestGroup_model(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		m := groupModel{t: t, rnd: rnd, g: NewGroup[string](rnd.IntN(5), rnd.IntN(3)), held: make(map[*Entry[string]]*groupEntry)}
		for range 1 + rnd.IntN(4) {
			m.queues = append(m.queues, m.g.New(rnd.IntN(4), rnd.IntN(3), nil))
		}
		for step := 0; step < 200 && !t.Failed(); step++ {
			m.step(step)
			m.check()
		}
		for _, q := range m.queues {
			for _, host := range []string{"a", "b", "c"} {
				q.Resume(host)
			}
		}
		m.check()
		for len(m.held) > 0 && !t.Failed() {
			m.release()
			m.check()
		}
		if len(m.waiting) > 0 || !m.g.Idle() {
			t.Errorf("at the end %d entries wait, group idle = %v", len(m.waiting), m.g.Idle())
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type groupModel struct {
	t       *testing.T
	rnd     *rand.Rand
	g       *Group[string]
	queues  []*Queue[string]
	waiting []*groupEntry
	held    map[*Entry[string]]*groupEntry
	order   []*groupEntry // held, in a fixed order
}

type groupEntry struct {
	*Entry[string]
	q   *Queue[string]
	hop *Hop[string]
}

func (m *groupModel) step(n int) {
	q := m.queues[m.rnd.IntN(len(m.queues))]
	host := string("abc"[m.rnd.IntN(3)])
	switch m.rnd.IntN(11) {
	case 0, 1, 2:
		e := &groupEntry{Entry: &Entry[string]{Item: fmt.Sprint(n), Host: host}, q: q}
		m.waiting = append(m.waiting, e)
		q.Push(e.Entry)
	case 3, 4:
		m.release()
	case 5:
		if len(m.waiting) > 0 {
			i := m.rnd.IntN(len(m.waiting))
			m.waiting[i].q.Remove(m.waiting[i].Entry)
			m.waiting = slices.Delete(m.waiting, i, i+1)
		}
	case 6:
		if e := m.any(); e != nil && e.hop == nil {
			e.hop = e.q.Hop(e.Entry, host)
		}
	case 7:
		if e := m.any(); e != nil && e.hop == nil { // e is sent again
			m.drop(e)
			m.waiting = append(m.waiting, e)
			e.q.Return(e.Entry)
		}
	case 8:
		if m.rnd.IntN(2) == 0 {
			q.Pause(host)
		} else {
			q.Resume(host)
		}
	case 9:
		if m.rnd.IntN(4) == 0 {
			m.g.Set(m.rnd.IntN(5), m.rnd.IntN(3))
		}
	case 10:
		if e := m.any(); e != nil && len(m.queues) < 8 {
			m.queues = append(m.queues, m.g.New(m.rnd.IntN(4), m.rnd.IntN(3), e.Entry))
		}
	}
}

func (m *groupModel) any() *groupEntry {
	if len(m.order) == 0 {
		return nil
	}
	return m.order[m.rnd.IntN(len(m.order))]
}

func (m *groupModel) drop(e *groupEntry) {
	e.q.Release(e.Entry)
	delete(m.held, e.Entry)
	m.order = slices.DeleteFunc(m.order, func(o *groupEntry) bool { return o == e })
}

func (m *groupModel) release() {
	e := m.any()
	if e == nil {
		return
	}
	if e.hop != nil {
		e.q.Leave(e.hop)
	}
	m.drop(e)
}

// check takes all entries that may have a slot, and checks the limits.
func (m *groupModel) check() {
	for e := m.g.Take(); e != nil; e = m.g.Take() {
		i := slices.IndexFunc(m.waiting, func(w *groupEntry) bool { return w.Entry == e })
		if i < 0 {
			m.t.Fatalf("took %v, which doesn't wait", e)
		}
		w := m.waiting[i]
		m.waiting = slices.Delete(m.waiting, i, i+1)
		lent := e.share.lender != nil
		if l := m.g.limit; !lent && l > 0 && m.slots() >= l {
			m.t.Errorf("took an entry, with %d in flight and a limit of %d", m.slots(), l)
		}
		group, own := m.places(e.Host, w.q)
		if l := m.g.hostLimit; !lent && l > 0 && group >= l {
			m.t.Errorf("took an entry, with %d at its host and a limit of %d", group, l)
		}
		if l := w.q.hostLimit; l > 0 && own >= l {
			m.t.Errorf("took an entry, with %d of its queue at its host and a limit of %d", own, l)
		}
		if l := w.q.limit; l > 0 && m.inFlight(w.q) >= l {
			m.t.Errorf("took an entry, with %d of its queue and a limit of %d", m.inFlight(w.q), l)
		}
		m.held[e] = w
		if lender := e.share.lender; lent && (m.held[lender] == nil || lender.share.borrower != e) {
			m.t.Errorf("took an entry on a slot that is not held, or lent to %v", lender.share.borrower)
		}
		m.order = append(m.order, w)
	}
	for _, e := range m.order {
		if e.hop != nil && closed(e.hop.Turn) {
			e.hop = nil
		}
	}
	if n := m.slots(); n != m.g.inFlight {
		m.t.Errorf("%d slots are in use, and %d are counted", n, m.g.inFlight)
	}
	// No entry waits that may have a slot.
	for _, w := range m.waiting {
		if w.q.limit > 0 && m.inFlight(w.q) >= w.q.limit {
			continue
		}
		if l := w.q.member.lender; l != nil && l.share.held && l.share.borrower == nil && m.freeOfQueue(w) {
			m.t.Errorf("%v waits, and there is a slot to run on", w.Item)
		}
		if (m.g.limit == 0 || m.slots() < m.g.limit) && m.free(w) {
			m.t.Errorf("%v of a host with free places waits", w.Item)
		}
	}
	for _, w := range m.order {
		if w.hop != nil && m.free(w) {
			m.t.Errorf("the hop of %v waits, and there is a place", w.Item)
		}
	}
}

// slots returns how many slots of the group are in use.
func (m *groupModel) slots() (n int) {
	for e := range m.held {
		if e.share.lender == nil {
			n++
		}
	}
	return n
}

// freeOfQueue reports whether the host of e has a place of its queue.
func (m *groupModel) freeOfQueue(e *groupEntry) bool {
	h := e.q.hosts[e.Host]
	_, own := m.places(e.Host, e.q)
	return h != nil && !h.paused && (e.q.hostLimit == 0 || own < e.q.hostLimit)
}

// free reports whether the host of e has a place for it.
func (m *groupModel) free(e *groupEntry) bool {
	if h := e.q.hosts[e.Host]; h == nil || h.paused {
		return false
	}
	group, own := m.places(e.Host, e.q)
	if e.at != nil && e.hop != nil { // e already holds the place of its queue
		own = -1
	}
	return (m.g.hostLimit == 0 || group < m.g.hostLimit) && (e.q.hostLimit == 0 || own < e.q.hostLimit)
}

// places returns the number of entries that hold a place at a host, of all
// queues and of q.
func (m *groupModel) places(host string, q *Queue[string]) (group, own int) {
	for e, w := range m.held {
		if e.share.at != nil && e.share.at.name == host {
			group++
		}
		if w.q == q && e.at != nil && e.at.name == host {
			own++
		}
	}
	return group, own
}

func (m *groupModel) inFlight(q *Queue[string]) (n int) {
	for _, w := range m.held {
		if w.q == q {
			n++
		}
	}
	return n
}

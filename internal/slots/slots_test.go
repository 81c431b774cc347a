package slots

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// push adds an entry for each name. The first letter of a name is its host.
func push(q *Queue[string], names ...string) map[string]*Entry[string] {
	entries := make(map[string]*Entry[string])
	for _, name := range names {
		entries[name] = &Entry[string]{Item: name, Host: name[:1]}
		q.Push(entries[name])
	}
	return entries
}

// takeAll takes entries until none may have a slot, and returns their names.
func takeAll(q *Queue[string]) (names []string) {
	for e := q.Take(); e != nil; e = q.Take() {
		names = append(names, e.Item)
	}
	return names
}

func TestTake_limits(t *testing.T) {
	for _, test := range []struct {
		limit, hostLimit int
		want             []string
	}{
		{0, 0, []string{"a1", "a2", "b1", "a3", "c1", "b2"}},
		{-1, -1, []string{"a1", "a2", "b1", "a3", "c1", "b2"}},
		{2, 0, []string{"a1", "a2"}},
		{0, 1, []string{"a1", "b1", "c1"}},
		{0, 2, []string{"a1", "a2", "b1", "c1", "b2"}},
		{4, 2, []string{"a1", "a2", "b1", "c1"}},
	} {
		q := New[string](test.limit, test.hostLimit, false)
		push(q, "a1", "a2", "b1", "a3", "c1", "b2")
		if diff := cmp.Diff(test.want, takeAll(q)); diff != "" {
			t.Errorf("with limits %d and %d (-want +got):\n%s", test.limit, test.hostLimit, diff)
		}
	}
}

func TestTake_oldestAfterRelease(t *testing.T) {
	q := New[string](2, 1, false)
	e := push(q, "a1", "a2", "a3", "b1", "a4", "b2")
	var got []string
	for _, done := range []string{"", "a1", "b1", "a2", "b2", "a3"} {
		if done != "" {
			q.Release(e[done])
		}
		got = append(got, takeAll(q)...)
	}
	want := []string{"a1", "b1", "a2", "b2", "a3", "a4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
}

func TestRemove_keepsOrder(t *testing.T) {
	q := New[string](1, 1, false)
	e := push(q, "a1", "b1", "a2", "b2")
	q.Remove(e["a1"])
	q.Remove(e["a1"]) // again
	if got := q.Take(); got != e["b1"] {
		t.Fatalf("Take() = %v; want b1, which is older than a2", got.Item)
	}
	q.Remove(e["b1"]) // holds a slot
	q.Release(e["b1"])
	if diff := cmp.Diff([]string{"a2"}, takeAll(q)); diff != "" {
		t.Errorf("entries taken (-want +got):\n%s", diff)
	}
}

func TestHop_waitsWithItsSlot(t *testing.T) {
	q := New[string](3, 1, false)
	e := push(q, "a1", "b1", "b2", "a2")
	takeAll(q)
	w := q.Hop(e["a1"], "b")
	if w == nil {
		t.Fatal("Hop() = nil, with b at its limit")
	}
	if diff := cmp.Diff([]string{"a2"}, takeAll(q)); diff != "" {
		t.Errorf("after a1 left its host (-want +got):\n%s", diff)
	}
	q.Release(e["b1"])
	if !closed(w.Turn) {
		t.Error("a1 didn't get the place of b1")
	}
	if got := takeAll(q); got != nil {
		t.Errorf("took %v; want nothing, since a1 has the place", got)
	}
	q.Release(e["a1"])
	if diff := cmp.Diff([]string{"b2"}, takeAll(q)); diff != "" {
		t.Errorf("after a1 was done at b (-want +got):\n%s", diff)
	}
}

func TestHop_oppositeDirections(t *testing.T) {
	q := New[string](2, 1, false)
	e := push(q, "a1", "b1")
	takeAll(q)
	there := q.Hop(e["a1"], "b")
	back := q.Hop(e["b1"], "a")
	if there == nil || back != nil || !closed(there.Turn) {
		t.Error("two hops in opposite directions wait for each other")
	}
}

func TestLeave_returnsPlace(t *testing.T) {
	for _, granted := range []bool{false, true} {
		q := New[string](0, 1, false)
		e := push(q, "a1", "b1", "b2")
		takeAll(q)
		w := q.Hop(e["a1"], "b")
		if granted {
			q.Release(e["b1"])
			q.Leave(w)
			q.Release(e["a1"])
		} else {
			q.Leave(w)
			q.Release(e["a1"])
			q.Release(e["b1"])
		}
		if diff := cmp.Diff([]string{"b2"}, takeAll(q)); diff != "" {
			t.Errorf("granted = %v (-want +got):\n%s", granted, diff)
		}
		q.Release(e["b2"])
		if !q.Idle() {
			t.Errorf("granted = %v: a host is kept", granted)
		}
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Random calls are compared with a model that searches all entries at each
// step.
func TestQueue_model(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		m := model{t: t, q: New[string](rnd.IntN(5), rnd.IntN(4), rnd.IntN(2) == 0), at: make(map[string]int)}
		for step := 0; step < 300 && !t.Failed(); step++ {
			m.step(rnd, step)
		}
		for len(m.held) > 0 || len(m.waiting) > 0 {
			m.release(rnd)
			m.take()
		}
		if !m.q.Idle() {
			t.Error("the queue is not idle at the end")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type model struct {
	t       *testing.T
	q       *Queue[string]
	waiting []*Entry[string] // oldest first
	held    []*Entry[string]
	hops    []*Hop[string]
	at      map[string]int // number of places taken, by host
}

func (m *model) step(rnd *rand.Rand, n int) {
	switch rnd.IntN(6) {
	case 0, 1:
		e := &Entry[string]{Item: fmt.Sprint(n), Host: string("abc"[rnd.IntN(3)])}
		m.q.Push(e)
		m.waiting = append(m.waiting, e)
	case 2:
		m.release(rnd)
	case 3:
		if len(m.waiting) > 0 {
			i := rnd.IntN(len(m.waiting))
			m.q.Remove(m.waiting[i])
			m.waiting = slices.Delete(m.waiting, i, i+1)
		}
	case 4:
		m.hop(rnd)
	case 5: // an entry returns
		if e := m.release(rnd); e != nil {
			m.q.Return(e)
			i := slices.IndexFunc(m.waiting, func(other *Entry[string]) bool { return other.age > e.age })
			if i < 0 {
				i = len(m.waiting)
			}
			m.waiting = slices.Insert(m.waiting, i, e)
		}
	}
	m.take()
}

// dropGranted drops the hops that have got their place.
func (m *model) dropGranted() {
	m.hops = slices.DeleteFunc(m.hops, func(w *Hop[string]) bool { return closed(w.Turn) })
}

func (m *model) hopping(e *Entry[string]) int {
	return slices.IndexFunc(m.hops, func(w *Hop[string]) bool { return w.entry == e })
}

// release releases an entry and returns it, or returns nil if none is held.
func (m *model) release(rnd *rand.Rand) *Entry[string] {
	if len(m.held) == 0 {
		return nil
	}
	i := rnd.IntN(len(m.held))
	e := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	if h := m.hopping(e); h >= 0 {
		m.q.Leave(m.hops[h])
		m.hops = slices.Delete(m.hops, h, h+1)
		m.q.Release(e)
		return e
	}
	m.vacate(e, func() { m.q.Release(e) })
	return e
}

// vacate calls f, which gives up the place of e. The oldest hop there must get
// it.
func (m *model) vacate(e *Entry[string], f func()) {
	host := e.Host
	next := slices.IndexFunc(m.hops, func(w *Hop[string]) bool { return w.entry.Host == host })
	f()
	if next < 0 {
		m.at[host]--
	} else if !closed(m.hops[next].Turn) {
		m.t.Error("the oldest hop didn't get the place")
	}
	m.dropGranted()
}

func (m *model) hop(rnd *rand.Rand) {
	if len(m.held) == 0 {
		return
	}
	e := m.held[rnd.IntN(len(m.held))]
	if m.hopping(e) >= 0 {
		return
	}
	to := string("abc"[rnd.IntN(3)])
	var w *Hop[string]
	m.vacate(e, func() { w = m.q.Hop(e, to) })
	free := m.q.hostLimit == 0 || m.at[to] < m.q.hostLimit
	if got := w == nil; got != free {
		m.t.Errorf("Hop() to a host with a place = %v: %v", free, w)
	}
	if w == nil {
		m.at[to]++
	} else {
		m.hops = append(m.hops, w)
	}
}

// take takes all free slots. Each must go to the oldest entry that may have
// one.
func (m *model) take() {
	for {
		want := -1
		if m.q.limit == 0 || len(m.held) < m.q.limit {
			want = slices.IndexFunc(m.waiting, func(e *Entry[string]) bool {
				return m.q.hostLimit == 0 || m.at[e.Host] < m.q.hostLimit
			})
		}
		got := m.q.Take()
		if want < 0 || got != m.waiting[want] {
			if want >= 0 || got != nil {
				m.t.Errorf("Take() = %v; want entry %d of those waiting", got, want)
			}
			return
		}
		m.waiting = slices.Delete(m.waiting, want, want+1)
		m.held = append(m.held, got)
		m.at[got.Host]++
	}
}

package slots

import (
	"container/heap"

	"github.com/abreast-go/abreast/internal/fifo"
)

// A line holds the entries of one host that wait for a slot, by age. Entries
// that were pushed are in order already. Those that return have another place:
// after an outage there may be thousands, and to look for the place of each
// among the others would take a second for 20,000.
type line[T any] struct {
	pushed   fifo.Queue[*Entry[T]]
	returned returned[T] // a heap
}

func (l *line[T]) len() int { return l.pushed.Len() + len(l.returned) }

// first returns the oldest entry. There must be one.
func (l *line[T]) first() *Entry[T] {
	n := l.pushed.First()
	if n == nil || len(l.returned) > 0 && l.returned[0].age < n.Item.age {
		return l.returned[0]
	}
	return n.Item
}

// push adds e, which is younger than all others.
func (l *line[T]) push(e *Entry[T]) {
	e.node.Item = e
	l.pushed.Push(&e.node)
}

// back adds e, which was pushed before.
func (l *line[T]) back(e *Entry[T]) { heap.Push(&l.returned, e) }

// remove takes e out of the line and reports whether it was in it.
func (l *line[T]) remove(e *Entry[T]) bool {
	if e.index > 0 {
		heap.Remove(&l.returned, e.index-1)
		return true
	}
	return e.node.Remove()
}

type returned[T any] []*Entry[T]

func (r returned[T]) Len() int           { return len(r) }
func (r returned[T]) Less(i, j int) bool { return r[i].age < r[j].age }

func (r returned[T]) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i+1, j+1
}

func (r *returned[T]) Push(x any) {
	e := x.(*Entry[T])
	*r = append(*r, e)
	e.index = len(*r)
}

func (r *returned[T]) Pop() any {
	last := len(*r) - 1
	e := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	e.index = 0
	return e
}

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
	returned byAge[*Entry[T]]
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

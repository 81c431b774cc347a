package slots

// byAge is a heap, for package container/heap: the oldest comes first. Each
// element knows its place in it.
type byAge[E aged] []E

// An aged is an element of a byAge: an entry, or a host, which is as old as its
// oldest entry.
type aged interface {
	order() uint64 // less is older
	inHeap() *int  // its place, from 1; 0 means it is not there
}

func (e *Entry[T]) order() uint64 { return e.age }
func (e *Entry[T]) inHeap() *int  { return &e.index }

func (h *host[T]) order() uint64 { return h.line.first().age }
func (h *host[T]) inHeap() *int  { return &h.index }

func (b byAge[E]) Len() int           { return len(b) }
func (b byAge[E]) Less(i, j int) bool { return b[i].order() < b[j].order() }

func (b byAge[E]) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	*b[i].inHeap(), *b[j].inHeap() = i+1, j+1
}

func (b *byAge[E]) Push(x any) {
	e := x.(E)
	*b = append(*b, e)
	*e.inHeap() = len(*b)
}

func (b *byAge[E]) Pop() any {
	last := len(*b) - 1
	e := (*b)[last]
	clear((*b)[last:])
	*b = (*b)[:last]
	*e.inHeap() = 0
	return e
}

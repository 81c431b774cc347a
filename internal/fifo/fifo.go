// Package fifo is a first-in, first-out queue whose elements carry their own
// links, so that pushing allocates nothing and an element can be taken out of
// the middle in constant time. (container/list allocates for every element and
// boxes its value.)
package fifo

// A Node is one element's place in a queue. The zero Node, with Item set, is in
// no queue; it can be in one queue at a time.
type Node[T any] struct {
	Item T

	prev, next *Node[T]
	in         *Queue[T] // nil when in no queue
}

// A Queue is a queue of Nodes. The zero Queue is empty and ready to use. It is
// not safe for several goroutines at once.
type Queue[T any] struct {
	first, last *Node[T]
	n           int
}

// Len is the number of nodes in the queue.
func (q *Queue[T]) Len() int { return q.n }

// Push adds n, which must be in no queue, at the end.
func (q *Queue[T]) Push(n *Node[T]) { q.insert(q.last, n, nil) }

// PushFront adds n, which must be in no queue, before all others.
func (q *Queue[T]) PushFront(n *Node[T]) { q.insert(nil, n, q.first) }

func (q *Queue[T]) insert(prev, n, next *Node[T]) {
	if n.in != nil {
		panic("fifo: node is in a queue already")
	}
	n.prev, n.next, n.in = prev, next, q
	if prev == nil {
		q.first = n
	} else {
		prev.next = n
	}
	if next == nil {
		q.last = n
	} else {
		next.prev = n
	}
	q.n++
}

// First returns the first node, or nil if the queue is empty. It stays in the queue.
func (q *Queue[T]) First() *Node[T] { return q.first }

// Pop takes the first node out and returns it, or nil from an empty queue.
func (q *Queue[T]) Pop() *Node[T] {
	n := q.first
	if n != nil {
		n.Remove()
	}
	return n
}

// Queued reports whether n is in a queue.
func (n *Node[T]) Queued() bool { return n.in != nil }

// Remove takes n out of the queue it is in, if it is in one, and reports
// whether it was.
func (n *Node[T]) Remove() bool {
	q := n.in
	if q == nil {
		return false
	}
	if n.prev == nil {
		q.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		q.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	q.n--
	n.prev, n.next, n.in = nil, nil, nil
	return true
}

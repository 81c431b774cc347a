// Package fifo has a first-in, first-out queue whose elements carry their own
// links. Pushing an element therefore allocates nothing, and an element can be
// removed from the middle in constant time. (container/list allocates for every
// element and boxes its value.)
package fifo

// A Node is the place of one item in a queue. The zero Node is in no queue. A
// Node can be in one queue at a time.
type Node[T any] struct {
	Item T

	prev, next *Node[T]
	in         *Queue[T] // nil if the Node is in no queue
}

// A Queue is a queue of Nodes. The zero Queue is empty and ready to use. It is
// not safe for use by multiple goroutines.
type Queue[T any] struct {
	first, last *Node[T]
	n           int
}

// Len returns the number of nodes in the queue.
func (q *Queue[T]) Len() int { return q.n }

// Push adds n at the end. It panics if n is in a queue.
func (q *Queue[T]) Push(n *Node[T]) { q.insert(q.last, n, nil) }

// PushFront adds n before all others. It panics if n is in a queue.
func (q *Queue[T]) PushFront(n *Node[T]) { q.insert(nil, n, q.first) }

// insert adds n between prev and next, each of which may be nil.
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

// First returns the first node without removing it, or nil if the queue is
// empty.
func (q *Queue[T]) First() *Node[T] { return q.first }

// Pop removes the first node and returns it, or returns nil if the queue is
// empty.
func (q *Queue[T]) Pop() *Node[T] {
	n := q.first
	if n != nil {
		n.Remove()
	}
	return n
}

// Queued reports whether n is in a queue.
func (n *Node[T]) Queued() bool { return n.in != nil }

// Remove removes n from its queue and reports whether it was in one.
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

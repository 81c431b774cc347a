package fifo_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/fifo"
)

// popAll empties q and returns its items in order.
func popAll(q *fifo.Queue[int]) (items []int) {
	for n := q.Pop(); n != nil; n = q.Pop() {
		items = append(items, n.Item)
	}
	return items
}

// filled returns a queue with the items 0 to n-1, and its nodes.
func filled(n int) (*fifo.Queue[int], []*fifo.Node[int]) {
	q := new(fifo.Queue[int])
	nodes := make([]*fifo.Node[int], n)
	for i := range nodes {
		nodes[i] = &fifo.Node[int]{Item: i}
		q.Push(nodes[i])
	}
	return q, nodes
}

func TestQueue_firstInFirstOut(t *testing.T) {
	q, nodes := filled(3)
	q.PushFront(&fifo.Node[int]{Item: 7})
	if n := q.Len(); n != 4 {
		t.Errorf("Len() = %d, want 4", n)
	}
	if diff := cmp.Diff([]int{7, 0, 1, 2}, popAll(q)); diff != "" {
		t.Errorf("popped (-want +got):\n%s", diff)
	}
	if n := q.Pop(); n != nil || q.Len() != 0 {
		t.Errorf("Pop() = %v with %d nodes in the queue; want nil and 0", n, q.Len())
	}
	if nodes[0].Queued() {
		t.Error("Queued() = true for a node that was popped")
	}
	q.PushFront(nodes[1]) // into a queue that is empty again
	q.Push(nodes[2])
	if diff := cmp.Diff([]int{1, 2}, popAll(q)); diff != "" {
		t.Errorf("popped from a queue used again (-want +got):\n%s", diff)
	}
}

func TestRemove_fromTheMiddle(t *testing.T) {
	for _, test := range []struct {
		remove int
		want   []int
	}{
		{0, []int{1, 2}},
		{1, []int{0, 2}},
		{2, []int{0, 1}},
	} {
		q, nodes := filled(3)
		n := nodes[test.remove]
		if !n.Queued() || !n.Remove() || n.Queued() {
			t.Errorf("Remove of node %d did not remove it", test.remove)
		}
		if n.Remove() || q.Len() != 2 {
			t.Errorf("a second Remove of node %d changed the queue to %d nodes", test.remove, q.Len())
		}
		q.Push(n) // a node that was removed can be added again
		if diff := cmp.Diff(append(test.want, test.remove), popAll(q)); diff != "" {
			t.Errorf("after Remove of node %d, popped (-want +got):\n%s", test.remove, diff)
		}
	}
	q, nodes := filled(1)
	if !nodes[0].Remove() || q.Len() != 0 || q.Pop() != nil {
		t.Error("the queue is not empty although its only node was removed")
	}
	if new(fifo.Node[int]).Remove() {
		t.Error("Remove of a node in no queue returned true")
	}
}

func TestPush_panicsIfQueued(t *testing.T) {
	_, nodes := filled(1)
	for name, push := range map[string]func(*fifo.Queue[int], *fifo.Node[int]){
		"Push":      (*fifo.Queue[int]).Push,
		"PushFront": (*fifo.Queue[int]).PushFront,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a node that is in a queue did not panic", name)
				}
			}()
			push(new(fifo.Queue[int]), nodes[0])
		}()
	}
}

// Any sequence of operations has the same effect as on a slice.
func TestQueue_model(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	_, nodes := filled(20)
	for _, n := range nodes {
		n.Remove()
	}
	var q fifo.Queue[int]
	var want []int
	for range 5000 {
		i := random.Intn(len(nodes))
		n := nodes[i]
		switch op := random.Intn(4); {
		case op == 0:
			var first []int
			if len(want) > 0 {
				first, want = want[:1], want[1:]
			}
			var got []int
			if n := q.Pop(); n != nil {
				got = []int{n.Item}
			}
			if !slices.Equal(got, first) {
				t.Fatalf("Pop() = %v, want %v", got, first)
			}
		case n.Queued():
			n.Remove()
			want = slices.DeleteFunc(slices.Clone(want), func(x int) bool { return x == i })
		case op == 1:
			q.PushFront(n)
			want = append([]int{i}, want...)
		default:
			q.Push(n)
			want = append(want, i)
		}
		if q.Len() != len(want) {
			t.Fatalf("Len() = %d, want %d", q.Len(), len(want))
		}
	}
	if got := popAll(&q); !slices.Equal(got, want) {
		t.Errorf("popped %v, want %v", got, want)
	}
}

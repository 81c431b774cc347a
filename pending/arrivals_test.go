package pending_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// Promise 8.
func TestNext_completionOrder(t *testing.T) {
	var b block
	first, second, third := b.request("/1"), b.request("/2"), b.request("/3")
	b.answer(second, 200, "")
	b.fail(third, errBroken)
	b.answer(first, 404, "")
	for i, want := range []*pending.Pending{second, third, first, nil} {
		if got := b.Next(); got != want {
			t.Errorf("Next() number %d = %p, want %p", i, got, want)
		}
	}
}

// Promise 8: whoever waits, what settles first is handed out first, once.
func TestNext_manyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		const n = 4
		var handles []*pending.Pending
		var mu sync.Mutex
		var got []*pending.Pending
		for i := range n {
			handles = append(handles, b.request(fmt.Sprint("/", i)))
			go func() {
				h := b.Next()
				mu.Lock()
				defer mu.Unlock()
				got = append(got, h)
			}()
		}
		want := []*pending.Pending{handles[2], handles[0], handles[3], handles[1]}
		for i, h := range want {
			synctest.Wait()
			if len(got) != i {
				t.Fatalf("%d waiters have an answer after %d arrivals", len(got), i)
			}
			b.answer(h, 200, "")
		}
		synctest.Wait()
		if diff := cmp.Diff(want, got, cmp.Comparer(func(x, y *pending.Pending) bool { return x == y })); diff != "" {
			t.Errorf("handed out (-want +got):\n%s", diff)
		}
	})
}

// Promise 8: two arrivals wake two waiters, though neither has run in between.
func TestNext_twoArrivalsWakeTwoWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		one, two, open := b.request("/1"), b.request("/2"), b.request("/3")
		got := make(chan *pending.Pending, 3)
		for range 3 {
			go func() { got <- b.Next() }()
		}
		synctest.Wait()
		b.answer(one, 200, "")
		b.answer(two, 200, "")
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d of 3 waiters have an answer after 2 arrivals", len(got))
		}
		if x, y := <-got, <-got; x == y || x == open || y == open {
			t.Errorf("two waiters were handed %p and %p; want %p and %p", x, y, one, two)
		}
		b.answer(open, 200, "")
		if h := <-got; h != open {
			t.Errorf("the last waiter was handed %p, want %p", h, open)
		}
	})
}

// Promise 9.
func TestNext_returnsWhenLastIsClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		h := b.request("/")
		got := make(chan *pending.Pending, 2)
		for range 2 {
			go func() { got <- b.Next() }()
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("Next did not wait")
		}
		go h.Response()
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d of 2 waiters have an answer, though nothing is left to wait for", len(got))
		}
		if x, y := <-got, <-got; x != nil || y != nil {
			t.Errorf("Next() = %p and %p, want nil", x, y)
		}
		if h := b.Next(); h != nil {
			t.Errorf("Next() = %p, want nil at once", h)
		}
		b.answer(h, 200, "")
	})
}

// Promise 9: claimed when they are called, not when they return.
func TestClaim(t *testing.T) {
	for _, test := range []struct {
		name   string
		use    func(*pending.Pending)
		claims bool
	}{
		{"Response", func(h *pending.Pending) { h.Response() }, true},
		{"Bytes", func(h *pending.Pending) { h.Bytes() }, true},
		{"JSON", func(h *pending.Pending) { h.JSON(new(any)) }, true},
		{"All", func(h *pending.Pending) { pending.All(h) }, true},
		{"Race", func(h *pending.Pending) { pending.Race(new(block).request("/elsewhere"), h) }, true},
		{"Claim", func(h *pending.Pending) { new(pending.Arrivals).Claim(h, 0, nil) }, true},
		{"Done", func(h *pending.Pending) { h.Done() }, false},
		{"Request", func(h *pending.Pending) { h.Request() }, false},
		{"Cancel", func(h *pending.Pending) { h.Cancel() }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, before := range []bool{true, false} { // it has settled
					var b block
					h := b.request("/")
					if !b.Has() {
						t.Error("Has() = false for a handle that was just made")
					}
					if before {
						b.answer(h, 200, "{}")
					}
					go test.use(h)
					synctest.Wait()
					if has := b.Has(); has == test.claims {
						t.Errorf("settled before: %t: Has() = %t after %s", before, has, test.name)
					}
					b.answer(h, 200, "{}")
					if got := b.Next(); (got == nil) != test.claims {
						t.Errorf("settled before: %t: Next() = %p after %s of %p", before, got, test.name, h)
					}
					if b.Has() {
						t.Error("Has() = true, and Next has given all")
					}
				}
			})
		})
	}
}

// Promise 9: what Next gave is claimed too, and asking it again does no harm.
func TestClaim_twiceCountsOnce(t *testing.T) {
	var b block
	h, other := b.answered("/", 200, ""), b.request("/other")
	if got := b.Next(); got != h {
		t.Fatalf("Next() = %p, want %p", got, h)
	}
	h.Response()
	h.Bytes()
	if !b.Has() {
		t.Error("Has() = false, and one handle is unclaimed")
	}
	b.answer(other, 200, "")
	if got := b.Next(); got != other {
		t.Errorf("Next() = %p, want %p", got, other)
	}
}

// Promise 10.
func TestComplete_once(t *testing.T) {
	var b block
	h := b.request("/")
	if !b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: 200}, Body: []byte("first")}) {
		t.Error("the first Settle says it was not that")
	}
	if b.Complete(h, ask.Answer{Err: errBroken}) {
		t.Error("a second Settle says it was the first")
	}
	wantBody(t, h, "first")
	h.Cancel()
	b.wantCancelled(t)
	wantBody(t, h, "first")
	if b.Next() != nil || b.Has() {
		t.Error("a handle that was claimed is among the arrivals")
	}
}

// What tells of settling tells in the order of it, at once if it is past.
func TestClaim_notifies(t *testing.T) {
	var b block
	var told []int
	tell := func(n int) { told = append(told, n) }
	one, two := b.request("/1"), b.answered("/2", 200, "")
	new(pending.Arrivals).Claim(one, 1, tell)
	new(pending.Arrivals).Claim(two, 2, tell)
	new(pending.Arrivals).Claim(one, 11, tell)
	new(pending.Arrivals).Claim(nil, 3, tell)
	b.answer(one, 200, "")
	if diff := cmp.Diff([]int{2, 3, 1, 11}, told); diff != "" {
		t.Errorf("told of (-want +got):\n%s", diff)
	}
}

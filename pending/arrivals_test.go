package pending_test

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// Promise 8: Next returns each handle once, in order of completion.
func TestNext_completionOrder(t *testing.T) {
	var b block
	first, second, third := b.request("/1"), b.request("/2"), b.request("/3")
	b.respond(second, 200, "")
	b.fail(third, errBroken)
	b.respond(first, 404, "")
	for i, want := range []*pending.Pending{second, third, first, nil} {
		if got := b.Next(); got != want {
			t.Errorf("Next() number %d = %p, want %p", i, got, want)
		}
	}
}

// Promise 8: the handle that is done first is returned first, and once,
// whichever goroutine waits.
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
				t.Fatalf("%d calls of Next returned after %d arrivals", len(got), i)
			}
			b.respond(h, 200, "")
		}
		synctest.Wait()
		if diff := cmp.Diff(want, got, cmp.Comparer(func(x, y *pending.Pending) bool { return x == y })); diff != "" {
			t.Errorf("handles that Next returned (-want +got):\n%s", diff)
		}
	})
}

// Promise 8: two arrivals wake two waiters, even if neither has run in between.
func TestNext_twoArrivalsWakeTwoWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		one, two, open := b.request("/1"), b.request("/2"), b.request("/3")
		got := make(chan *pending.Pending, 3)
		for range 3 {
			go func() { got <- b.Next() }()
		}
		synctest.Wait()
		b.respond(one, 200, "")
		b.respond(two, 200, "")
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d of 3 calls of Next returned after 2 arrivals, want 2", len(got))
		}
		if x, y := <-got, <-got; x == y || x == open || y == open {
			t.Errorf("Next() = %p and %p, want %p and %p", x, y, one, two)
		}
		b.respond(open, 200, "")
		if h := <-got; h != open {
			t.Errorf("Next() = %p, want %p", h, open)
		}
	})
}

// Promise 9: Next returns nil when another call claims the last handle.
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
			t.Fatalf("%d of 2 calls of Next returned after the last handle was claimed, want 2", len(got))
		}
		if x, y := <-got, <-got; x != nil || y != nil {
			t.Errorf("Next() = %p and %p, want nil", x, y)
		}
		if h := b.Next(); h != nil {
			t.Errorf("Next() = %p, want nil at once", h)
		}
		b.respond(h, 200, "")
	})
}

// Promise 9: handles are claimed when a method is called, not when it returns.
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
				for _, before := range []bool{true, false} { // whether it is done before
					var b block
					h := b.request("/")
					if !b.Has() {
						t.Error("Has() = false for a handle that was just made, want true")
					}
					if before {
						b.respond(h, 200, "{}")
					}
					go test.use(h)
					synctest.Wait()
					if has := b.Has(); has == test.claims {
						t.Errorf("done before: %t: Has() = %t after %s, want %t", before, has, test.name, !test.claims)
					}
					b.respond(h, 200, "{}")
					if got := b.Next(); (got == nil) != test.claims {
						t.Errorf("done before: %t: Next() = %p after %s of %p, want it claimed: %t", before, got, test.name, h, test.claims)
					}
					if b.Has() {
						t.Error("Has() = true after Next returned the last handle, want false")
					}
				}
			})
		})
	}
}

// Promise 9: Next claims the handle that it returns. Claiming it again changes
// nothing.
func TestClaim_twiceCountsOnce(t *testing.T) {
	var b block
	h, other := b.responded("/", 200, ""), b.request("/other")
	if got := b.Next(); got != h {
		t.Fatalf("Next() = %p, want %p", got, h)
	}
	h.Response()
	h.Bytes()
	if !b.Has() {
		t.Error("Has() = false with one handle unclaimed, want true")
	}
	b.respond(other, 200, "")
	if got := b.Next(); got != other {
		t.Errorf("Next() = %p, want %p", got, other)
	}
}

// Promise 10: a handle completes once, and its result does not change.
func TestComplete_once(t *testing.T) {
	var b block
	h := b.request("/")
	if !b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: 200}, Body: []byte("first")}) {
		t.Error("the first Complete = false, want true")
	}
	if b.Complete(h, ask.Answer{Err: errBroken}) {
		t.Error("the second Complete = true, want false")
	}
	unlocked := make(chan struct{})
	go func() { b.Has(); close(unlocked) }()
	select {
	case <-unlocked:
	case <-time.After(10 * time.Second):
		t.Fatal("a second Complete left the block locked")
	}
	wantBody(t, h, "first")
	h.Cancel()
	b.wantCanceled(t)
	wantBody(t, h, "first")
	if b.Next() != nil || b.Has() {
		t.Error("Next returned a handle that was claimed")
	}
}

// tell is called in order of completion, at once for a handle that is done.
func TestClaim_notifies(t *testing.T) {
	var b block
	var told []int
	tell := func(n int) { told = append(told, n) }
	one, two := b.request("/1"), b.responded("/2", 200, "")
	new(pending.Arrivals).Claim(one, 1, tell)
	new(pending.Arrivals).Claim(two, 2, tell)
	new(pending.Arrivals).Claim(one, 11, tell)
	new(pending.Arrivals).Claim(nil, 3, tell)
	b.respond(one, 200, "")
	if diff := cmp.Diff([]int{2, 3, 1, 11}, told); diff != "" {
		t.Errorf("calls of tell (-want +got):\n%s", diff)
	}
}

// Promise 4: a handle keeps no other handle of its block that is claimed.
func TestArrivals_keepNoClaimedHandle(t *testing.T) {
	var b block
	var claimed []weak.Pointer[pending.Pending]
	kept := b.responded("/kept", 200, "")
	for range 10 {
		b.responded("/", 200, "")
	}
	for h := b.Next(); h != nil; h = b.Next() {
		if h != kept {
			claimed = append(claimed, weak.Make(h))
		}
	}
	runtime.GC()
	for i, h := range claimed {
		if h.Value() != nil {
			t.Errorf("handle %d is kept", i)
		}
	}
	runtime.KeepAlive(&b)
	runtime.KeepAlive(kept)
}

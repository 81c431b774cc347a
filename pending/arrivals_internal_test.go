package pending

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
)

// A handle keeps its Arrivals, and that must be small once its block has ended.
func TestArrivals_smallAfterEnd(t *testing.T) {
	a := new(Arrivals)
	var left Left
	for range 1000 {
		a.Complete(a.Make(ask.Ask{}, nil, &left), ask.Answer{Err: errors.New("failed")})
	}
	for a.Next() != nil {
	}
	a.End(errors.New("ended"), &left)
	if n := cap(a.arrived.handles); n > 0 {
		t.Errorf("there is room for %d handles", n)
	}
}

// The last racer may be done just before the Race is listed among those that
// are open. It then stayed there until the end of the block.
func TestRace_doneIsNotListed(t *testing.T) {
	a, b := new(Arrivals), new(Arrivals)
	failure := ask.Answer{Err: errors.New("failed")}
	for range 100 {
		first, last := a.Make(ask.Ask{}, nil, nil), b.Make(ask.Ask{}, nil, nil)
		a.Complete(first, failure)
		var r *Pending
		var all sync.WaitGroup
		b.mu.Lock() // Race waits to listen to last
		all.Go(func() { r = Race(first, last) })
		for made := false; !made; {
			runtime.Gosched()
			a.mu.Lock()
			made = a.unclaimed > 0 && first.claimed.Load()
			a.mu.Unlock()
		}
		a.mu.Lock() // now it waits to list r
		b.mu.Unlock()
		for range 10 {
			runtime.Gosched()
		}
		a.mu.Unlock()
		b.Complete(last, failure) // mostly before Race wakes up
		all.Wait()
		r.Response()
	}
	if n := a.races.Len(); n > 0 {
		t.Errorf("%d Races are listed that are done", n)
	}
}

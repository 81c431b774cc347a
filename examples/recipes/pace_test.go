package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// 500 requests a second to each host, and at most 4 of the 20 slots to one.
func ExamplePerHost() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()

	c := client.Client{Limit: 20, HostLimit: 4, Wait: recipes.PerHost(500, 1)}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 10 {
			p.Get(srv.URL)
		}
		for p.HasPending() {
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		fmt.Println(p.Stats().Done, "done")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 10 done
}

func TestPerHost_onePaceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		came := make(map[string][]time.Duration)
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			came[r.URL.Path] = append(came[r.URL.Path], time.Since(start))
		}))
		c := client.Client{HTTP: s.Client(), Wait: recipes.PerHost(10, 2)}
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var hs []*pending.Pending
			for range 4 {
				hs = append(hs, p.Get("http://one.example/1"), p.Get("http://two.example/2"))
			}
			hs = append(hs, p.Get("http://ONE.example/1"))
			_, err := pending.All(hs...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		const ms = time.Millisecond
		want := map[string][]time.Duration{"/1": {0, 0, 100 * ms, 200 * ms, 300 * ms}, "/2": {0, 0, 100 * ms, 200 * ms}}
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("when requests came (-want +got):\n%s", diff)
		}
	})
}

// A paced request holds its slot. Without a HostLimit, the requests to one host
// hold all slots.
func TestPerHost_holdsSlotsWithoutHostLimit(t *testing.T) {
	for hostLimit, want := range map[int]time.Duration{0: 7 * time.Second, 2: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			c := client.Client{HTTP: s.Client(), Limit: 4, HostLimit: hostLimit, Wait: recipes.PerHost(1, 1)}
			start := time.Now()
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				for range 11 {
					p.Get("http://busy.example/")
				}
				if _, err := p.Get("http://other.example/").Response(); err != nil {
					t.Error(err)
				}
				return nil
			})
			if got := time.Since(start); got != want {
				t.Errorf("with a HostLimit of %d another host's request took %v; want %v", hostLimit, got, want)
			}
		})
	}
}

// rate.Limiter doesn't begin a wait that the block's deadline would end.
func TestPerHost_failsBeforeDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		c := client.Client{HTTP: s.Client(), Wait: recipes.PerHost(rate.Every(time.Minute), 1)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); err != nil {
				t.Error(err)
			}
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, pending.ErrNotSent) || errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
				t.Errorf("after %v: %v (a deadline: %v); want ErrNotSent at once, and no deadline",
					time.Since(start), err, errors.Is(err, context.DeadlineExceeded))
			}
			return nil
		})
	})
}

// PerHost keeps about 150 bytes for each origin, as its comment says.
func TestPerHost_memory(t *testing.T) {
	const hosts = 20_000
	wait := recipes.PerHost(1, 1)
	before := heap()
	for i := range hosts {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://host-%d.example/%0200d", i, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := wait(r); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / hosts
	runtime.KeepAlive(wait)
	t.Logf("%d bytes a host", each)
	if each < 100 || each > 200 {
		t.Errorf("%d bytes a host; want some 150", each)
	}
}

// heap is the size of what is alive.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

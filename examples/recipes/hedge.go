package recipes

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A Hedge sends a late request a second time and uses the response that comes
// first. A request is late if it takes longer than most requests to its host:
//
//	hedge := &recipes.Hedge{}
//	c := client.Client{Observe: hedge.Observe}
//	h := hedge.Get(p, url) // in place of p.Get(url)
//
// Both requests count in Limit, HostLimit and Shared. Choose a Limit that has
// room for the second: if slow requests hold all slots, it waits in the queue.
//
// A Hedge learns from all requests of its clients. It hedges none to a host of
// which it has not seen a hundred. It keeps a few KiB for each host. Its fields
// must not change after the first request.
type Hedge struct {
	Quantile float64 // the share of requests that are not late; 0 means 0.95
	Budget   float64 // the most second requests to a host, as a share of the first; 0 means 0.1

	mu    sync.Mutex // guards the field below, and what it refers to
	hosts map[string]*tail
}

// A tail is what a Hedge knows of a host.
type tail struct {
	took     *ddsketch.DDSketch // by requests, in nanoseconds
	halved   time.Time          // when half of took was forgotten
	patience time.Duration      // after this time a request is late
	budget   float64            // of second requests, at most 10
}

const accuracy = 0.01 // of took

// Observe learns how long a request takes. It is for Client.Observe.
func (h *Hedge) Observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	return nil, func(o pending.Outcome) {
		if o.Attempts == 1 { // it was sent, and did not pause between attempts
			failed := o.Err != nil || o.Response.StatusCode/100 != 2
			h.update(r.URL.Host, func(t *tail) { t.learn(o.Done, o.Done.Sub(o.Sent), failed, cmp.Or(h.Quantile, 0.95)) })
		}
	}
}

// learn adds a request, and works out patience. It forgets half of what it
// knows every half a minute.
func (t *tail) learn(now time.Time, took time.Duration, failed bool, quantile float64) {
	// A request that lost to the second, or timed out, would have taken longer.
	// It was late, and counts as late. A quick failure tells nothing, and neither
	// does a request that was canceled before it was late.
	if failed && took < t.patience {
		return
	}
	t.took.Add(float64(took))
	if t.took.GetCount() > 1000 && now.Sub(t.halved) > 30*time.Second {
		t.took.Reweight(0.5)
		t.halved = now
	}
	if late, err := t.took.GetValueAtQuantile(quantile); err == nil && t.took.GetCount() >= 100 {
		// The sketch is off by at most accuracy. If it were off to the short side,
		// then of a service that always takes the same time all would be late.
		t.patience = max(time.Duration(late/(1-accuracy)), time.Millisecond)
	}
}

// Get hedges p.Get: see Do.
func (h *Hedge) Get(p *parallel.Parallel, url string, opts ...parallel.Option) *pending.Pending {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return p.Get(url, opts...) // which fails for the same reason
	}
	return h.Do(p, r, opts...)
}

// Do hedges p.Do. Its handle is that of p.Go. It has the result of the first
// request, of any status, unless the second had a 2xx status before. The
// options are used for both requests: they must not share the writer of a To.
//
// A request is hedged only if a server may receive it twice: if its method is
// idempotent, or if it has an Idempotency-Key. A body needs a GetBody.
func (h *Hedge) Do(p *parallel.Parallel, r *http.Request, opts ...parallel.Option) *pending.Pending {
	r = r.Clone(r.Context())
	return p.Go(func(p *parallel.Parallel) (*http.Response, error) {
		first := p.Do(r, opts...)
		if h.late(p, first) {
			second := p.Do(r, opts...)
			if resp, err := pending.Race(first, second).Response(); err == nil {
				return resp, nil
			}
		}
		return first.Response()
	})
}

// late waits until first, the only request of p, is done or late. It reports
// whether to send it again.
func (h *Hedge) late(p *parallel.Parallel, first *pending.Pending) (again bool) {
	r := first.Request()
	if r == nil || !repeatable(r) {
		return false
	}
	var patience time.Duration
	h.update(r.URL.Host, func(t *tail) {
		t.budget = min(t.budget+cmp.Or(h.Budget, 0.1), 10)
		patience = t.patience
	})
	for sent := false; !sent || p.Stats().InFlight == 0; {
		sent = p.Stats().InFlight > 0 // and neither queued nor in the pause before a retry
		select {
		case <-first.Done():
			return false
		case <-time.After(patience):
		}
	}
	h.update(r.URL.Host, func(t *tail) {
		if again = t.budget >= 1; again {
			t.budget--
		}
	})
	return again
}

// repeatable reports whether a server may receive r twice.
func repeatable(r *http.Request) bool {
	if r.Body != nil && r.GetBody == nil {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// update calls f with what h knows of host.
func (h *Hedge) update(host string, f func(*tail)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.hosts[host]
	if t == nil {
		if h.hosts == nil {
			h.hosts = make(map[string]*tail)
		}
		took, err := ddsketch.NewDefaultDDSketch(accuracy)
		if err != nil {
			panic(err) // not for this accuracy
		}
		t = &tail{took: took, halved: time.Now(), patience: math.MaxInt64}
		h.hosts[host] = t
	}
	f(t)
}

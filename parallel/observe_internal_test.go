package parallel

import (
	"net/http"
	"testing"
)

// Promise 25: without Observe nothing is allocated for it.
func TestObserve_unsetCostsNothing(t *testing.T) {
	cfg := Config{Limit: 1, Send: func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
	Run(t.Context(), cfg, func(p *Parallel) error {
		p.Get("http://h/in-flight")
		p.Get("http://h/queued")
		p.queue.mu.Lock()
		defer p.queue.mu.Unlock()
		s := p.waiting.Pop()
		defer p.waiting.Push(s)
		if s.Item.observed != nil {
			t.Error("an observation was allocated without Observe")
		}
		return nil
	})
}

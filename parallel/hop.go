package parallel

import (
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/exchange"
)

// Header returns a copy of the header that s was made with. Package client
// calls it for a first hop that is redirected.
func (s *sending) Header() http.Header { return s.Ask.Header() }

// WaitHop waits until req, which follows a redirect of s, may be sent. Package
// client calls it, on the goroutine that holds the slot of s.
//
// A hop to another host gives up its place at the host before, waits for a
// place at its own, and then for Wait. It keeps its slot and its goroutine
// meanwhile, since its http.Client is in the middle of it. Its timeout runs: it
// started before the redirect. Its Stall does not. If Wait returns a Later, the
// hop waits in the same way until the host's pause is over, and then calls Wait
// again.
func (s *sending) WaitHop(req *http.Request) error {
	host := hostOf(req.URL)
	if host == hostOf(req.Response.Request.URL) {
		return nil
	}
	q, wait := s.p.queue, s.p.settings.Wait
	clock := s.Clock()
	clock.Pause()
	defer clock.Resume()
	for {
		if q.slots.ByHost() {
			if err := q.hop(req.Context(), s, host); err != nil {
				return err
			}
		}
		if wait == nil {
			return nil
		}
		view := req.Clone(conns.Unwatched(req.Context())) // Wait may send requests of its own
		view.Body = nil
		err := wait(view)
		later, ok := exchange.AsLater(err)
		if !ok {
			return err
		}
		q.mu.Lock()
		q.pauseLocked(host, later)
		q.mu.Unlock()
	}
}

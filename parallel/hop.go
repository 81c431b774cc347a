package parallel

import (
	"net/http"

	"github.com/abreast-go/abreast/internal/conns"
)

// WaitHop waits until req, which follows a redirect of s, may be sent. Package
// client calls it, on the goroutine that holds the slot of s.
//
// A hop to another host gives up its place at the host before, waits for a
// place at its own, and then for Wait. It keeps its slot and its goroutine
// meanwhile, since its http.Client is in the middle of it. Its timeout runs: it
// started before the redirect.
func (s *sending) WaitHop(req *http.Request) error {
	host := hostOf(req.URL)
	if host == hostOf(req.Response.Request.URL) {
		return nil
	}
	if s.p.queue.slots.ByHost() {
		if err := s.p.queue.hop(req.Context(), s, host); err != nil {
			return err
		}
	}
	wait := s.p.cfg.Wait
	if wait == nil {
		return nil
	}
	view := req.Clone(conns.Unwatched(req.Context())) // Wait may send requests of its own
	view.Body = nil
	return wait(view)
}

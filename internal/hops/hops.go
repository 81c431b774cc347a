// Package hops lets package client follow redirects for package parallel: it
// tells that a redirect is about to be followed, so that limits and pacing hold
// for the host that it leads to, and learns what the next hop is made from.
package hops

import "net/http"

// A Waiter is the value of a request's context under Key. In package parallel
// it is the sending. The context of the request, a conns.Conns, returns it.
type Waiter interface {
	// WaitHop waits until req may be sent to its host.
	WaitHop(req *http.Request) error

	// Header returns a copy of the header that the request was made with.
	Header() http.Header
}

// Key is the key of a Waiter.
type Key struct{}

// Wait waits until req, which follows a redirect, may be sent to its host. It
// returns at once if req belongs to no block. The error is that of req, which
// is not sent then.
func Wait(req *http.Request) error {
	if w, ok := req.Context().Value(Key{}).(Waiter); ok {
		return w.WaitHop(req)
	}
	return nil
}

// Header returns a copy of the header that req, a first hop, was made with. If
// req belongs to no block, it returns a copy of the header of req.
func Header(req *http.Request) http.Header {
	if w, ok := req.Context().Value(Key{}).(Waiter); ok {
		return w.Header()
	}
	return req.Header.Clone()
}

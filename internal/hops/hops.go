// Package hops lets package client tell package parallel that a redirect is
// about to be followed, so that limits and pacing hold for the host that it
// leads to.
package hops

import "net/http"

// A Waiter is the value of a request's context under Key. In package parallel
// it is the sending. The context of the request, a conns.Conns, returns it.
type Waiter interface {
	// WaitHop waits until req may be sent to its host.
	WaitHop(req *http.Request) error
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

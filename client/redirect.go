package client

import (
	"errors"
	"net/http"
)

// stripCredentials is a CheckRedirect that asks next, once the request's own
// credentials are off a hop that must not have them. net/http keeps them for
// another port of the host and from https down to http, and copies them from the
// first request anew for every hop, so that they would be back with it: hence the
// look at all hops so far.
func stripCredentials(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	if next == nil {
		next = tenRedirects
	}
	return func(req *http.Request, via []*http.Request) error {
		left := !sameOrigin(req.URL, via[0].URL)
		for _, v := range via {
			left = left || !sameOrigin(v.URL, via[0].URL)
		}
		if left {
			req.Header.Del("Authorization")
			req.Header.Del("Cookie")
			req.Header.Del("Proxy-Authorization")
		}
		return next(req, via)
	}
}

// tenRedirects is net/http's own rule.
func tenRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

package client

import (
	"errors"
	"maps"
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
			maps.DeleteFunc(req.Header, func(key string, _ []string) bool {
				switch http.CanonicalHeaderKey(key) { // a request's own may be written in any way
				case "Authorization", "Cookie", "Proxy-Authorization":
					return true
				}
				return false
			})
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

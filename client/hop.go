package client

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/hops"
)

// A hop is the transport that each hop of a redirect passes through. Credentials
// are put on here, below http.Client, which carries on to the next hop whatever
// the request before had.
type hop struct {
	next   http.RoundTripper
	header http.Header
	auth   func(*http.Request) error
	base   base

	gate *gate // before next, if that is the shared transport; or nil
}

func (h *hop) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // a redirect led here
		if err := hops.Wait(req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	out, err := h.prepare(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	next := h.next
	if h.gate != nil && out.URL != nil && out.URL.Scheme == "https" { // Auth may have taken the URL away
		next = h.gate
	}
	resp, err := next.RoundTrip(out)
	return h.answer(req, resp, err)
}

// prepare returns req as it is to be sent, or the error with which it is refused.
func (h *hop) prepare(req *http.Request) (*http.Request, error) {
	if h.base.err != nil { // it says where credentials may go: without it, nothing goes
		return nil, &fail.Refusal{Err: h.base.err}
	}
	if h.gate != nil && req.Response == nil && req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, &fail.Refusal{Err: fmt.Errorf("the scheme of the URL is %q, not http or https", req.URL.Scheme)}
	}
	if h.auth == nil && len(h.header) == 0 || !h.mayHave(req) {
		return req, nil
	}
	out := req.Clone(req.Context())
	return out, h.sign(out, req)
}

// answer is what the transport answered to req.
func (h *hop) answer(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, err
	case resp == nil:
		return nil, fmt.Errorf("the transport (%T) returned neither a response nor an error", h.next)
	}
	if resp.StatusCode/100 == 3 {
		conns.Answered(req.Context())
	}
	resp.Request = req // what was put on is not for logs, or for the next hop
	return resp, nil
}

// closeBody is what a RoundTripper owes a request that it doesn't send.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// mayHave reports whether req goes to where Header and Auth are for.
func (h *hop) mayHave(req *http.Request) bool {
	if h.base.url != nil {
		return sameOrigin(req.URL, h.base.url)
	}
	return sameOrigin(req.URL, first(req).URL)
}

// first is the request whose redirects led to req.
func first(req *http.Request) *http.Request {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req
}

// sign puts the client's Header and credentials on out, a copy of req. What req has
// of its own wins.
func (h *hop) sign(out, req *http.Request) error {
	own := make(map[string]bool, len(req.Header))
	for key := range req.Header {
		own[http.CanonicalHeaderKey(key)] = true // it may be written in any way
	}
	for key, values := range h.header {
		key = http.CanonicalHeaderKey(key)
		if key == "Host" {
			if len(values) > 0 && (req.Host == "" || req.Host == req.URL.Host) {
				out.Host = values[0]
			}
		} else if !own[key] {
			out.Header[key] = slices.Clone(values)
		}
	}
	if h.auth == nil {
		return nil
	}
	signed := out.WithContext(conns.Unwatched(req.Context())) // Auth may fetch a token
	err := h.auth(signed)
	*out = *signed.WithContext(req.Context())
	if err != nil {
		err = fmt.Errorf("putting credentials on: %w", err)
	} else {
		err = req.Context().Err() // Auth may have taken its time
	}
	if err != nil {
		if req.Response == nil { // the first hop
			err = &fail.Refusal{Err: err}
		}
		return err
	}
	if out.Header == nil { // Auth's doing
		out.Header = make(http.Header)
	}
	for key := range own {
		if key != "Cookie" {
			delete(out.Header, key)
		}
	}
	for key, values := range req.Header {
		if http.CanonicalHeaderKey(key) != "Cookie" {
			out.Header[key] = slices.Clone(values)
		}
	}
	return nil
}

// sameOrigin compares scheme, host and port, as RFC 6454 does.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) &&
		strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	switch strings.ToLower(u.Scheme) {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

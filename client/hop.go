package client

import (
	"fmt"
	"net/http"

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
	jar    http.CookieJar // or nil
	base   base

	shared bool // next is the shared transport
	id     any  // stands for next, in the gate
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
	conns.Hop(out, h.next)
	var resp *http.Response
	if out.URL != nil && out.URL.Scheme == "https" { // Auth may have set the URL to nil
		resp, err = gates.roundTrip(h.next, h.id, out)
	} else {
		resp, err = h.next.RoundTrip(out)
	}
	if err == nil && resp != nil {
		unzip(h.next, out, resp)
	}
	return h.answer(req, resp, err)
}

// prepare returns req as it is to be sent, or the error with which it is refused.
func (h *hop) prepare(req *http.Request) (*http.Request, error) {
	if h.base.err != nil { // it says where credentials may go: without it, nothing goes
		return nil, &fail.Refusal{Err: h.base.err}
	}
	if h.shared && req.Response == nil && req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, &fail.Refusal{Err: fmt.Errorf("the scheme of the URL is %q, not http or https", req.URL.Scheme)}
	}
	return h.dress(req)
}

// answer is what the transport answered to req.
func (h *hop) answer(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, fail.Host(req.URL, err)
	case resp == nil:
		return nil, fmt.Errorf("the transport (%T) returned neither a response nor an error", h.next)
	}
	if resp.StatusCode/100 == 3 {
		conns.Answered(req.Context())
		if err := checkLocation(resp); err != nil {
			return nil, err
		}
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

package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/hops"
	"github.com/abreast-go/abreast/internal/origin"
)

// A hop is one request to one server: the request as the caller made it, or
// what follows from a redirect. A hopTransport is the transport of a block's
// http.Client, so it sends each hop of a request. credentials.go says what a
// hop is sent with.
//
// The fields are set once. A hopTransport serves many requests at once.
type hopTransport struct {
	next   http.RoundTripper
	header http.Header               // Client.Header
	auth   func(*http.Request) error // Client.Auth, or nil
	jar    http.CookieJar            // of Client.HTTP, or nil
	base   base                      // Client.BaseURL

	check func(*http.Request, []*http.Request) error // CheckRedirect of Client.HTTP, or nil

	shared bool // next is the shared transport
	id     any  // the gate's key for next: next itself, if it is comparable
}

// RoundTrip sends one hop. In this order it
//
//  1. waits for a place at the host (HostLimit) and calls Wait, if a redirect
//     led here: the block has done both for a first hop;
//  2. adds the credentials, on a copy of req;
//  3. waits at the gate, if the URL is https, and sends the copy;
//  4. checks what the transport returned.
//
// Like any RoundTripper, it closes req.Body if it does not send req.
func (h *hopTransport) RoundTrip(req *http.Request) (*http.Response, error) {
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
	if out.URL != nil && out.URL.Scheme == "https" { // Auth may have set URL to nil
		resp, err = gates.roundTrip(h.next, h.id, out)
	} else {
		resp, err = h.next.RoundTrip(out)
	}
	if err == nil && resp != nil {
		unzip(h.next, out, resp)
	}
	return h.answer(req, resp, err)
}

// prepare returns req as it is sent, or the error that refuses it.
func (h *hopTransport) prepare(req *http.Request) (*http.Request, error) {
	if h.base.err != nil { // BaseURL says where credentials may go
		return nil, &fail.Refusal{Err: h.base.err}
	}
	if h.shared && req.Response == nil && req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, &fail.Refusal{Err: fmt.Errorf("the scheme of the URL is %q, not http or https", req.URL.Scheme)}
	}
	return h.dress(req)
}

// answer returns the result of req from what the transport returned. It closes
// the body of a response that it does not return.
func (h *hopTransport) answer(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	if err != nil || resp == nil {
		conns.Failed(req.Context())
	}
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, fail.Host(proxyFailed(h.next, req, err), fail.Host(req.URL, err))
	case resp == nil:
		return nil, fmt.Errorf("the transport (%T) returned neither a response nor an error", h.next)
	}
	if resp.StatusCode/100 == 3 {
		conns.Answered(req.Context(), resp)
		if err := checkLocation(resp); err != nil {
			return nil, err
		}
	}
	// The request that was sent has credentials that req has not. They must not
	// be seen in logs, or carried to the next hop.
	resp.Request = req
	return resp, nil
}

// closeBody closes the body of req, as a RoundTripper must if it does not send
// req.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// checkRedirect is the CheckRedirect of http.Client. For each hop that a
// redirect leads to, it first gives the hop the credentials that it may have,
// removes all others, and then calls the user's CheckRedirect. What that adds
// is kept.
func (h *hopTransport) checkRedirect(req *http.Request, via []*http.Request) error {
	resp, trail := req.Response, trailTo(req)
	origin.Mend(req.URL)
	inheritFragment(req)
	h.settleCredentials(req, via[0])
	h.cleanReferer(req, via[0], trail)
	check := h.check
	if check == nil {
		check = tenRedirects
	}
	err := check(req, via)
	req.Response = resp // check may have replaced all of req, and its context
	if req.URL != nil {
		origin.Mend(req.URL)
		trail.left = trail.left || origin.Of(req.URL) != trail.home
	}
	return err
}

// tenRedirects returns an error after ten redirects, as net/http does by
// default.
func tenRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// inheritFragment sets the fragment of req to that of the URL that was
// redirected, unless the Location has one (RFC 9110, section 10.2.2). A
// fragment is never sent, but the response's request shows it.
func inheritFragment(req *http.Request) {
	if strings.Contains(req.Response.Header.Get("Location"), "#") {
		return
	}
	from := req.Response.Request.URL
	req.URL.Fragment, req.URL.RawFragment = from.Fragment, from.RawFragment
}

// cleanReferer removes from the Referer that net/http has set what must not be
// sent: a fragment (RFC 9110, section 10.1.3) and the zone of an IPv6 address
// (RFC 6874). If the URL may have a password, and only its fragment or an
// earlier URL shows that, cleanReferer keeps the origin alone. A Referer that
// the caller set stays as it is. If req may have the client's Header and that
// has a Referer, cleanReferer removes net/http's, which would otherwise take
// precedence. first is the first hop.
func (h *hopTransport) cleanReferer(req, first *http.Request, t *trail) {
	lost := t.lost
	t.lost = lost || fail.LostColon(req)
	if len(req.Header["Referer"]) == 0 || hasHeader(first.Header, "Referer") {
		return
	}
	if hasHeader(h.header, "Referer") && h.mayHave(req) {
		req.Header.Del("Referer")
		return
	}
	from := *req.Response.Request.URL
	from.User = nil
	if lost || from.Fragment != "" && fail.URL(&from) != from.String() {
		from = url.URL{Scheme: from.Scheme, Host: from.Host, Path: "/"}
	}
	from.Fragment, from.RawFragment = "", ""
	from.Host = origin.WithoutZone(from.Host)
	req.Header.Set("Referer", from.String())
}

// hasHeader reports whether header has key, which is canonical, in any
// spelling.
func hasHeader(header http.Header, key string) bool {
	for k := range header {
		if http.CanonicalHeaderKey(k) == key {
			return true
		}
	}
	return false
}

// checkLocation refuses a redirect to a host whose name is too long: net/http
// would be busy for minutes with it. It must run before http.Client reads the
// Location.
func checkLocation(resp *http.Response) error {
	location := resp.Header.Get("Location")
	if len(location) <= origin.MaxUnicode {
		return nil
	}
	if u, err := url.Parse(location); err != nil || !origin.TooLong(u) {
		return nil
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	return errors.New("refusing redirect: the host of its Location is too long")
}

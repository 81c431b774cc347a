package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/origin"
)

// redirected returns a CheckRedirect that asks next about each hop, once the hop has
// what it may have and no more. What next adds to it is kept.
func (h *hop) redirected(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	if next == nil {
		next = tenRedirects
	}
	return func(req *http.Request, via []*http.Request) error {
		resp := req.Response
		origin.Mend(req.URL)
		inheritFragment(req)
		h.settleCredentials(req, via[0])
		h.cleanReferer(req)
		err := next(req, via)
		req.Response = resp // next may have replaced all of req: see stayed
		if req.URL != nil {
			origin.Mend(req.URL)
		}
		return err
	}
}

// tenRedirects is net/http's own rule.
func tenRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// inheritFragment gives req the fragment of the URL that was redirected, unless the
// Location has one, as RFC 9110 says (section 10.2.2). A fragment is never sent.
func inheritFragment(req *http.Request) {
	if strings.Contains(req.Response.Header.Get("Location"), "#") {
		return
	}
	from := req.Response.Request.URL
	req.URL.Fragment, req.URL.RawFragment = from.Fragment, from.RawFragment
}

// cleanReferer makes the Referer that net/http has set one that may be sent. net/http
// leaves a fragment and the zone of an address in it, which RFC 9110 (section 10.1.3)
// and RFC 6874 rule out. A Referer that the caller has set stays as it is, and one of
// the client's Header goes before net/http's where it may be sent.
func (h *hop) cleanReferer(req *http.Request) {
	if len(req.Header["Referer"]) == 0 || hasHeader(first(req).Header, "Referer") {
		return
	}
	if hasHeader(h.header, "Referer") && h.mayHave(req) {
		req.Header.Del("Referer")
		return
	}
	from := *req.Response.Request.URL
	from.User, from.Fragment, from.RawFragment = nil, "", ""
	from.Host = origin.WithoutZone(from.Host)
	req.Header.Set("Referer", from.String())
}

// hasHeader reports whether header has key, in any spelling.
func hasHeader(header http.Header, key string) bool {
	for k := range header {
		if http.CanonicalHeaderKey(k) == key {
			return true
		}
	}
	return false
}

// checkLocation refuses a redirect to a host that would keep net/http busy for minutes
// if it read its name. It must do so before http.Client looks at the Location.
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

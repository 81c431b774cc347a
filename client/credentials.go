package client

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/origin"
)

// This file decides what each hop of a request goes with. There are three kinds of
// credentials:
//
//   - the client's: Header and Auth. They are put on here, below http.Client, on a copy
//     of the request. http.Client never sees them, and so it carries them nowhere.
//   - the request's own: Authorization, Cookie and Proxy-Authorization headers.
//     http.Client copies them from the first request to every hop, and
//     settleCredentials removes them again.
//   - a Jar's cookies. The Jar alone decides where they go.
//
// One predicate, stayed, decides about the first two. Nothing remembers its answer:
// each hop asks it anew about all hops before, of which net/http keeps the chain.

// mayHave reports whether req may have the client's Header and Auth: it and all
// requests whose redirects led to it go to the origin that they are for.
func (h *hop) mayHave(req *http.Request) bool {
	if h.base.url != nil {
		return stayed(req, h.base.origin)
	}
	return stayed(req, origin.Of(first(req).URL))
}

// stayed reports whether req and all requests whose redirects led to it go to home.
//
// To look at req alone isn't enough. When a redirect leads to another site and back
// again, that site has chosen the path, the query and with a 307 the method and the
// body of a request, which must not go out in the name of the client. So a request
// that was away once has no credentials for good. net/http decided the same about the
// request's own (CVE-2024-45336).
func stayed(req *http.Request, home origin.Origin) bool {
	for {
		if origin.Of(req.URL) != home {
			return false
		}
		if req.Response == nil || req.Response.Request == nil {
			return true
		}
		req = req.Response.Request
	}
}

// first returns the request whose redirects led to req.
func first(req *http.Request) *http.Request {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req
}

// dress returns req as it goes to the transport: req itself, or a copy with what the
// client and its Jar add. The response's Request is req all the same, so that what was
// added is in no log and in no hop to come.
//
// The copy has the host in ASCII and no empty port. net/http finds connections of HTTP/2 by another form of
// an internationalized host than it dials: for "https://BÜCHER.example" it dials again
// and again, without end.
func (h *hop) dress(req *http.Request) (*http.Request, error) {
	mayHave := (len(h.header) > 0 || h.auth != nil) && h.mayHave(req)
	cookies := h.cookies(req)
	host, named := origin.Dialed(req.URL), origin.WithoutEmptyPort(req.Host)
	if !mayHave && len(cookies) == 0 && host == req.URL.Host && named == req.Host {
		return req, nil
	}
	out := req.Clone(req.Context())
	out.Trailer = req.Trailer // filled while the body is read
	if out.Header == nil {
		out.Header = make(http.Header)
	}
	out.URL.Host, out.Host = host, named
	if req.Host == req.URL.Host {
		out.Host = host
	}
	var own map[string]bool
	if mayHave {
		own = h.own(req)
		h.addHeader(out, req, own)
	}
	for _, c := range cookies {
		out.AddCookie(c)
	}
	if !mayHave || h.auth == nil {
		return out, nil
	}
	if err := h.addAuth(out, req, own); err != nil {
		return nil, err
	}
	if out.URL != nil { // Auth may have taken it away
		origin.Mend(out.URL)
	}
	return out, nil
}

// own returns the names of the headers that req has of its own, in their canonical
// form: a header's key may be written in any way.
//
// An Authorization that net/http has made of the userinfo of a URL is the request's own
// only if the caller gave that URL. The userinfo of BaseURL is the client's, like Header,
// and gives way to Header and Auth, which say more exactly who the client is. So does the
// userinfo that a server wrote into a Location.
func (h *hop) own(req *http.Request) map[string]bool {
	own := make(map[string]bool, len(req.Header))
	for key := range req.Header {
		own[http.CanonicalHeaderKey(key)] = true
	}
	if u := req.URL.User; u != nil && req.Header.Get("Authorization") == basic(u) {
		fromBase := h.base.url != nil && sameUser(u, h.base.url.User)
		if fromBase || !sameUser(u, first(req).URL.User) {
			delete(own, "Authorization")
		}
	}
	return own
}

func sameUser(a, b *url.Userinfo) bool { return a != nil && b != nil && *a == *b }

// basic returns the header that net/http makes of the userinfo of a URL.
func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// addHeader puts the client's Header on out, a copy of req, without those that req has
// of its own.
func (h *hop) addHeader(out, req *http.Request, own map[string]bool) {
	for key, values := range h.header {
		key = http.CanonicalHeaderKey(key)
		if key == "Host" {
			if len(values) > 0 && (req.Host == "" || req.Host == req.URL.Host) {
				out.Host = origin.WithoutEmptyPort(values[0])
			}
		} else if !own[key] {
			out.Header[key] = slices.Clone(values)
		}
	}
}

// addAuth has Auth put its credentials on out, a copy of req.
//
// Auth may set what it likes, in any spelling, or give out another Header. So the
// headers of req's own are put back after it, which is what lets them take precedence.
// Cookies are not: those of the request, of the client, of the Jar and of Auth add up in
// one header.
func (h *hop) addAuth(out, req *http.Request, own map[string]bool) error {
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
		if name := http.CanonicalHeaderKey(key); own[name] && name != "Cookie" {
			out.Header[key] = slices.Clone(values)
		}
	}
	return nil
}

// settleCredentials gives req, which is to follow a redirect, the request's own
// credentials if it and all hops before it go to the origin of the first, and removes
// them otherwise. begun is the request as it came to http.Client, without what that has
// made of its userinfo.
//
// net/http keeps them for another port of the host, for its subdomains, and from https
// down to http. And it copies them from the first request for every hop, so that they
// would be back after a hop without them. On the other hand it removes them if the host
// is the same one in another spelling, "A.test" for "a.test". (With a Jar a cookie that
// is missing may be one that a server has replaced. It stays so.)
//
// The Host that a request has in place of its URL's is removed as well. net/http keeps it
// for a Location such as "//other.example/", where it would be sent to a host that it
// doesn't name, and with it the cookies that a Jar has for that name.
func (h *hop) settleCredentials(req, begun *http.Request) {
	if !stayed(req, origin.Of(begun.URL)) {
		req.Host = ""
		maps.DeleteFunc(req.Header, func(key string, _ []string) bool { return isCredential(key) })
		return
	}
	for key, values := range begun.Header {
		if isCredential(key) && req.Header[key] == nil && (h.jar == nil || http.CanonicalHeaderKey(key) != "Cookie") {
			req.Header[key] = slices.Clone(values)
		}
	}
}

// isCredential reports whether a header of the request's own is for one origin. Its key
// may be written in any way.
func isCredential(key string) bool {
	switch http.CanonicalHeaderKey(key) {
	case "Authorization", "Cookie", "Proxy-Authorization":
		return true
	}
	return false
}

// A storing is a Jar that keeps cookies for an http.Client and gives it none: hop adds
// them. If http.Client did, they would look like the request's own, and the client's Header
// would have to leave its Cookie out.
type storing struct{ http.CookieJar }

func (storing) Cookies(*url.URL) []*http.Cookie { return nil }

// cookies returns what the Jar has for req. It asks for the host that http.Client names
// when it stores them.
func (h *hop) cookies(req *http.Request) []*http.Cookie {
	if h.jar == nil {
		return nil
	}
	u := req.URL
	if req.Host != "" {
		named := *u
		named.Host = req.Host
		u = &named
	}
	return h.jar.Cookies(u)
}

package client

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/lifetime"
	"github.com/abreast-go/abreast/internal/origin"
)

// This file decides which credentials each hop of a request is sent with. There
// are three kinds:
//
//   - The client's: Header and Auth. They are added here, below http.Client, to
//     a copy of the request. http.Client never sees them, so it cannot carry
//     them to another hop.
//   - The request's own: the headers Authorization, Cookie and
//     Proxy-Authorization. http.Client copies them from the first request to
//     every hop. They are removed again by settleCredentials.
//   - The cookies of a Jar. The Jar alone decides where they go.
//
// One predicate, stayed, decides about the first two. A trail remembers whether
// an earlier hop went to another origin, so that each hop looks only at itself:
// a CheckRedirect may allow thousands of hops.

// A trail is what a hop knows of the earlier hops of its request. It is used
// only by the goroutine that sends the request.
type trail struct {
	first *http.Request
	home  origin.Origin // of first
	left  bool          // a hop went to another origin; set by checkRedirect
	lost  bool          // a URL may have lost the ":" before a password; set by cleanReferer
}

// trailKey is the key of the *trail in the context of a request.
type trailKey struct{}

// withTrail returns a copy of req, the first hop, with a new trail.
func withTrail(req *http.Request) *http.Request {
	t := &trail{home: origin.Of(req.URL)}
	t.first = req.WithContext(lifetime.WithValue(req.Context(), trailKey{}, t))
	return t.first
}

// trailTo returns the trail of req. A first hop gets a new one, because its
// context may be that of a response, with the trail of another request.
//
// If CheckRedirect has replaced the context, the trail is unknown, and the hop
// counts as one that has left its origin.
func trailTo(req *http.Request) *trail {
	if req.Response != nil {
		if t, ok := req.Context().Value(trailKey{}).(*trail); ok {
			return t
		}
	}
	return &trail{first: req, home: origin.Of(req.URL), left: req.Response != nil}
}

// mayHave reports whether req may have the client's Header and Auth: whether it
// and all requests whose redirects led to it go to the origin that these are
// for.
func (h *hopTransport) mayHave(req *http.Request) bool {
	return stayed(req) && (h.base.url == nil || origin.Of(req.URL) == h.base.origin)
}

// stayed reports whether req and all requests whose redirects led to it go to
// the origin of the first.
//
// It is not enough to look at req alone. If redirects lead to another site and
// back again, that site has chosen the path and the query of req, and with a
// 307 its method and body. Such a request must not be sent in the name of the
// client. So once a redirect has led to another origin, no later hop has
// credentials. net/http decided the same for the request's own
// (CVE-2024-45336).
func stayed(req *http.Request) bool {
	if req.Response == nil { // the first hop
		return true
	}
	t := trailTo(req)
	return !t.left && origin.Of(req.URL) == t.home
}

// dress returns req as it goes to the transport: req itself, or a copy with
// what the client and its Jar add. The response's Request remains req, so that
// what was added is not seen in logs, or carried to the next hop.
//
// The copy has the host in ASCII and no empty port. net/http dials one form of
// an internationalized host, and looks for its HTTP/2 connections by another:
// for "https://BÜCHER.example" it dials again and again, without end.
func (h *hopTransport) dress(req *http.Request) (*http.Request, error) {
	mayHave := (len(h.header) > 0 || h.auth != nil) && h.mayHave(req)
	cookies := h.cookies(req)
	host, named := origin.Dialed(req.URL), origin.WithoutEmptyPort(req.Host)
	if !mayHave && len(cookies) == 0 && host == req.URL.Host && named == req.Host {
		return req, nil
	}
	out := req.Clone(req.Context())
	// A body may set the values of Trailer while it is read. net/http sends
	// those of the request that it was given, so the two share one map.
	out.Trailer = req.Trailer
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
	addCookies(out, cookies)
	if !mayHave || h.auth == nil {
		return out, nil
	}
	if err := h.addAuth(out, req, own); err != nil {
		return nil, err
	}
	if out.URL != nil { // Auth may have set it to nil
		origin.Mend(out.URL)
	}
	return out, nil
}

// own returns the names of the request's own headers, which Header and Auth
// must not replace. The names are canonical: a program may write a key in any
// way.
//
// net/http makes an Authorization of the userinfo of a URL. It is the request's
// own only if the caller passed that URL. The userinfo of BaseURL belongs to
// the client, as Header does. Header and Auth take precedence over it, because
// they say more exactly who the client is. They also take precedence over
// userinfo that a server wrote into a Location.
func (h *hopTransport) own(req *http.Request) map[string]bool {
	if len(req.Header) == 0 {
		return nil
	}
	own := make(map[string]bool, len(req.Header))
	for key := range req.Header {
		own[http.CanonicalHeaderKey(key)] = true
	}
	if u := req.URL.User; u != nil && req.Header.Get("Authorization") == basic(u) {
		fromBase := h.base.url != nil && sameUser(u, h.base.url.User)
		if fromBase || !sameUser(u, trailTo(req).first.URL.User) {
			delete(own, "Authorization")
		}
	}
	return own
}

// sameUser reports whether a and b are the same userinfo, and not nil.
func sameUser(a, b *url.Userinfo) bool { return a != nil && b != nil && *a == *b }

// basic returns the Authorization that net/http makes of the userinfo of a URL.
func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// addHeader adds the client's Header to out, a copy of req, but for the names
// in own. A Host is set only if req has no Host of its own.
func (h *hopTransport) addHeader(out, req *http.Request, own map[string]bool) {
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

// addAuth calls Auth with out, a copy of req.
//
// The request's own headers take precedence over those of Auth. Auth cannot be
// kept from changing them: it may write a key in any way, delete it, or replace
// the whole Header. So addAuth puts them back when Auth has returned, and first
// deletes what Auth set under these names, in any spelling.
//
// The one exception is Cookie. The cookies of the request, of Header, of the
// Jar and of Auth add up in one header.
//
// Auth runs with a context that does not track connections. It may send a
// request for a token, whose connection would prove nothing about req.
func (h *hopTransport) addAuth(out, req *http.Request, own map[string]bool) error {
	signed := out.WithContext(conns.Unwatched(req.Context()))
	err := h.auth(signed)
	*out = *signed.WithContext(req.Context())
	if err != nil {
		//lint:ignore ST1005 Auth is the name of a field
		err = fmt.Errorf("Auth: %w", err)
	} else {
		err = req.Context().Err() // it may have ended during Auth
	}
	if err != nil {
		if req.Response == nil { // the first hop
			err = &fail.Refusal{Err: err}
		}
		return err
	}
	if out.Header == nil { // Auth may have set it to nil
		out.Header = make(http.Header)
	}
	putBack := func(key string) bool {
		name := http.CanonicalHeaderKey(key)
		return own[name] && name != "Cookie"
	}
	maps.DeleteFunc(out.Header, func(key string, _ []string) bool { return putBack(key) })
	for key, values := range req.Header {
		if putBack(key) {
			out.Header[key] = slices.Clone(values)
		}
	}
	return nil
}

// settleCredentials decides about the request's own credentials when req is
// about to follow a redirect. If req and all hops before it go to the origin of
// the first, settleCredentials adds those that net/http has removed. Otherwise
// it removes them all. first is the request as http.Client was given it,
// without the Authorization that http.Client makes of userinfo.
//
// net/http's rules are different. It keeps credentials for another port of the
// host, for its subdomains, and from https to http. It copies them from the
// first request for every hop, so they would be back after a hop without them.
// And it removes them if the host is the same in another spelling, "A.test" for
// "a.test". (If there is a Jar, a missing Cookie is not added again: a server
// may have replaced it.)
//
// The request's own Host is removed as well. net/http keeps it for a Location
// such as "//other.example/". It would be sent to a host that it does not name,
// and with it the cookies that the Jar has for that name.
func (h *hopTransport) settleCredentials(req, first *http.Request) {
	if !stayed(req) {
		req.Host = ""
		maps.DeleteFunc(req.Header, func(key string, _ []string) bool { return isCredential(key) })
		return
	}
	for key, values := range first.Header {
		if isCredential(key) && req.Header[key] == nil && (h.jar == nil || http.CanonicalHeaderKey(key) != "Cookie") {
			req.Header[key] = slices.Clone(values)
		}
	}
}

// isCredential reports whether key, in any spelling, names a header that is for
// one origin alone.
func isCredential(key string) bool {
	switch http.CanonicalHeaderKey(key) {
	case "Authorization", "Cookie", "Proxy-Authorization":
		return true
	}
	return false
}

// addCookies adds cookies to the Cookie header of out, in one line with those
// that it has. AddCookie would copy the header for each cookie. Servers decide
// how many cookies a Jar has: with 60,000 short ones, it would copy 18 GB.
func addCookies(out *http.Request, cookies []*http.Cookie) {
	if len(cookies) == 0 {
		return
	}
	all := slices.Clone(out.Header["Cookie"])
	for _, c := range cookies {
		one := http.Request{Header: make(http.Header, 1)}
		one.AddCookie(c)
		all = append(all, one.Header.Get("Cookie"))
	}
	out.Header.Set("Cookie", strings.Join(all, "; "))
}

// A storing is a Jar that stores cookies for http.Client and returns none:
// dress adds them. If http.Client added them, they would look like the
// request's own, and a Cookie of the client's Header would be left out.
type storing struct{ http.CookieJar }

func (storing) Cookies(*url.URL) []*http.Cookie { return nil }

// cookies returns the cookies that the Jar has for req. It looks them up under
// the host under which http.Client stores them, which is the request's Host if
// it has one.
func (h *hopTransport) cookies(req *http.Request) []*http.Cookie {
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

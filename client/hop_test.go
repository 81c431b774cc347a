package client_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 23, clause by clause.

// bearer is an Auth that sets a bearer token.
func bearer(r *http.Request) error {
	r.Header.Set("Authorization", "Bearer client's")
	return nil
}

// credentials returns the URL of a hop and the credentials that it was sent
// with.
func credentials(r *http.Request) string {
	line := r.URL.String()
	for _, key := range []string{"X-Api-Key", "Authorization", "Cookie", "Proxy-Authorization"} {
		for _, v := range r.Header[key] {
			line += " " + v
		}
	}
	return line
}

// Header and Auth go only to BaseURL's origin, or without a BaseURL to the
// origin of the caller's URL. No hop has them after one that went elsewhere.
func TestCredentials_goToOneOrigin(t *testing.T) {
	cases := map[string]struct {
		base string
		hops []string // a * marks those with the client's credentials
	}{
		"a single hop":                  {"", []string{"https://h/*"}},
		"the same origin":               {"", []string{"https://h/a*", "https://h/b*", "https://h/c*"}},
		"a default port":                {"", []string{"https://h/a*", "https://h:443/b*", "https://H/c*", "HTTPS://h/d*"}},
		"a default port of http":        {"", []string{"http://h:80/a*", "http://h/b*"}},
		"another host":                  {"", []string{"https://h/a*", "https://other/b"}},
		"a subdomain":                   {"", []string{"https://h/a*", "https://sub.h/b"}},
		"another port":                  {"", []string{"https://h/a*", "https://h:8443/b"}},
		"https to http":                 {"", []string{"https://h/a*", "http://h/b"}},
		"http to https":                 {"", []string{"http://h/a*", "https://h/b"}},
		"the other scheme's port":       {"", []string{"https://h/a*", "https://h:80/b", "http://h:443/c"}},
		"away and back":                 {"", []string{"https://h/a*", "https://other/b", "https://h/c", "https://h/d"}},
		"to another port, and back":     {"", []string{"https://h/a*", "https://h:8443/b", "https://h/c"}},
		"the base's":                    {"https://h/v2", []string{"https://h/v2/a*", "https://h/elsewhere*"}},
		"the base's, away and back":     {"https://h/v2", []string{"https://h/v2/a*", "https://other/b", "https://h/c"}},
		"not the base's, and to it":     {"https://h/v2", []string{"https://other/a", "https://h/b", "https://h/c"}},
		"not the base's, another port":  {"https://h/v2", []string{"https://h:8443/a", "https://h/b"}},
		"not the base's, by its scheme": {"https://h/v2", []string{"http://h/a", "http://h/b"}},
		"a base with a default port":    {"https://h:443", []string{"https://h/a*"}},
		"a base with userinfo":          {"https://user@h", []string{"https://h/a*"}},
		"an address":                    {"http://[::1]:80", []string{"http://[::1]/a*", "http://[::2]/b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var urls, want []string
			for _, hop := range tc.hops {
				u, with := strings.CutSuffix(hop, "*")
				urls = append(urls, u)
				if with {
					want = append(want, u+" key Bearer client's")
				} else {
					want = append(want, u)
				}
			}
			w := chain(urls...)
			// The web looks up a URL in the form in which net/http writes it.
			for from, to := range w.redirects {
				w.redirects[strings.Replace(from, "HTTPS", "https", 1)] = to
			}
			c := client.Client{
				BaseURL: tc.base,
				HTTP:    &http.Client{Transport: w},
				Header:  http.Header{"x-api-key": {"key"}},
				Auth:    bearer,
			}
			resp, err := get(t, c, urls[0])
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				want[i] = strings.Replace(want[i], "HTTPS", "https", 1)
			}
			if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
				t.Errorf("hops and their credentials (-want +got):\n%s", diff)
			}
			// Credentials must not be seen in logs, or carried to the next hop.
			for r := resp.Request; r != nil; {
				if line := credentials(r); line != r.URL.String() {
					t.Errorf("the response's request has the client's credentials: %s", line)
				}
				if r.Response == nil {
					break
				}
				r = r.Response.Request
			}
		})
	}
}

// The handle's request, which p.Do may send again, has none of the client's
// credentials.
func TestRequest_hasNoClientCredentials(t *testing.T) {
	var w web
	c := client.Client{HTTP: &http.Client{Transport: &w}, Header: http.Header{"X-Api-Key": {"key"}}, Auth: bearer}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		h := p.Get("https://h/")
		<-h.Done()
		if line := credentials(h.Request()); line != "https://h/" {
			t.Errorf("the handle's request has the client's credentials: %s", line)
		}
		return nil
	})
}

// The request of a response may be sent again. Its origin is then that of the
// caller's URL, even if a redirect led to it.
func TestRequest_ofRedirectSentAgain(t *testing.T) {
	w := chain("https://h/a", "https://other/b")
	c := client.Client{HTTP: &http.Client{Transport: w}, Auth: bearer}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		resp, err := p.Get("https://h/a").Response()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Do(resp.Request.Clone(t.Context())).Response(); err != nil {
			t.Fatal(err)
		}
		return nil
	})
	want := []string{"https://h/a Bearer client's", "https://other/b", "https://other/b Bearer client's"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their credentials (-want +got):\n%s", diff)
	}
}

// A request's own header takes precedence over Header and Auth. Cookies add up.
func TestHeader_ownTakesPrecedence(t *testing.T) {
	var w web
	c := client.Client{
		HTTP: &http.Client{Transport: &w},
		Header: http.Header{
			"x-api-key": {"client's"}, "X-Many": {"one", "two"}, "Accept": {"client's"}, "User-Agent": {"client's"},
		},
		Auth: func(r *http.Request) error {
			r.AddCookie(&http.Cookie{Name: "session", Value: "client's"})
			return bearer(r)
		},
	}
	show := func(r *http.Request) string {
		var lines []string
		for key, values := range r.Header {
			lines = append(lines, key+": "+strings.Join(values, ", "))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	if _, err := get(t, c, "https://h/"); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, c, "https://h/", parallel.Header("X-Api-Key", "own"), parallel.Header("accept", "own"),
		parallel.Header("Authorization", "own"), parallel.Header("Cookie", "own=1"), parallel.Header("User-Agent", "own"),
		parallel.Header("X-Many", "own")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Accept: client's\nAuthorization: Bearer client's\nCookie: session=client's\nUser-Agent: client's\nX-Api-Key: client's\nX-Many: one, two",
		"Accept: own\nAuthorization: own\nCookie: own=1; session=client's\nUser-Agent: own\nX-Api-Key: own\nX-Many: own",
	}
	if diff := cmp.Diff(want, w.trail(show)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	// The same holds without an Auth.
	c.Auth = nil
	w.asked = nil
	if _, err := get(t, c, "https://h/", parallel.Header("X-Api-Key", "own"), parallel.Header("X-Many", "own")); err != nil {
		t.Fatal(err)
	}
	want = []string{"Accept: client's\nUser-Agent: client's\nX-Api-Key: own\nX-Many: own"}
	if diff := cmp.Diff(want, w.trail(show)); diff != "" {
		t.Errorf("headers without an Auth (-want +got):\n%s", diff)
	}
	if got := c.Header["X-Many"]; !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the client's Header was changed: %q", got)
	}
}

func TestHeader_host(t *testing.T) {
	w := chain("https://h/a", "https://other/b", "https://h/c")
	c := client.Client{HTTP: &http.Client{Transport: w}, Header: http.Header{"Host": {"virtual"}}}
	if _, err := get(t, c, "https://h/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, c, "https://h/x", parallel.Header("Host", "own")); err != nil {
		t.Fatal(err)
	}
	hosts := w.trail(func(r *http.Request) string {
		if r.Host == "" {
			return r.URL.String() + " of " + r.URL.Host
		}
		return r.URL.String() + " of " + r.Host
	})
	want := []string{"https://h/a of virtual", "https://other/b of other", "https://h/c of h", "https://h/x of own"}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// A request's own credentials do not follow a redirect to another origin, and
// are not added again after it.
func TestOwnCredentials_stayAtOrigin(t *testing.T) {
	cases := map[string][]string{ // a * marks the hops with credentials
		"the same origin":            {"https://h/a*", "https://h/b*"},
		"a default port":             {"https://h/a*", "https://h:443/b*"},
		"another host":               {"https://h/a*", "https://other/b"},
		"a subdomain":                {"https://h/a*", "https://sub.h/b"},
		"another port":               {"https://h/a*", "https://h:8443/b"},
		"https to http":              {"https://h/a*", "http://h/b"},
		"http to https":              {"http://h/a*", "https://h/b"},
		"to another host and back":   {"https://h/a*", "https://other/b", "https://h/c", "https://h/d"},
		"to another port and back":   {"https://h/a*", "https://h:8443/b", "https://h/c", "https://h/d"},
		"to http and back":           {"https://h/a*", "http://h/b", "https://h/c"},
		"at home, away, and at home": {"https://h/a*", "https://h/b*", "https://h:1/c", "https://h/d"},
	}
	for name, hops := range cases {
		for _, base := range []string{"", "https://h", "https://other"} {
			t.Run(name+" with base "+base, func(t *testing.T) {
				var urls, want []string
				for _, hop := range hops {
					u, with := strings.CutSuffix(hop, "*")
					urls = append(urls, u)
					if with {
						want = append(want, u+" own own=1 proxy's")
					} else {
						want = append(want, u)
					}
				}
				w := chain(urls...)
				c := client.Client{BaseURL: base, HTTP: &http.Client{Transport: w}}
				if _, err := get(t, c, urls[0], parallel.Header("Authorization", "own"), parallel.Header("Cookie", "own=1"),
					parallel.Header("Proxy-Authorization", "proxy's")); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
					t.Errorf("hops and their credentials (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A request that has lost its own credentials does not get the client's when a
// redirect leads back to its origin.
func TestCredentials_lostForGood(t *testing.T) {
	w := chain("https://h/a", "https://h:1/b", "https://h/c")
	c := client.Client{HTTP: &http.Client{Transport: w}, Auth: bearer}
	if _, err := get(t, c, "https://h/a", parallel.Header("Authorization", "own")); err != nil {
		t.Fatal(err)
	}
	want := []string{"https://h/a own", "https://h:1/b", "https://h/c"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their credentials (-want +got):\n%s", diff)
	}
}

// The Jar decides about its cookies. This one ignores ports and schemes.
func TestJar_decidesAlone(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"https://h/", "https://other/"} {
		u, err := url.Parse(host)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(u, []*http.Cookie{{Name: "jar", Value: u.Host}})
	}
	w := chain("https://h/a", "https://h:1/b", "https://other/c", "https://h/d")
	c := client.Client{HTTP: &http.Client{Transport: w, Jar: jar}}
	if _, err := get(t, c, "https://h/a", parallel.Header("Cookie", "own=1")); err != nil {
		t.Fatal(err)
	}
	want := []string{"https://h/a own=1; jar=h", "https://h:1/b jar=h", "https://other/c jar=other", "https://h/d jar=h"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their cookies (-want +got):\n%s", diff)
	}
}

// Auth is called at every hop as long as all hops go to its origin, with a copy
// of the request.
func TestAuth_getsCopyOfEachHop(t *testing.T) {
	w := chain("https://h/a", "https://h/c", "https://other/b", "https://h/d")
	var asked []string
	c := client.Client{HTTP: &http.Client{Transport: w}, Auth: func(r *http.Request) error {
		asked = append(asked, r.URL.String())
		r.Header.Set("X-Signed", r.URL.Path)
		r.Header.Del("X-Own") // has no effect: the request's own takes precedence
		return nil
	}}
	resp, err := get(t, c, "https://h/a", parallel.Header("X-Own", "own"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://h/a", "https://h/c"}, asked); diff != "" {
		t.Errorf("Auth was called for (-want +got):\n%s", diff)
	}
	signed := w.trail(func(r *http.Request) string {
		return r.URL.Path + " " + r.Header.Get("X-Signed") + " " + r.Header.Get("X-Own")
	})
	if diff := cmp.Diff([]string{"/a /a own", "/c /c own", "/b  own", "/d  own"}, signed); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
	if resp.Request.Header.Get("X-Signed") != "" {
		t.Error("resp.Request has a header of Auth")
	}
}

// An error of Auth is the error of its request, and the hop is not sent.
func TestAuth_errorFailsRequest(t *testing.T) {
	expired := errors.New("the token has expired")
	for name, tc := range map[string]struct {
		fails   string // path
		sent    int
		notSent bool
	}{
		"first hop":  {"/a", 0, true},
		"second hop": {"/b", 1, false},
	} {
		w := chain("https://h/a", "https://h/b")
		c := client.Client{HTTP: &http.Client{Transport: w}, Auth: func(r *http.Request) error {
			if r.URL.Path == tc.fails {
				return expired
			}
			return nil
		}}
		_, err := get(t, c, "https://h/a")
		var ue *url.Error
		if !errors.Is(err, expired) || !errors.As(err, &ue) || ue.URL != "https://h/a" || errors.Is(err, pending.ErrNotSent) != tc.notSent {
			t.Errorf("%s: %v; want a *url.Error of the first URL, ErrNotSent: %v", name, err, tc.notSent)
		}
		if n := len(w.asked); n != tc.sent {
			t.Errorf("%s: %d hops were sent, want %d", name, n, tc.sent)
		}
	}
}

// Promise 23: Auth may change the header of its copy in any way, and the
// request's own headers still take precedence. A program may write their names
// in any spelling.
func TestAuth_cannotReplaceOwnHeaders(t *testing.T) {
	for name, auth := range map[string]func(*http.Request) error{
		"nothing":          func(*http.Request) error { return nil },
		"removes all":      func(r *http.Request) error { r.Header = nil; return nil },
		"changes in place": func(r *http.Request) error { r.Header["X-Key"][0] = "Auth's"; return nil },
		"another spelling": func(r *http.Request) error { r.Header["x-KEY"] = []string{"Auth's"}; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var got http.Header
			c := client.Client{Auth: auth, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.Header
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			})}}
			own := http.Header{"X-Key": {"1"}, "x-key": {"2"}}
			if _, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
				return p.Do(&http.Request{URL: &url.URL{Scheme: "http", Host: "h"}, Header: own})
			}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(own, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

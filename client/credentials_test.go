package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"go/build"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Origins were compared with strings.EqualFold, which takes final and other
// sigma for one letter, and small and capital sharp s as well: credentials went
// to another host. And a host in Unicode was not the same host as in ASCII.
func TestCredentials_internationalHosts(t *testing.T) {
	const key = " key Bearer client's own=1"
	for home, to := range map[string]struct {
		url  string
		same bool
	}{
		"http://βόλος.example/":                {"http://βόλοσ.example/x", false},
		"http://straße.example/":               {"http://straẞe.example/x", slices.Contains(build.Default.ReleaseTags, "go1.27")}, // a newer Unicode
		"http://k.test/":                       {"http://\u212a.test/x", true},                                                    // the Kelvin sign is dialed as k
		"http://bücher.example/":               {"http://xn--bcher-kva.example/x", true},
		"http://xn--bcher-kva.example:80/":     {"http://BÜCHER.example/x", true},
		"http://a.test/":                       {"http://ａ.test:/x", true},
		"http://b.test/":                       {"http://b.test./x", false},
		"http://[::1]/":                        {"http://[0:0::1]:080/x", true},
		"http://c.test/":                       {"http://C.test:0080/x", true},
		"http://[fe80::1%25eth0]/":             {"http://[fe80::1%25eth1]/x", false},
		"http://-ü.example/":                   {"http://-Ü.example/x", false}, // IDNA refuses both
		"http://xn--strae-oqa.example/?sharp=": {"http://strasse.example/x", false},
	} {
		t.Run(home, func(t *testing.T) {
			var trail []string
			c := client.Client{
				Header: http.Header{"X-Api-Key": {"key"}},
				Auth:   bearer,
				HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					trail = append(trail, strings.TrimPrefix(credentials(r), r.URL.String()))
					resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
					if len(trail) == 1 {
						resp.StatusCode = http.StatusFound
						resp.Header.Set("Location", to.url)
					}
					return resp, nil
				})},
			}
			want := []string{key, ""}
			if to.same {
				want[1] = key
			}
			for _, base := range []string{"", home} {
				if strings.Contains(base, "?") {
					continue
				}
				c.BaseURL, trail = base, nil
				if _, err := get(t, c, home, parallel.Header("Cookie", "own=1")); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, trail); diff != "" {
					t.Errorf("with base %q (-want +got):\n%s", base, diff)
				}
			}
		})
	}
}

// Another site redirected a request back to its origin, with a path, a method
// and a body of its choice. It was sent with the client's credentials.
func TestCredentials_afterDetour(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		for _, via := range []string{"https://evil/", "http://h/", "https://h:1/", "https://sub.h/"} {
			w := chain("https://h/out", via, "https://h/admin/delete?all=1", "https://h/next")
			w.status = status
			c := client.Client{
				BaseURL: "https://h", Auth: bearer, Header: http.Header{"X-Api-Key": {"key"}, "Host": {"virtual"}},
				HTTP: &http.Client{Transport: w},
			}
			if _, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
				return p.Post("/out", parallel.JSON(1), parallel.Header("Cookie", "own=1"))
			}); err != nil {
				t.Fatal(err)
			}
			got := w.trail(func(r *http.Request) string { return r.Method + " " + credentials(r) + " of " + r.Host })
			method := http.MethodGet
			if status == http.StatusTemporaryRedirect {
				method = http.MethodPost
			}
			want := []string{
				"POST https://h/out key Bearer client's own=1 of virtual", method + " " + via + " of ",
				method + " https://h/admin/delete?all=1 of ", method + " https://h/next of ",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d by way of %s (-want +got):\n%s", status, via, diff)
			}
		}
	}
}

// CheckRedirect may replace the whole request. The earlier hops must still be
// known.
func TestCredentials_checkRedirectReplacesRequest(t *testing.T) {
	for name, replace := range map[string]bool{"also its context": true, "but for its context": false} {
		w := chain("https://h/a", "https://evil/b", "https://h/c")
		c := client.Client{Auth: bearer, HTTP: &http.Client{Transport: w, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 1 {
				return nil
			}
			ctx := r.Context()
			if replace {
				ctx = context.Background()
			}
			other, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), nil)
			*r = *other
			return err
		}}}
		if _, err := get(t, c, "https://h/a"); err != nil {
			t.Fatal(err)
		}
		want := []string{"https://h/a Bearer client's", "https://evil/b", "https://h/c"}
		if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
			t.Errorf("CheckRedirect replaces the request, %s: hops (-want +got):\n%s", name, diff)
		}
	}
}

// A CheckRedirect that sends a request elsewhere has led it away.
func TestCredentials_checkRedirectChangesURL(t *testing.T) {
	w := chain("https://h/a", "https://h/b")
	w.redirects["https://evil/"] = "https://h/c?q=a b"
	c := client.Client{Auth: bearer, HTTP: &http.Client{Transport: w, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) == 1 {
			r.URL = &url.URL{Scheme: "https", Host: "evil", Path: "/"}
		}
		return nil
	}}}
	if _, err := get(t, c, "https://h/a"); err != nil {
		t.Fatal(err)
	}
	want := []string{"https://h/a Bearer client's", "https://evil/", "https://h/c?q=a%20b"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
}

// Each hop looked at all hops before, so that a CheckRedirect which allows many
// made a server's redirects cost the square of their number. Twice the hops are
// twice the work.
func TestCredentials_linear(t *testing.T) {
	work := func(n int) uint64 {
		hops := 0
		c := client.Client{Auth: bearer, HTTP: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
				if hops++; hops < n {
					resp.StatusCode = http.StatusFound
					resp.Header.Set("Location", "/next")
				}
				return resp, nil
			}),
		}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := get(t, c, "https://bücher.example/") // to read such a host allocates
		runtime.ReadMemStats(&after)
		if err != nil || hops != n {
			t.Fatalf("%d hops of %d, error %v", hops, n, err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := work(100), work(200); many > 3*few {
		t.Errorf("100 hops allocate %d bytes, and twice as many %d; want twice that", few, many)
	}
}

// An Option may take its request from a response. The first hop is then that
// request, and not the one that led to the response.
func TestCredentials_requestOfResponse(t *testing.T) {
	for name, keep := range map[string]bool{"its context": true, "another context": false} {
		w := chain("https://h/a", "https://other/b")
		c := client.Client{Auth: bearer, HTTP: &http.Client{Transport: w}}
		resp, err := get(t, c, "https://h/a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := get(t, c, "https://h/x", func(r *parallel.Request) error {
			ctx := r.Context()
			if keep {
				ctx = context.WithoutCancel(resp.Request.Context())
			}
			r.Request = resp.Request.WithContext(ctx)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{"https://h/a Bearer client's", "https://other/b", "https://other/b Bearer client's"}
		if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
			t.Errorf("with %s: hops (-want +got):\n%s", name, diff)
		}
	}
}

// net/http makes an Authorization of the userinfo of a URL. The userinfo of
// BaseURL silently took precedence over Auth and Header.
func TestUserinfo_precedence(t *testing.T) {
	basic := func(user string) string {
		r := &http.Request{Header: make(http.Header)}
		r.SetBasicAuth(user, "secret")
		return r.Header.Get("Authorization")
	}
	addsKey := func(r *http.Request) error { r.Header.Set("X-Api-Key", "key"); return nil }
	header := http.Header{"Authorization": {"Header's"}}
	for name, tc := range map[string]struct {
		client client.Client
		hops   []string
		own    string
		want   []string
	}{
		"the base's alone":                {client.Client{}, []string{"/a", "/b"}, "", []string{basic("base"), basic("base")}},
		"the base's and Auth":             {client.Client{Auth: bearer}, []string{"/a", "/b"}, "", []string{"Bearer client's", "Bearer client's"}},
		"the base's and another Auth":     {client.Client{Auth: addsKey}, []string{"/a"}, "", []string{"key " + basic("base")}},
		"the base's and Header":           {client.Client{Header: header}, []string{"/a", "/b"}, "", []string{"Header's", "Header's"}},
		"the base's, and the request's":   {client.Client{Auth: bearer, Header: header}, []string{"/a", "/b"}, "own", []string{"own", "own"}},
		"the URL's own and Auth":          {client.Client{Auth: bearer}, []string{"https://user:secret@h/a", "/b"}, "", []string{basic("user"), basic("user")}},
		"the URL's own and Header":        {client.Client{Header: header}, []string{"https://user:secret@h/a"}, "", []string{basic("user")}},
		"a Location's and Auth":           {client.Client{Auth: bearer}, []string{"https://h/a", "https://evil:secret@h/b"}, "", []string{"Bearer client's", "Bearer client's"}},
		"a Location's and Header":         {client.Client{Header: header}, []string{"https://h/a", "https://evil:secret@h/b"}, "", []string{"Header's", "Header's"}},
		"a Location's and nothing":        {client.Client{}, []string{"https://h/a", "https://l:secret@h/b"}, "", []string{"", basic("l")}},
		"a Location's, and the request's": {client.Client{Auth: bearer}, []string{"https://h/a", "https://evil:secret@h/b"}, "own", []string{"own", "own"}},
		"the base's, elsewhere":           {client.Client{Auth: bearer}, []string{"/a", "https://other/b", "https://h/c"}, "", []string{"Bearer client's", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var trail []string
			hops := tc.hops
			c := tc.client
			c.BaseURL = "https://base:secret@h"
			c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				trail = append(trail, strings.TrimSpace(r.Header.Get("X-Api-Key")+" "+r.Header.Get("Authorization")))
				resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
				if len(trail) < len(hops) {
					resp.StatusCode = http.StatusFound
					resp.Header.Set("Location", hops[len(trail)])
				}
				return resp, nil
			})}
			var opts []parallel.Option
			if tc.own != "" {
				opts = append(opts, parallel.Header("Authorization", tc.own))
			}
			if _, err := get(t, c, hops[0], opts...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, trail); diff != "" {
				t.Errorf("credentials of each hop (-want +got):\n%s", diff)
			}
		})
	}
}

// A Cookie of the client's Header was left out as soon as the Jar had a cookie,
// which was taken for the request's own.
func TestJar_besideOtherCookies(t *testing.T) {
	for name, tc := range map[string]struct {
		header, own, auth, two bool
		first, second          string
	}{
		"alone":                  {first: "jar=1", second: "jar=1; set=2"},
		"Header":                 {header: true, first: "client=1; jar=1", second: "client=1; jar=1; set=2"},
		"the request":            {own: true, first: "own=1; jar=1", second: "own=1; jar=1; set=2"},
		"Header and the request": {header: true, own: true, first: "own=1; jar=1", second: "own=1; jar=1; set=2"},
		"Auth":                   {auth: true, first: "jar=1; auth=1", second: "jar=1; set=2; auth=1"},
		"Header, in two lines":   {header: true, two: true, first: "client=1; too=1; jar=1", second: "client=1; too=1; jar=1; set=2"},
		"all":                    {header: true, own: true, auth: true, first: "own=1; jar=1; auth=1", second: "own=1; jar=1; set=2; auth=1"},
	} {
		t.Run(name, func(t *testing.T) {
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			h := &url.URL{Scheme: "http", Host: "h", Path: "/"}
			jar.SetCookies(h, []*http.Cookie{{Name: "jar", Value: "1"}})
			var trail []string
			c := client.Client{HTTP: &http.Client{Jar: jar, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				trail = append(trail, strings.Join(r.Header["Cookie"], " / "))
				resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
				if len(trail) == 1 {
					resp.StatusCode = http.StatusFound
					resp.Header = http.Header{"Location": {"/b"}, "Set-Cookie": {"set=2; Path=/"}}
				}
				if r.URL.Path == "/c" {
					resp.Header.Set("Set-Cookie", "last=3; Path=/")
				}
				return resp, nil
			})}}
			var opts []parallel.Option
			if tc.header {
				c.Header = http.Header{"Cookie": {"client=1"}}
			}
			if tc.two {
				c.Header.Add("Cookie", "too=1")
			}
			if tc.own {
				opts = append(opts, parallel.Header("Cookie", "own=1"))
			}
			if tc.auth {
				c.Auth = func(r *http.Request) error { r.AddCookie(&http.Cookie{Name: "auth", Value: "1"}); return nil }
			}
			if _, err := get(t, c, "http://h/a", opts...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.first, tc.second}, trail); diff != "" {
				t.Errorf("cookies (-want +got):\n%s", diff)
			}
			if _, err := get(t, c, "http://h/c"); err != nil { // without a redirect
				t.Fatal(err)
			}
			if n := len(jar.Cookies(h)); n != 3 {
				t.Errorf("the Jar has %d cookies, want 3", n)
			}
		})
	}
}

// The header was copied for each cookie that the Jar has, and servers decide
// how many these are. Twice the cookies are twice the work.
func TestJar_linear(t *testing.T) {
	work := func(n int) uint64 {
		many := make(fixedJar, n)
		for i := range many {
			many[i] = &http.Cookie{Name: "name", Value: "0123456789"}
		}
		sent := 0
		c := client.Client{HTTP: &http.Client{Jar: many, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = strings.Count(r.Header.Get("Cookie"), "name=0123456789")
			return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}, nil
		})}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := get(t, c, "http://h/")
		runtime.ReadMemStats(&after)
		if err != nil || sent != n {
			t.Fatalf("%d cookies of %d were sent, error %v", sent, n, err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := work(3000), work(6000); many > 3*few {
		t.Errorf("3000 cookies allocate %d bytes, and twice as many %d; want twice that", few, many)
	}
}

// A fixedJar has the same cookies for all.
type fixedJar []*http.Cookie

func (j fixedJar) Cookies(*url.URL) []*http.Cookie   { return j }
func (fixedJar) SetCookies(*url.URL, []*http.Cookie) {}

// If a Location had a host but no scheme, the request's own Host was kept:
// another site got a request for that Host, with the cookies that the Jar has
// for it.
func TestHost_notSentElsewhere(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(&url.URL{Scheme: "http", Host: "virtual", Path: "/"}, []*http.Cookie{{Name: "secret", Value: "1"}})
	w := chain("http://10.0.0.1/a", "/b", "//evil/c")
	w.redirects["http://10.0.0.1/b"] = "//evil/c"
	c := client.Client{HTTP: &http.Client{Transport: w, Jar: jar}}
	if _, err := get(t, c, "http://10.0.0.1/a", parallel.Header("Host", "virtual")); err != nil {
		t.Fatal(err)
	}
	got := w.trail(func(r *http.Request) string { return credentials(r) + " of " + r.Host })
	want := []string{"http://10.0.0.1/a secret=1 of virtual", "http://10.0.0.1/b secret=1 of virtual", "http://evil/c of "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
}

// A Referer had the fragment and the zone of the URL before.
func TestReferer(t *testing.T) {
	own := parallel.Header("Referer", "http://own/#x")
	for name, tc := range map[string]struct {
		hops   []string
		header string
		opt    parallel.Option
		want   []string
	}{
		"a fragment":                        {hops: []string{"http://h/a#secret", "http://h/b#part", "http://h/c"}, want: []string{"", "http://h/a", "http://h/b"}},
		"a zone":                            {hops: []string{"http://[fe80::1%25eth0]:80/a?x", "http://h/b"}, want: []string{"", "http://[fe80::1]:80/a?x"}},
		"userinfo":                          {hops: []string{"http://user:secret@h/a", "http://h/b"}, want: []string{"", "http://h/a"}},
		"all":                               {hops: []string{"https://u:p@[fe80::1%25en%200]/a#x", "https://h/b"}, want: []string{"", "https://[fe80::1]/a"}},
		"a password in a broken URL":        {hops: []string{"http://h/user:secret#@0", "http://h/b"}, want: []string{"", "http://h/"}},
		"a password without its colon":      {hops: []string{"http://h/a", "/user:x/../secret@0", "http://h/b"}, want: []string{"", "http://h/a", "http://h/"}},
		"to http":                           {hops: []string{"https://h/a", "http://h/b"}, want: []string{"", ""}},
		"the request's own":                 {hops: []string{"http://h/a", "http://h/b"}, opt: own, want: []string{"http://own/#x", "http://own/#x"}},
		"the client's":                      {hops: []string{"http://h/a", "http://h/b", "http://o/c", "http://h/d"}, header: "http://client/", want: []string{"http://client/", "http://client/", "http://h/b", "http://o/c"}},
		"the client's, and the request's":   {hops: []string{"http://h/a", "http://h/b"}, header: "http://client/", opt: own, want: []string{"http://own/#x", "http://own/#x"}},
		"a host in unicode, and its query ": {hops: []string{"http://h/a?q=a b", "http://h/b"}, want: []string{"", "http://h/a?q=a%20b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = append(got, r.Header.Get("Referer"))
				resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
				if len(got) < len(tc.hops) {
					resp.StatusCode = http.StatusFound
					resp.Header.Set("Location", tc.hops[len(got)])
				}
				return resp, nil
			})}}
			if tc.header != "" {
				c.Header = http.Header{"Referer": {tc.header}}
			}
			var opts []parallel.Option
			if tc.opt != nil {
				opts = append(opts, tc.opt)
			}
			if _, err := get(t, c, tc.hops[0], opts...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Referers (-want +got):\n%s", diff)
			}
		})
	}
}

// A redirect lost the fragment (RFC 9110, section 10.2.2).
func TestFragment_inherited(t *testing.T) {
	for _, tc := range []struct {
		hops []string
		want string
	}{
		{[]string{"http://h/a#x%2Fy", "/b"}, "http://h/b#x%2Fy"},
		{[]string{"http://h/a#x", "/b#y"}, "http://h/b#y"},
		{[]string{"http://h/a#x", "http://other/b", "/c"}, "http://other/c#x"},
		{[]string{"http://h/a", "/b#y", "/c"}, "http://h/c#y"},
		{[]string{"http://h/a#x", "/b#", "/c"}, "http://h/c"},
		{[]string{"http://h/a#x"}, "http://h/a#x"},
	} {
		n := 0
		resp, err := get(t, client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			n++
			resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
			if n < len(tc.hops) {
				resp.StatusCode = http.StatusFound
				resp.Header.Set("Location", tc.hops[n])
			}
			return resp, nil
		})}}, tc.hops[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Request.URL.String(); got != tc.want {
			t.Errorf("hops %q end at %s, want %s", tc.hops, got, tc.want)
		}
	}
}

// Each of these put characters on the request line, or an empty port in a Host,
// that must not be there.
func TestWireForm(t *testing.T) {
	const target, query = "/s?q=a%20%22b%22%C3%AB&c", `q=a "b"ë&c`
	do := func(r *http.Request) func(p *parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending { return p.Do(r) }
	}
	by := func(method func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending, u string, opts ...parallel.Option) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending { return method(p, u, opts...) }
	}
	given := &http.Request{URL: &url.URL{Scheme: "http", Host: "a.test:", Path: "/s", RawQuery: query}, Host: "a.test:"}
	shared := &url.URL{Scheme: "http", Host: "a.test:", Path: "/s", RawQuery: query}
	sets := func(r *parallel.Request) error { r.URL = shared; return nil }
	redirect := "http://b.test:/?to=" + url.QueryEscape("http://a.test:/s?"+query)
	for name, tc := range map[string]struct {
		base string
		auth func(*http.Request) error
		ask  func(*parallel.Parallel) *pending.Pending
	}{
		"Get":               {ask: by((*parallel.Parallel).Get, "http://a.test:/s?"+query)},
		"Post":              {ask: by((*parallel.Parallel).Post, "http://a.test:/s?"+query, parallel.JSON(1))},
		"Do":                {ask: do(given)},
		"Do, opaque":        {ask: do(&http.Request{URL: &url.URL{Scheme: "http", Host: "a.test:", Opaque: "/s", RawQuery: query}})},
		"Do, no slash":      {ask: do(&http.Request{URL: &url.URL{Scheme: "http", Host: "a.test", Path: "s", RawQuery: query}})},
		"an Option":         {ask: by((*parallel.Parallel).Get, "http://b.test/", sets, parallel.Header("Host", "a.test:"))},
		"Query":             {ask: by((*parallel.Parallel).Get, `http://a.test:/s?q=a "b"ë`, func(r *parallel.Request) error { r.URL.RawQuery += "&c"; return nil })},
		"under a base":      {base: "http://a.test:/", ask: by((*parallel.Parallel).Get, "s?"+query)},
		"Do, under a base":  {base: "http://a.test:", ask: do(&http.Request{URL: &url.URL{Path: "s", RawQuery: query}})},
		"after a redirect":  {ask: by((*parallel.Parallel).Get, redirect)},
		"after two, and ..": {ask: by((*parallel.Parallel).Get, "http://b.test/?to="+url.QueryEscape(redirect))},
		"Auth": {ask: by((*parallel.Parallel).Get, "http://a.test:/s"), auth: func(r *http.Request) error {
			r.URL.RawQuery = query
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var line, host atomic.Value
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if to := r.FormValue("to"); to != "" {
					w.Header().Set("Location", to)
					w.WriteHeader(http.StatusFound)
					return
				}
				line.Store(r.RequestURI)
				host.Store(r.Host)
			}))
			defer s.Close()
			tr := s.Client().Transport.(*http.Transport)
			tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
			}
			var again *http.Request
			resp, err := ask(t, client.Client{BaseURL: tc.base, Auth: tc.auth, HTTP: &http.Client{Transport: tr}}, func(p *parallel.Parallel) *pending.Pending {
				h := tc.ask(p)
				again = h.Request()
				return h
			})
			if err != nil {
				t.Fatal(err)
			}
			if line.Load() != target || host.Load() != "a.test" {
				t.Errorf("the server got a request for %v of %v, want %v of a.test", line.Load(), host.Load(), target)
			}
			if tc.auth == nil && resp.Request.URL.RequestURI() != target {
				t.Errorf("resp.Request has the URL %v", resp.Request.URL)
			}
			if strings.ContainsAny(again.URL.String(), ` "ë`) {
				t.Errorf("the URL of the handle's request is %v", again.URL)
			}
		})
	}
	if given.URL.RawQuery != query || given.URL.Host != "a.test:" || given.Host != "a.test:" || shared.RawQuery != query || shared.Host != "a.test:" {
		t.Errorf("the caller's requests were changed: %+v of %s, %+v", given.URL, given.Host, shared)
	}
}

// A very long host in a Location kept net/http busy if it was not ASCII. The
// time of IDNA grows with the square of the length: 3 s for 60 kB.
func TestLocation_longHost(t *testing.T) {
	var long strings.Builder
	for i := range 20_000 {
		long.WriteRune(rune(0x4e00 + i))
	}
	w := chain("http://h/a", "http://"+long.String()+"/")
	start := time.Now()
	_, err := get(t, client.Client{HTTP: &http.Client{Transport: w}}, "http://h/a")
	if err == nil || !strings.Contains(err.Error(), "too long") || errors.Is(err, pending.ErrNotSent) {
		t.Errorf("a redirect to a host of 60 kB: %.200v; want \"too long\", and not ErrNotSent", err)
	}
	if _, err := get(t, client.Client{HTTP: &http.Client{Transport: w}}, "http://"+long.String()+"/"); !errors.Is(err, pending.ErrNotSent) {
		t.Errorf("a host of 60 kB: %.200v; want ErrNotSent", err)
	}
	if _, err := get(t, client.Client{HTTP: &http.Client{Transport: w}, BaseURL: "http://" + long.String()}, "/"); !errors.Is(err, pending.ErrNotSent) {
		t.Errorf("a BaseURL of 60 kB: %.200v; want ErrNotSent", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v, want 30s at most", took)
	}
}

// If an internationalized host that is not in lower case speaks HTTP/2,
// net/http dials it without end: it looks for the connection under another name
// than it dials.
func TestHTTP2_internationalHost(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto+" "+r.Host) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	var dials atomic.Int32
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) > 3 || addr != "xn--bcher-kva.example:443" {
			return nil, fmt.Errorf("dial %d of %s", dials.Load(), addr)
		}
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	defer tr.CloseIdleConnections()
	resp, err := get(t, client.Client{HTTP: &http.Client{Transport: tr}}, "https://BÜCHER.example/")
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, resp); got != "HTTP/2.0 xn--bcher-kva.example" || dials.Load() != 1 {
		t.Errorf("got %q after %d dials, want HTTP/2.0 and one dial", got, dials.Load())
	}
}

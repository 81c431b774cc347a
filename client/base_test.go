package client_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 22, clause by clause.

func TestBaseURL_joins(t *testing.T) {
	cases := []struct{ base, ref, want string }{
		{"https://h/v2", "/users?x=1", "https://h/v2/users?x=1"},
		{"https://h/v2", "users?x=1", "https://h/v2/users?x=1"},
		{"https://h/v2", "", "https://h/v2"},
		{"https://h/v2", "/", "https://h/v2/"},
		{"https://h/v2", "?x=1", "https://h/v2?x=1"},
		{"https://h/v2", "#part", "https://h/v2#part"},
		{"https://h/v2", "users/", "https://h/v2/users/"},
		{"https://h/v2/", "/users", "https://h/v2/users"},
		{"https://h/v2/", "users", "https://h/v2/users"},
		{"https://h/v2/", "", "https://h/v2/"},
		{"https://h", "/users", "https://h/users"},
		{"https://h", "users", "https://h/users"},
		{"https://h", "", "https://h"},
		{"https://h", "/", "https://h/"},
		{"https://h/", "", "https://h/"},
		{"https://h:8443/v2", "users", "https://h:8443/v2/users"},
		{"https://user:pass@h/v2", "users", "https://user:pass@h/v2/users"},
		{"https://[::1]:8443/v2", "users", "https://[::1]:8443/v2/users"},

		// Escapes are kept, and nothing is cleaned.
		{"https://h/v2", "/a%2Fb", "https://h/v2/a%2Fb"},
		{"https://h/v2", "/a%2fb", "https://h/v2/a%2fb"},
		{"https://h/v2", "/a%20b", "https://h/v2/a%20b"},
		{"https://h/v2", "/a%3Fb%23c", "https://h/v2/a%3Fb%23c"},
		{"https://h/v2", "/caf%C3%A9", "https://h/v2/caf%C3%A9"},
		{"https://h/v2", "/a%25b", "https://h/v2/a%25b"},
		{"https://h/a%2Fb", "/users", "https://h/a%2Fb/users"},
		{"https://h/a%2Fb/", "/c%2Fd", "https://h/a%2Fb/c%2Fd"},
		{"https://h/a%2Fb", "", "https://h/a%2Fb"},
		{"https://h/v2", "/users//7", "https://h/v2/users//7"},
		{"https://h//v2//", "/users", "https://h//v2//users"},
		{"https://h/v2", "/users/.../7", "https://h/v2/users/.../7"},
		{"https://h/v2", "/.well-known", "https://h/v2/.well-known"},
		{"https://h/v2", "/a;v=1/b", "https://h/v2/a;v=1/b"},
		{"https://h/v2", "/;..", "https://h/v2/;.."},
		{"https://h/v2", "/...;x", "https://h/v2/...;x"},
		{"https://h:/v2", "/users", "https://h/v2/users"},
		{"https://h/v2", "/s?q=a b", "https://h/v2/s?q=a%20b"},
		{"https://h/v2", "/a..b", "https://h/v2/a..b"},
		{"https://h/v2", "/a:b", "https://h/v2/a:b"},
		{"https://h/v2", "/x?next=/../y", "https://h/v2/x?next=/../y"},
		{"https://h/v2", "/x?", "https://h/v2/x?"},
		{"https://h/v2", "/users/" + url.PathEscape("a/b?c#d%e f"), "https://h/v2/users/a%2Fb%3Fc%23d%25e%20f"},

		// An absolute URL does not change.
		{"https://h/v2", "https://other/x", "https://other/x"},
		{"https://h/v2", "http://h/../x", "http://h/../x"},
		{"", "https://other/x", "https://other/x"},
	}
	for _, tc := range cases {
		var w web
		c := client.Client{BaseURL: tc.base, HTTP: &http.Client{Transport: &w}}
		t.Run(tc.base+" and "+tc.ref, func(t *testing.T) {
			if _, err := get(t, c, tc.ref); err != nil {
				t.Fatal(err)
			}
			// Do joins a relative http.Request in the same way.
			r, err := http.NewRequest(http.MethodGet, tc.ref, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending { return p.Do(r) }); err != nil {
				t.Fatal(err)
			}
			if r.URL.String() != tc.ref {
				t.Errorf("Do changed its request: the URL is %v", r.URL)
			}
			want, err := url.Parse(tc.want)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range w.trail(func(r *http.Request) string { return r.URL.String() + " of " + r.Host }) {
				if wanted := tc.want + " of " + want.Host; line != wanted {
					t.Errorf("%s asked for %s, want %s", []string{"Get", "Do"}[i], line, wanted)
				}
			}
		})
	}
}

// A reference that climbs out of the base, or has a host but no scheme, is the
// error of its request, which is not sent.
func TestBaseURL_refusesReferences(t *testing.T) {
	refs := []string{
		"//other/x", "//other", "//user@h/x", "///x", "//",
		".", "..", "./x", "../x", "/../x", "x/..", "x/../y", "x/./y", "/x/..", "/..", "x/../../y", "..?x=1", "..#x",
		"%2e%2e", "%2E%2E/x", "x/%2e%2e/y", ".%2e/x", "%2e", "/x/%2e", "%2e%2e%2fx", "x/..%2fy", "..%2Fx", "x%2F..%2Fy",
		url.PathEscape("../admin"), "..%5Cx", `..\x`, "x%5c..",
		"..;x", "/..;/x", "x/..;a=b/y", ".;", "./;x/..", "..;", "%2e%2e;x", "..%3bx", "..%3B/x", "x%2F..%3B%2Fy", `..;\x`, ".%3b",
		"%zz", "7:b", "x\x7f",
	}
	for _, base := range []string{"https://h/v2", "https://h", "https://h/"} {
		for _, ref := range refs {
			var w web
			c := client.Client{BaseURL: base, HTTP: &http.Client{Transport: &w}}
			_, err := get(t, c, ref)
			var ue *url.Error
			if err == nil || len(w.asked) != 0 || !errors.As(err, &ue) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Get of %q under %s: %v after %d requests; want a *url.Error that matches ErrNotSent, after none", ref, base, err, len(w.asked))
			}
			if r, e := http.NewRequest(http.MethodGet, ref, nil); e == nil && r.URL.String() == ref && !r.URL.IsAbs() {
				_, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending { return p.Do(r) })
				if err == nil || len(w.asked) != 0 {
					t.Errorf("Do of %q under %s: %v after %d requests; want an error after none", ref, base, err, len(w.asked))
				}
			}
		}
	}
}

// A bad BaseURL is the error of every request, even of one with an absolute
// URL: without a base, the credentials would go to the origin of any URL.
func TestBaseURL_badStopsEveryRequest(t *testing.T) {
	for _, base := range []string{
		"h/v2", "/v2", "//h/v2", "https:", "https:///v2", "https:h/v2", "https://h/%zz", "https://h/v2?x=1", "https://h/v2?",
		"https://h/v2#part", " https://h/v2", "https://h:port/", "user:pass@h",
	} {
		var w web
		c := client.Client{
			BaseURL: base,
			HTTP:    &http.Client{Transport: &w},
			Header:  http.Header{"X-Api-Key": {"key"}},
			Auth:    func(r *http.Request) error { r.Header.Set("Authorization", "Bearer key"); return nil },
		}
		absolute, err := http.NewRequest(http.MethodGet, "https://other/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			what string
			make func(p *parallel.Parallel) *pending.Pending
		}{
			{"Get of a path", func(p *parallel.Parallel) *pending.Pending { return p.Get("/users") }},
			{"Get of nothing", func(p *parallel.Parallel) *pending.Pending { return p.Get("") }},
			{"Get of a URL", func(p *parallel.Parallel) *pending.Pending { return p.Get("https://other/x") }},
			{"Do of a URL", func(p *parallel.Parallel) *pending.Pending { return p.Do(absolute) }},
		} {
			_, err := ask(t, c, tc.make)
			var ue *url.Error
			if !errors.As(err, &ue) || !strings.Contains(err.Error(), "BaseURL") || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("BaseURL %q, %s: %v; want a *url.Error that names BaseURL and matches ErrNotSent", base, tc.what, err)
			}
		}
		for _, line := range w.trail(func(r *http.Request) string {
			return r.URL.String() + " with " + r.Header.Get("X-Api-Key") + " and " + r.Header.Get("Authorization")
		}) {
			t.Errorf("BaseURL %q: %s was sent", base, line)
		}
	}
}

func TestBaseURL_neededForRelativeURL(t *testing.T) {
	for _, ref := range []string{"", "/users", "users", "//h/users", "?x=1"} {
		var w web
		_, err := get(t, client.Client{HTTP: &http.Client{Transport: &w}}, ref)
		if !errors.Is(err, pending.ErrNotSent) || len(w.asked) != 0 {
			t.Errorf("%q without a BaseURL: %v, want ErrNotSent", ref, err)
		}
	}
}

// A link that a server sent is resolved with resp.Request.URL.Parse, and not
// joined to the base.
func TestBaseURL_linkOfServerNotJoined(t *testing.T) {
	var w web
	c := client.Client{BaseURL: "https://h/v2", HTTP: &http.Client{Transport: &w}}
	if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		resp, err := p.Get("/users?page=1").Response()
		if err != nil {
			return err
		}
		next, err := resp.Request.URL.Parse("../v2/users?page=2")
		if err != nil {
			return err
		}
		_, err = p.Get(next.String()).Response()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := w.asked[1].URL.String(); got != "https://h/v2/users?page=2" {
		t.Errorf("the second page is %s, want https://h/v2/users?page=2", got)
	}
}

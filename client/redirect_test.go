package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests promise 23: what a user's CheckRedirect sees and may do.

// Credentials are removed before the user's CheckRedirect is called. Those that
// it adds are kept, for that hop.
func TestCheckRedirect_seesNoCredentials(t *testing.T) {
	w := chain("https://h/a", "https://h/b", "https://h:1/c", "https://h/d")
	var seen []string
	c := client.Client{
		Header: http.Header{"X-Api-Key": {"key"}},
		Auth:   bearer,
		HTTP: &http.Client{Transport: w, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			seen = append(seen, fmt.Sprintf("%s after %d", credentials(r), len(via)))
			if r.URL.Path == "/c" {
				r.Header.Set("Authorization", "CheckRedirect's")
				r.Header.Set("Cookie", "check=1")
			}
			for _, v := range via {
				if r := credentials(v); strings.Contains(r, "client's") || strings.Contains(r, "key") {
					t.Errorf("CheckRedirect sees the client's credentials: %s", r)
				}
			}
			return nil
		}},
	}
	if _, err := get(t, c, "https://h/a", parallel.Header("Authorization", "own")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://h/b own after 1", "https://h:1/c after 2", "https://h/d after 3"}, seen); diff != "" {
		t.Errorf("requests that CheckRedirect saw (-want +got):\n%s", diff)
	}
	want := []string{
		"https://h/a key own",
		"https://h/b key own",
		"https://h:1/c CheckRedirect's check=1",
		"https://h/d",
	}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their credentials (-want +got):\n%s", diff)
	}
}

// The user's http.Client is used, and not changed.
func TestHTTPClient_notChanged(t *testing.T) {
	w := chain("https://h/a", "https://h/b")
	hc := &http.Client{Transport: w}
	c := client.Client{HTTP: hc, Auth: bearer}
	if _, err := get(t, c, "https://h/a"); err != nil {
		t.Fatal(err)
	}
	if hc.Transport != w || hc.CheckRedirect != nil || hc.Jar != nil || hc.Timeout != 0 {
		t.Errorf("the http.Client was changed: %+v", hc)
	}
	empty := new(http.Client)
	get(t, client.Client{HTTP: empty}, "gopher://h/")
	if empty.Transport != nil {
		t.Error("an http.Client without a Transport was given one")
	}
}

func TestCheckRedirect_errUseLastResponse(t *testing.T) {
	w := chain("https://h/a", "https://h/b")
	c := client.Client{HTTP: &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
	resp, err := get(t, c, "https://h/a")
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "https://h/b" || body(t, resp) != "" {
		t.Errorf("the response is %v to %q, want the redirect itself", resp.StatusCode, resp.Header.Get("Location"))
	}
	if n := len(w.asked); n != 1 {
		t.Errorf("%d hops, want 1", n)
	}
}

// Without a CheckRedirect, net/http's rule holds: ten requests and no more.
func TestRedirect_stopsAfterTen(t *testing.T) {
	var urls []string
	for i := range 12 {
		urls = append(urls, fmt.Sprint("https://h/", i))
	}
	for n, ok := range map[int]bool{9: true, 10: true, 11: false} {
		w := chain(urls[:n]...)
		_, err := get(t, client.Client{HTTP: &http.Client{Transport: w}}, urls[0])
		_, theirs := (&http.Client{Transport: chain(urls[:n]...)}).Get(urls[0])
		if (err == nil) != ok || (theirs == nil) != ok {
			t.Errorf("a chain of %d: %v, from net/http %v; want success: %v", n, err, theirs, ok)
		}
		if got, want := len(w.asked), min(n, 10); got != want {
			t.Errorf("a chain of %d took %d requests, want %d", n, got, want)
		}
		var ue *url.Error
		if err != nil && (!errors.As(err, &ue) || ue.URL != urls[0] || !strings.Contains(err.Error(), "10 redirects")) {
			t.Errorf("a chain of %d: %v; want a *url.Error of the first URL", n, err)
		}
	}
}

// A 307 repeats the method and the body. Without GetBody, the 307 itself is the
// response.
func TestRedirect_withBody(t *testing.T) {
	for name, tc := range map[string]struct {
		body parallel.Option
		want int
		hops int
	}{
		"that can be read again": {parallel.Body("", strings.NewReader("content")), http.StatusOK, 2},
		"that can be read once":  {parallel.Body("", struct{ *strings.Reader }{strings.NewReader("content")}), http.StatusTemporaryRedirect, 1},
	} {
		w := chain("https://h/a", "https://h/b")
		w.status = http.StatusTemporaryRedirect
		resp, err := ask(t, client.Client{HTTP: &http.Client{Transport: w}}, func(p *parallel.Parallel) *pending.Pending {
			return p.Post("https://h/a", tc.body)
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != tc.want || len(w.asked) != tc.hops {
			t.Errorf("a body %s: status %d after %d hops, want %d after %d", name, resp.StatusCode, len(w.asked), tc.want, tc.hops)
		}
	}
}

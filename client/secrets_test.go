package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests what is sent where, beside promise 23 (see hop_test.go), and
// what is never shown.

// userinfo returns the URL of a hop, its Basic authorization and its Referer.
func userinfo(r *http.Request) string {
	line := r.URL.Redacted()
	if user, password, ok := r.BasicAuth(); ok {
		line += " as " + user + ":" + password
	}
	if from := r.Header.Get("Referer"); from != "" {
		line += " from " + from
	}
	return line
}

// The userinfo of a URL is sent to its origin, and with a redirect whose
// Location has no host. A Location with a host has its own userinfo, or none. A
// Referer never has any.
func TestUserinfo_staysAtOrigin(t *testing.T) {
	for name, tc := range map[string]struct {
		base, url string
		redirects map[string]string
		want      []string
	}{
		"a path": {"", "https://user:secret@h/a", map[string]string{"https://user:secret@h/a": "/b"}, []string{
			"https://user:xxxxx@h/a as user:secret", "https://user:xxxxx@h/b as user:secret from https://h/a"}},
		"the same host": {"", "https://user:secret@h/a", map[string]string{"https://user:secret@h/a": "https://h/b"}, []string{
			"https://user:xxxxx@h/a as user:secret", "https://h/b from https://h/a"}},
		"another host": {"", "https://user:secret@h/a", map[string]string{"https://user:secret@h/a": "https://other/b"}, []string{
			"https://user:xxxxx@h/a as user:secret", "https://other/b from https://h/a"}},
		"another port, and a path there": {"", "https://user:secret@h/a", map[string]string{
			"https://user:secret@h/a": "https://h:1/b", "https://h:1/b": "/c"}, []string{
			"https://user:xxxxx@h/a as user:secret", "https://h:1/b from https://h/a", "https://h:1/c from https://h:1/b"}},
		"no scheme but a host": {"", "https://user:secret@h/a", map[string]string{"https://user:secret@h/a": "//other/b"}, []string{
			"https://user:xxxxx@h/a as user:secret", "https://other/b from https://h/a"}},
		"https to http": {"", "https://user:secret@h/a", map[string]string{"https://user:secret@h/a": "http://h/b"}, []string{
			"https://user:xxxxx@h/a as user:secret", "http://h/b"}},
		"the base's": {"https://user:secret@h/v2", "/a", map[string]string{"https://user:secret@h/v2/a": "https://other/b"}, []string{
			"https://user:xxxxx@h/v2/a as user:secret", "https://other/b from https://h/v2/a"}},
		"the base's, and an absolute URL": {"https://user:secret@h/v2", "https://h/a", nil, []string{"https://h/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &web{redirects: tc.redirects}
			if _, err := get(t, client.Client{BaseURL: tc.base, HTTP: &http.Client{Transport: w}}, tc.url); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, w.trail(userinfo)); diff != "" {
				t.Errorf("hops (-want +got):\n%s", diff)
			}
		})
	}
}

// By net/http's rules, a 307 sends the body and the request's other headers to
// any origin. The credentials go to their own origin only.
func TestRedirect_307SendsNoCredentials(t *testing.T) {
	w := chain("https://h/a", "https://other/b")
	w.status = http.StatusTemporaryRedirect
	var bodies []string
	c := client.Client{
		Header: http.Header{"X-Api-Key": {"key"}},
		Auth:   bearer,
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			bodies = append(bodies, fmt.Sprintf("%s to %s (%s)", b, r.URL, r.Header.Get("X-Own")))
			return w.RoundTrip(r)
		})},
	}
	if _, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
		return p.Post("https://h/a", parallel.JSON("content"), parallel.Header("X-Own", "own"),
			parallel.Header("Cookie", "own=1"))
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"https://h/a key Bearer client's own=1", "https://other/b"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their credentials (-want +got):\n%s", diff)
	}
	want = []string{`"content" to https://h/a (own)`, `"content" to https://other/b (own)`}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

// A header with an invalid value is not sent, and the error does not show the
// value.
func TestHeader_badValueNotShown(t *testing.T) {
	const bad = "secret\r\nX-Smuggled: 1"
	for name, tc := range map[string]struct {
		client client.Client
		opts   []parallel.Option
	}{
		"a request's own":       {opts: []parallel.Option{parallel.Header("Authorization", bad)}},
		"a request's own, Host": {opts: []parallel.Option{parallel.Header("Host", bad)}},
		"a request's own, by its name": {opts: []parallel.Option{func(r *parallel.Request) error {
			r.Header["X-Bad\r\nX-Smuggled"] = []string{"secret"}
			return nil
		}}},
		"Header's": {client: client.Client{Header: http.Header{"Authorization": {bad}}}},
		"Auth's": {client: client.Client{Auth: func(r *http.Request) error {
			r.Header.Set("Authorization", bad)
			return nil
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			transport := client.NewTransport()
			transport.Proxy = nil
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				t.Error("the transport dialed")
				return nil, errors.New("no network")
			}
			tc.client.HTTP = &http.Client{Transport: transport}
			_, err := get(t, tc.client, "http://h/", tc.opts...)
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %q", err, err, err), "secret") {
				t.Errorf("Response() = %v, want an error without the value of the header", err)
			}
		})
	}
}

// URLs of a scheme that only the transport knows have origins like any others.
func TestCredentials_customScheme(t *testing.T) {
	w := chain("local://h/a", "local://h/b", "local://h:1/c", "https://h/d")
	if _, err := get(t, client.Client{HTTP: &http.Client{Transport: w}, Auth: bearer}, "local://h/a"); err != nil {
		t.Fatal(err)
	}
	want := []string{"local://h/a Bearer client's", "local://h/b Bearer client's", "local://h:1/c", "https://h/d"}
	if diff := cmp.Diff(want, w.trail(credentials)); diff != "" {
		t.Errorf("hops and their credentials (-want +got):\n%s", diff)
	}
}

// A closing is a body that reports that it was closed.
type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

// A transport must not return both a response and an error. If one does, the
// body of the response is closed, which frees its connection.
func TestTransport_responseWithErrorClosed(t *testing.T) {
	failed, closed := errors.New("failed"), false
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: closing{strings.NewReader("content"), &closed}}, failed
	})}}
	if _, err := get(t, c, "http://h/"); !errors.Is(err, failed) || !closed {
		t.Errorf("Response() = %v, body closed: %v; want %v, true", err, closed, failed)
	}
}

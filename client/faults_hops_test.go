package client_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests faults that take more than one request: redirects, and a kept
// connection that closes.

// on returns servers with faults, and a client that trusts them. Its
// connections are closed when the test ends.
func on(t *testing.T) (*testnet.Faults, client.Client) {
	f := testnet.NewFaults(t)
	tr := client.NewTransport()
	tr.Proxy, tr.TLSClientConfig = nil, &tls.Config{RootCAs: f.Roots}
	t.Cleanup(func() {
		until(t, func() int { tr.CloseIdleConnections(); return f.Open() }, 0, "connections are open")
	})
	return f, client.Client{HTTP: &http.Client{Transport: tr}}
}

// A server that closes a kept connection on the second request has read that
// request. net/http sends a GET again. A POST must not be sent again.
func TestKeptConnection_closedByServer(t *testing.T) {
	for method, tc := range map[string]struct {
		ok   bool
		came int // the first request included
	}{
		http.MethodGet:  {true, 3},
		http.MethodPost: {false, 2},
	} {
		t.Run(method, func(t *testing.T) {
			f, c := on(t)
			c.BaseURL = f.Origins["answers once"]
			if _, err := get(t, c, "/"); err != nil {
				t.Fatal(err)
			}
			resp, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
				if method == http.MethodPost {
					return p.Post("/", parallel.Body("", strings.NewReader("content")))
				}
				return p.Get("/")
			})
			if (err == nil) != tc.ok || err == nil && body(t, resp) != testnet.Healthy {
				t.Errorf("the second request: %v, want success: %v", err, tc.ok)
			}
			if errors.Is(err, pending.ErrNotSent) {
				t.Errorf("the server has read the request, but its error matches ErrNotSent: %v", err)
			}
			if n := f.Requests(); n != tc.came {
				t.Errorf("%d requests came to the server, want %d", n, tc.came)
			}
		})
	}
}

// Promise 23, on real sockets: the client's Header and Auth and the request's
// own credentials go only to their origin, and not even there once a redirect
// has led elsewhere. As in net/http, the request's other headers go everywhere.
func TestRedirect_headersOnTheWire(t *testing.T) {
	const all, rest = "client's key, client's token, own cookie, own header", "own header"
	for name, tc := range map[string]struct {
		hops []string // origins
		want []string // the headers that arrived at each
	}{
		"stays":             {[]string{"https", "https"}, []string{all, all}},
		"another port":      {[]string{"https", "h2"}, []string{all, rest}},
		"https to http":     {[]string{"https", "http"}, []string{all, rest}},
		"http to https":     {[]string{"http", "https"}, []string{all, rest}},
		"there and back":    {[]string{"https", "h2", "https"}, []string{all, rest, rest}},
		"down and up again": {[]string{"h2", "http", "h2"}, []string{all, rest, rest}},
	} {
		for _, status := range []int{http.StatusFound, http.StatusPermanentRedirect} {
			t.Run(fmt.Sprint(name, ", ", status), func(t *testing.T) {
				f, c := on(t)
				target := "/healthy"
				for i := len(tc.hops) - 1; i > 0; i-- {
					target = fmt.Sprintf("/redirect?status=%d&to=%s", status, url.QueryEscape(f.Origins[tc.hops[i]]+target))
				}
				c.BaseURL = f.Origins[tc.hops[0]]
				c.Header = http.Header{"X-Api-Key": {"client's key"}}
				c.Auth = func(r *http.Request) error { r.Header.Set("Authorization", "client's token"); return nil }
				resp, err := get(t, c, target, parallel.Header("Cookie", "own cookie"), parallel.Header("X-Own", "own header"))
				if err != nil || body(t, resp) != testnet.Healthy {
					t.Fatal(err)
				}
				var arrived []string
				for _, r := range f.Came() {
					var has []string
					for _, key := range []string{"X-Api-Key", "Authorization", "Cookie", "X-Own"} {
						has = append(has, r.Header.Values(key)...)
					}
					arrived = append(arrived, strings.Join(has, ", "))
				}
				if diff := cmp.Diff(tc.want, arrived); diff != "" {
					t.Errorf("headers at each hop (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A 307 sends the body again, even to another origin. If the body cannot be
// read again, the 307 itself is the response.
func TestRedirect_ofUpload(t *testing.T) {
	for name, tc := range map[string]struct {
		body   io.Reader
		status int
		want   string
		came   int
	}{
		"that can be read again": {strings.NewReader("content"), http.StatusOK, "content", 2},
		"that can be read once":  {struct{ io.Reader }{strings.NewReader("content")}, http.StatusTemporaryRedirect, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := on(t)
			to := url.QueryEscape(f.Origins["h2"] + "/echo")
			resp, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
				return p.Post(f.Origins["http"]+"/redirect?status=307&to="+to, parallel.Body("", tc.body))
			})
			if err != nil {
				t.Fatal(err)
			}
			if b := body(t, resp); resp.StatusCode != tc.status || b != tc.want || len(f.Came()) != tc.came {
				t.Errorf("status %d and %q after %d requests, want %d and %q after %d", resp.StatusCode, b, len(f.Came()), tc.status, tc.want, tc.came)
			}
		})
	}
}

// A redirect to a fault fails with the error of the fault, and names the URL of
// the request.
func TestRedirect_toFault(t *testing.T) {
	for name, to := range map[string]string{
		"a refused dial":           "refused",
		"a server that is gone":    "h2 gone",
		"a connection that closes": "closed",
	} {
		t.Run(name, func(t *testing.T) {
			f, c := on(t)
			asked := f.Origins["https"] + "/redirect?to=" + url.QueryEscape(f.Origins[to])
			_, err := get(t, c, asked)
			var ue *url.Error
			if !errors.As(err, &ue) || ue.Op != "Get" || ue.URL != asked {
				t.Errorf("Get() = %v, want a *url.Error of %s", err, asked)
			}
			if errors.Is(err, pending.ErrNotSent) {
				t.Errorf("the first hop was sent, but the error matches ErrNotSent: %v", err)
			}
		})
	}
}

// A server that allows one stream at a time answers all requests, over as many
// connections as that takes.
func TestHTTP2_oneStreamForManyRequests(t *testing.T) {
	f, c := on(t)
	c.BaseURL = f.Origins["h2 of one stream"]
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for range 20 {
			p.Get("/healthy")
		}
		for h := range p.Arrivals() {
			if b, err := h.Bytes(); err != nil || string(b) != testnet.Healthy {
				t.Errorf("%q, %v", b, err)
			}
		}
		return nil
	})
	if n := len(f.Came()); n != 20 {
		t.Errorf("%d requests came to the server, want 20", n)
	}
}

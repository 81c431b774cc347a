package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// planted is a part of every password. The test looks for it in everything that
// is written.
const planted = "zq7secret7qz"

// FuzzSecrets puts a password into odd and broken URLs, and these in every
// place where a URL may be. It looks for the password in every error and every
// output of a Recorder.
func FuzzSecrets(f *testing.F) {
	for _, seed := range [][5]string{
		{"https://", "user", "", "", "h.test/"},
		{"https://", "user", "/", "", "h.test/"},
		{"https://", "user", "8/", "", "h.test"},
		{"https://", "user", "#", "?", "h.test"},
		{"https://", "user", "?", "#", "h.test"},
		{"http://https://", "u", "", "", "h"},
		{"", "my_user", "", "", "h.test/"},
		{"", "user", "//", "/", "h.test/"},
		{"//", "user", "", "", "h.test/"},
		{"http:", "user", "a@", "/b", "h.test/"},
		{"http:/", "user", " ", " ", "h.test//x@y"},
		{"http://", "user", `a"`, `" b`, "h.test:port/"},
		{"http://", "user", "a'", "<>", "h.test/%zz"},
		{"http://", "user", "a@", "/b", "h.test/"},
		{"http://", "user", "%", "%zz", "h.test/\x7f"},
		{"http://h.test/?to=http://", "user", "a&b=", ";", "h.test/?c=d"},
		{"http://h.test/a/http://", "user", "", "", "h.test/me@example.org"},
		{"https://h.test:8/?mail=a%40b&to=", "u", "x%3A", "%40", "h.test"},
		{"https://", "user", `\`, `\"`, "[::1"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, prefix, user, before, after, rest string) {
		if alsoHarmless(prefix + user) {
			t.Skip("it may be a URL without a password")
		}
		raw := prefix + user + ":" + before + planted + after + "@" + rest
		// In the value of a query, the URL with the password is escaped.
		value := "http://h.test/?to=" + url.QueryEscape("http://"+user+":"+planted+"@h.test/")
		for _, u := range []string{raw, value} {
			for _, redactQuery := range []bool{false, true} {
				spread(t, u, &waterfall.Recorder{RedactQuery: redactQuery})
			}
		}
	})
}

// endsLikeAHost matches a text that may end in a scheme or a host.
var endsLikeAHost = regexp.MustCompile(`(?i)(^|[^a-z0-9+.-])(https?|wss?|ftp|socks5h?|localhost|)$`)

// alsoHarmless reports whether start may end in a scheme, or in a host with a
// port behind it: http://a/b@c, http://localhost:8/b@c.
func alsoHarmless(start string) bool {
	word := start[strings.LastIndexAny(start, "/@")+1:]
	_, err := netip.ParseAddr(word)
	return err == nil || strings.Contains(start, "[") || endsLikeAHost.MatchString(start)
}

// spread makes requests with u in every place where a URL may be.
func spread(t *testing.T, u string, rec *waterfall.Recorder) {
	var status int
	var header http.Header
	real := client.NewTransport()
	real.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("lookup %s: no such host", addr)}
	}
	answer := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "answers.test" {
			return real.RoundTrip(r)
		}
		return &http.Response{
			StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("{")), Request: r, Proto: "HTTP/1.1",
		}, nil
	})
	hc := &http.Client{Transport: rec.Transport(answer)}
	run := func(c client.Client, made func(*parallel.Parallel) *pending.Pending) {
		c.Observe, c.HTTP = rec.Observe, hc
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := made(p)
			_, err := h.Response()
			_, status := h.Bytes()
			_, raced := pending.Race(h).Bytes()
			_, all := pending.All(h)
			for _, err := range []error{err, status, raced, all, h.JSON(new(int))} {
				search(t, u, err)
			}
			return nil
		})
	}
	const good = "http://answers.test/"
	get := func(url string, opts ...parallel.Option) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending { return p.Get(url, opts...) }
	}
	run(client.Client{}, get(u))
	run(client.Client{BaseURL: u}, get("/x"))
	run(client.Client{BaseURL: good}, get(u))
	if parsed, err := url.Parse(u); err == nil {
		// A dial of the proxy names its host. If a part of the password is the
		// host, the error cannot leave it out here: below a wrapper the proxy
		// is not known.
		if known := errors.New(""); fail.Host(parsed, known) == known {
			real.Proxy = http.ProxyURL(parsed)
		}
		run(client.Client{}, get("http://proxied.test/"))
		run(client.Client{}, get("https://proxied.test/"))
	} else {
		real.Proxy = func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("invalid proxy address %q: %v", u, err) // the text of http.ProxyFromEnvironment
		}
		run(client.Client{}, get("http://proxied.test/"))
		run(client.Client{Auth: func(*http.Request) error { return err }}, get(good))
	}
	real.Proxy = nil
	for status = range map[int]bool{302: true, 307: true, 200: true, 404: true} {
		header = http.Header{}
		for _, name := range []string{"Location", "Content-Location", "Refresh", "Link"} {
			header[name] = []string{u}
		}
		run(client.Client{}, get(good))
		header = http.Header{"Refresh": {"5; url=" + u}, "Link": {"<" + u + ">; rel=next"}, "X-Json": {`{"url":"` + u + `"}`}}
		run(client.Client{}, get(good, parallel.Header("Referer", u)))
	}
	var b bytes.Buffer
	for _, err := range []error{rec.Text(&b, 10_000), rec.SVG(&b), rec.HAR(&b)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	searchText(t, u, "the Recorder's outputs", b.String())
}

// search looks for the password in err and in all that it wraps.
func search(t *testing.T, u string, err error) {
	t.Helper()
	for err != nil {
		searchText(t, u, fmt.Sprintf("a %T", err), fmt.Sprintf("%v %+v", err, err))
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				search(t, u, err)
			}
		}
		err = errors.Unwrap(err)
	}
}

// searchText looks for the password in text.
func searchText(t *testing.T, u, what, text string) {
	t.Helper()
	if i := strings.Index(strings.ToLower(text), planted); i >= 0 {
		t.Errorf("%q: the password is in %s: ...%q", u, what, text[max(0, i-100):min(len(text), i+50)])
	}
}

package client_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A wire is a server that does not parse HTTP. It keeps the bytes that come, up
// to the end of each header, and answers with 204.
type wire struct {
	mu    sync.Mutex
	heads []string
	done  sync.WaitGroup
}

// client returns a client whose requests, to any host, come to w.
func (w *wire) client() client.Client {
	return client.Client{HTTP: &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			w.done.Go(func() { w.serve(theirs) })
			return ours, nil
		},
		DisableKeepAlives:  true,
		DisableCompression: true,
	}}}
}

func (w *wire) serve(c net.Conn) {
	defer c.Close()
	var head strings.Builder
	for r := bufio.NewReader(c); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		b, err := r.ReadByte()
		if err != nil {
			break
		}
		head.WriteByte(b)
	}
	w.mu.Lock()
	w.heads = append(w.heads, head.String())
	w.mu.Unlock()
	io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
}

// came returns the headers that came, when no more can come.
func (w *wire) came() []string {
	w.done.Wait()
	return w.heads
}

// checkLines checks that head has the lines of a GET, those of own (with names
// in lower case), and no others: no part of a value may pass for a line. It
// returns the target of the request.
func checkLines(t *testing.T, head string, own map[string]string) (target string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	if strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
		t.Errorf("a control character came: %q", head)
	}
	target, get := strings.CutPrefix(lines[0], "GET ")
	target, http11 := strings.CutSuffix(target, " HTTP/1.1")
	if !get || !http11 {
		t.Errorf("the request line is %q", lines[0])
	}
	names := []string{"host", "user-agent", "connection"}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if want, ok := own[name]; ok {
			if strings.Trim(value, " \t") != strings.Trim(want, " \t") {
				t.Errorf("%q came, want %q", line, want)
			}
			delete(own, name)
		} else if i := slices.Index(names, name); i >= 0 {
			names = slices.Delete(names, i, i+1)
		} else {
			t.Errorf("an unexpected line came: %q in %q", line, head)
		}
	}
	for name := range own {
		t.Errorf("%s did not come: %q", name, head)
	}
	return target
}

// FuzzHeaderValues checks that the name and the value of a header, and a Host,
// are refused or arrive unchanged. A CR, LF or NUL is never sent.
func FuzzHeaderValues(f *testing.F) {
	for _, value := range []string{
		"", "plain", "a b", "a\tb", "caf\u00e9", "\xff", "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "\r\n\r\nGET / HTTP/1.1\r\nHost: evil\r\n\r\n",
		"a\x7f", "\x1b[31m", " a ", "a\r\n b", "\u2028", "a\u560d\u560ab", "h:80", "h\r\nX-Evil: 1", "h\x00", "h evil",
	} {
		f.Add("X-Own", value)
		f.Add("Host", value)
		f.Add(value, "v")
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		switch http.CanonicalHeaderKey(key) {
		case "User-Agent", "Connection", "Transfer-Encoding", "Content-Length", "Trailer", "Accept-Encoding", "Te", "Upgrade", "Expect",
			"Proxy-Connection", "Keep-Alive":
			return // net/http decides about these
		}
		var w wire
		_, err := get(t, w.client(), "http://h/", parallel.Header(key, value))
		came := w.came()
		if bad := strings.ContainsAny(key+value, "\r\n\x00"); bad {
			if !errors.Is(err, pending.ErrNotSent) || len(came) > 0 {
				t.Fatalf("Header(%q, %q): %v, and %q came; want ErrNotSent, and nothing", key, value, err, came)
			}
		}
		switch {
		case err != nil:
			// Since Go 1.27, net/http refuses a Host that is not ASCII only
			// when it has a connection.
			if strings.Join(came, "") != "" {
				t.Errorf("Header(%q, %q): %v, and %q came", key, value, err, came)
			}
		case len(came) != 1:
			t.Errorf("Header(%q, %q): %d requests came", key, value, len(came))
		case http.CanonicalHeaderKey(key) == "Host":
			checkLines(t, came[0], nil) // net/http changes it (IDNA)
		default:
			checkLines(t, came[0], map[string]string{strings.ToLower(key): value})
		}
	})
}

// FuzzURL checks that a URL is refused, or arrives escaped at the host that it
// names. A CR, LF or NUL is never sent.
func FuzzURL(f *testing.F) {
	for _, u := range []string{
		"http://h/", "http://h", "http://h/a b", "http://h/a%0d%0aX-Evil:%201", "http://h/a\r\nX-Evil: 1", "http://h/\x00", "http://h/a\nb",
		"http://h/?q=a\r\nX-Evil: 1", "http://h/?q=a b", "http://h/?q=\x00", "http://h/#a\r\nb", "http://h\r\nX-Evil: 1/", "http://h%0d%0aevil/",
		"http://u:p@h/", "http://u\r\n:p@h/", "http://[::1]/", "http://[fe80::1%25en0]/", "http://h:80 80/", "http:h", "http:///x", "//h/x", "/x", "",
		"http://h/%", "http://h/%zz", "http://caf\u00e9/", "http://h/caf\u00e9", "http://h/?%0a", "http://h?a HTTP/1.1", "HTTP://H/", "http://h\\evil/", "http://h/\x7f", "javascript:x", "http://h/;a?b&c",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, parseErr := url.Parse(raw)
		if parseErr == nil && u.Scheme != "http" {
			return // it needs a handshake, or is not HTTP
		}
		var w wire
		_, err := get(t, w.client(), raw)
		came := w.came()
		switch {
		case strings.ContainsAny(raw, "\r\n\x00") && (parseErr != nil || !strings.ContainsAny(u.Fragment, "\r\n\x00")) && (err == nil || len(came) > 0):
			t.Errorf("Get(%q): %v, and %q came; want an error, and nothing", raw, err, came)
		case err != nil:
			if len(came) > 0 || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Get(%q): %v, and %q came; want ErrNotSent, and nothing", raw, err, came)
			}
		case parseErr != nil:
			t.Errorf("Get(%q) succeeded; url.Parse says %v", raw, parseErr)
		case len(came) != 1:
			t.Errorf("Get(%q): %d requests came", raw, len(came))
		default:
			own := make(map[string]string)
			if u.User != nil { // net/http makes an Authorization of it
				password, _ := u.User.Password()
				own["authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
			}
			u.RawQuery = asBrowsersDo(u.RawQuery)
			if got, want := checkLines(t, came[0], own), u.RequestURI(); got != want {
				t.Errorf("Get(%q) asked for %q, want %q", raw, got, want)
			}
		}
	})
}

// asBrowsersDo returns query as a browser sends it.
func asBrowsersDo(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"#'<>`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// FuzzJoin checks promise 22: a URL that is sent has the scheme, host and
// userinfo of the base, its escaped path begins with that of the base, and its
// query is that of the reference. A reference that climbs out or has a host is
// an error.
func FuzzJoin(f *testing.F) {
	for _, base := range []string{"https://h/v2", "https://h", "https://h/", "https://u:p@h:8443/a%2Fb/", "http://[::1]/v2//", "http://h:/", "http://b\u00dccher.example/v2"} {
		for _, ref := range []string{
			"", "/", "users", "/users?x=1", "?", "?x=/../y", "#part", "a%2Fb", "a%2fb/c", "caf\u00e9", "a b", "//other/x", "//", "///x", "../x", "x/..", "%2e%2e/x",
			"x%2F..%2Fy", `..\x`, "..%5Cx", ".", "...", "a:b", "/a:b", "https://other/x", "%zz", "x\x7f", "\r\n", "x?a\r\nb", "users//7", "*", "a;b", "..;x", "%2E", "/%2e%2e%2f", "[", "%5b", "!'()*",
		} {
			f.Add(base, ref)
		}
	}
	f.Fuzz(func(t *testing.T, base, ref string) {
		var w web
		c := client.Client{BaseURL: base, HTTP: &http.Client{Transport: &w}}
		_, err := get(t, c, ref)
		b, baseErr := url.Parse(base)
		r, refErr := url.Parse(ref)
		good := baseErr == nil && base != "" && b.Scheme != "" && b.Host != "" && b.RawQuery == "" && !b.ForceQuery && b.Fragment == ""
		switch {
		case base == "":
			return
		case !good || refErr != nil:
			if err == nil || len(w.asked) > 0 || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%q under %q: %v, %d requests; want ErrNotSent, and none", ref, base, err, len(w.asked))
			}
			return
		case r.IsAbs():
			return
		}
		if strings.HasPrefix(ref, "//") || r.Host != "" || climbsOut(r.EscapedPath()) {
			if err == nil || len(w.asked) > 0 || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%q under %q: %v, %d requests; want ErrNotSent, and none", ref, base, err, len(w.asked))
			}
			return
		}
		if err != nil {
			if len(w.asked) > 0 {
				t.Errorf("%q under %q: %v, and it was sent", ref, base, err)
			}
			return
		}
		u := w.asked[0].URL
		if origin.Of(u) != origin.Of(b) || u.User.String() != b.User.String() || w.asked[0].Host != u.Host {
			t.Errorf("%q under %q makes %q of host %q", ref, base, u, w.asked[0].Host)
		}
		path, under := u.EscapedPath(), strings.TrimSuffix(b.EscapedPath(), "/")
		rest, ok := strings.CutPrefix(path, under)
		if !ok || rest != "" && rest[0] != '/' {
			t.Errorf("%q under %q has the path %q", ref, base, path)
		}
		want := b.EscapedPath()
		if own := r.EscapedPath(); own != "" {
			want = under + "/" + strings.TrimPrefix(own, "/")
		}
		if path != want {
			t.Errorf("%q under %q has the path %q, want %q", ref, base, path, want)
		}
		if u.RawQuery != asBrowsersDo(r.RawQuery) || u.ForceQuery != r.ForceQuery || u.EscapedFragment() != r.EscapedFragment() {
			t.Errorf("%q under %q makes %q: its query or fragment is not the reference's", ref, base, u)
		}
		// It must not climb out even if the path is cleaned, as a browser or a
		// server does.
		if clean := u.JoinPath(); !strings.HasPrefix(clean.EscapedPath()+"/", strings.TrimSuffix((&url.URL{Path: b.Path, RawPath: b.RawPath}).JoinPath().EscapedPath(), "/")) && !climbsOut(b.EscapedPath()) {
			t.Errorf("%q under %q has the path %q, which is %q when cleaned", ref, base, path, clean.EscapedPath())
		}
	})
}

// climbsOut reports whether a path has a segment "." or "..", in any escaping.
func climbsOut(escaped string) bool {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return true
	}
	for _, segment := range strings.Split(strings.ReplaceAll(text, `\`, "/"), "/") {
		if segment, _, _ = strings.Cut(segment, ";"); segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

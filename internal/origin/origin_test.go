package origin

import (
	"bufio"
	"context"
	"errors"
	"go/build"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hosts has lines of URLs. The URLs in one line have the same origin, and those
// in different lines have different origins.
var hosts = [][]string{
	{"http://a.test", "http://a.test/", "HTTP://A.TEST/x?y#z", "http://a.test:80", "http://a.test:", "http://a.test:0080/", "http://u:p@a.test/", "http://ａ.test/", "http://a。test/", "http://A\u00ad.test/"},
	{"https://a.test", "https://a.test:443", "https://A.test:0443/"},
	{"http://a.test:443"},
	{"https://a.test:80"},
	{"http://a.test:8"},
	{"http://a.test:0"},
	{"http://a.test:65616"}, // not 80
	{"http://a.test."},      // a resolver uses no search domains for it
	{"http://sub.a.test"},
	{"http://bücher.example", "http://xn--bcher-kva.example", "http://BÜCHER.example", "http://b%C3%BCcher.example:80/", "http://XN--BCHER-KVA.example", "http://bu\u0308cher.example"},
	{"http://bücher.example.", "http://xn--bcher-kva.example."},
	{"http://βόλος.example", "http://xn--nxasmm1c.example"},
	{"http://βόλοσ.example", "http://xn--nxasmq6b.example"},
	{"http://straße.example", "http://xn--strae-oqa.example"},
	{"http://strasse.example"},
	{"http://k.test", "http://\u212a.test"}, // the Kelvin sign
	{"http://s.test", "http://ſ.test"},
	{"http://i.test", "http://I.test"},
	{"http://ı.test"},
	{"http://127.0.0.1", "http://[::ffff:127.0.0.1]:80", "http://[::FFFF:7f00:1]", "http://１２７.０.０.１"},
	{"http://127.0.0.01"},
	{"http://127.1"},
	{"http://[::1]", "http://[0:0:0:0:0:0:0:1]:80/", "http://[0000::0001]"},
	{"http://[::1]:8080"},
	{"http://[::127.0.0.1]"},
	{"http://[fe80::1%25eth0]", "http://[FE80::1%25eth0]", "http://[fe80:0::1%25eth0]:80"},
	{"http://[fe80::1%25ETH0]"}, // another interface
	{"http://[fe80::1]"},
	{"local://a.test", "LOCAL://A.test"},
	{"local://a.test:80"},

	// IDNA refuses these.
	{"http://-ü.example"},
	{"http://-Ü.example"},
	{"http://ü*.example"},
	{"http://xn--ü.example"},
}

func TestOf(t *testing.T) {
	hosts := slices.Clone(hosts)
	for i, line := range hosts {
		// The Unicode of Go 1.27 maps ẞ to ß, where older ones map it to ss.
		if line[0] == "http://straße.example" && slices.Contains(build.Default.ReleaseTags, "go1.27") ||
			line[0] == "http://strasse.example" && !slices.Contains(build.Default.ReleaseTags, "go1.27") {
			hosts[i] = append(line, "http://straẞe.example")
		}
	}
	lines := make(map[Origin]int)
	for i, line := range hosts {
		for _, raw := range line {
			u, err := url.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			o := Of(u)
			if at, ok := lines[o]; ok && at != i {
				t.Errorf("Of(%q) = %+v, the same as for %q", raw, o, hosts[at][0])
			}
			if first, err := url.Parse(line[0]); err != nil || Of(first) != o {
				t.Errorf("Of(%q) = %+v, and Of(%q) = %+v; want the same", raw, o, line[0], Of(first))
			}
			lines[o] = i
		}
	}
}

// The host of a URL that was not parsed may be any text.
func TestOf_unparsedURL(t *testing.T) {
	for host, want := range map[string]Origin{
		"":              {"http", "", "80"},
		":":             {"http", "", "80"},
		"A.test:":       {"http", "a.test", "80"},
		"a.test:x":      {"http", "a.test:x", "80"},
		"[A.test]":      {"http", "a.test", "80"},
		"[::1":          {"http", "[:", "1"},
		"ü:x":           {"http", "ü:x", "80"},
		"a b":           {"http", "a b", "80"},
		"ab\xff.test\n": {"http", "ab\xff.test\n", "80"},
	} {
		if got := Of(&url.URL{Scheme: "HTTP", Host: host}); got != want {
			t.Errorf("Of(%q) = %q, want %q", host, got, want)
		}
	}
}

// A very long host that is not ASCII kept net/http busy for minutes, because
// the time that IDNA takes grows with the square of the length.
func TestOf_longHost(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: strings.Repeat("ü", MaxUnicode)}
	if !TooLong(u) || Of(u).Host != u.Host || Dialed(u) != u.Host {
		t.Errorf("IDNA was used for a host of %d bytes", len(u.Host))
	}
	if long := (&url.URL{Host: strings.Repeat("u", 10*MaxUnicode)}); TooLong(long) {
		t.Error("TooLong = true for a host that is ASCII")
	}
}

func TestOf_allocatesNothing(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "api.example.com:8443"}
	if n := testing.AllocsPerRun(100, func() { Of(u) }); n > 0 {
		t.Errorf("Of(%v) allocates %v times", u, n)
	}
}

func TestDialed(t *testing.T) {
	for host, want := range map[string]string{
		"A.test:": "A.test", "[::1]:80": "[::1]:80", "[::1]:": "[::1]", "[::1]": "[::1]", "-ü.example:": "-ü.example", "ü.example:": "xn--tda.example", "BÜCHER.example": "xn--bcher-kva.example",
		"bücher.example:080": "xn--bcher-kva.example:080", "-ü.example:1": "-ü.example:1",
	} {
		if got := Dialed(&url.URL{Host: host}); got != want {
			t.Errorf("Dialed(%q) = %q, want %q", host, got, want)
		}
	}
}

// dialed returns the address that net/http dials for u, in the form that
// package net gives it, or "" if net/http dials none.
func dialed(u *url.URL) (addr string) {
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, a string) (net.Conn, error) {
			addr = a
			return nil, errors.New("no network")
		},
	}
	// RoundTrip returns the dial's error, so addr is set then.
	tr.RoundTrip(&http.Request{URL: u, Header: make(http.Header)})
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if host = ip.String(); ip.Zone() == "" {
			host = ip.Unmap().String()
		}
	} else if isASCII(host) && !strings.Contains(host, ":") {
		host = strings.ToLower(host) // to the DNS
	}
	if n, err := strconv.Atoi(port); err == nil {
		port = strconv.Itoa(n)
	}
	return host + " " + port
}

// Two URLs have the same origin if and only if net/http dials the same address
// for them.
func FuzzOf(f *testing.F) {
	var all []string
	for _, line := range hosts {
		for _, raw := range line {
			if u, err := url.Parse(raw); err == nil {
				all = append(all, u.Host)
			}
		}
	}
	for i := range all {
		f.Add(all[i], all[(i+1)%len(all)])
		f.Add(all[i], strings.ToUpper(all[i]))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ua, ub := &url.URL{Scheme: "http", Host: a}, &url.URL{Scheme: "http", Host: b}
		if len(a) > 300 || len(b) > 300 || a == "" || b == "" {
			return
		}
		oa, ob := Of(ua), Of(ub)
		da, db := dialed(ua), dialed(ub)
		if (oa == ob) != (da == db) {
			t.Errorf("Of(%q) = %q, Of(%q) = %q; net/http dials %q and %q", a, oa, b, ob, da, db)
		}
		if Dialed(ua) != a { // net/http must dial both in the same way
			if d := dialed(&url.URL{Scheme: "http", Host: Dialed(ua)}); d != da {
				t.Errorf("Dialed(%q) = %q, for which net/http dials %q, not %q", a, Dialed(ua), d, da)
			}
		}
	})
}

func TestMend(t *testing.T) {
	for raw, want := range map[string]string{
		"http://a.test:/":              "http://a.test:/",
		"http://h/s?q=a b":             "http://h/s?q=a%20b",
		"http://h/s?q=zoë":             "http://h/s?q=zo%C3%AB",
		"http://h/s?q=%zz%20%2f+&100%": "http://h/s?q=%zz%20%2f+&100%",
		`http://h/?"'<>`:               "http://h/?%22%27%3C%3E",
		"http://h/?a[]={b}|\\^`":       "http://h/?a[]={b}|\\^`",
		"http://h/?\xff":               "http://h/?%FF",
		"http://h/?a?b/c;d":            "http://h/?a?b/c;d",
		"http://h/?":                   "http://h/?",
		"http:a b":                     "http:a%20b",
		"http://h/a b/ë'":              "http://h/a%20b/%C3%AB%27",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := *u
		changed := Mend(u)
		if got := u.String(); got != want || changed != (*u != before) {
			t.Errorf("Mend(%q) made %q and returned %v; want %q", raw, got, changed, want)
		}
		if Mend(u) {
			t.Errorf("Mend(%q) twice made %q", raw, u)
		}
	}
}

// A URL that was not parsed may have any text in its fields.
func TestMend_unparsedURL(t *testing.T) {
	for _, tc := range []struct {
		url  url.URL
		line string
	}{
		{url.URL{RawQuery: "a=b#c"}, "/?a=b%23c"},
		{url.URL{RawQuery: "a\r\nX: 1\x00\x7f\t"}, "/?a%0D%0AX:%201%00%7F%09"},
		{url.URL{Opaque: "//other/a b?ü\n#"}, "http://other/a%20b?%C3%BC%0A%23"},
		{url.URL{Path: "admin"}, "/admin"},
		{url.URL{Path: "a/b", RawPath: "a%2Fb"}, "/a%2Fb"},
		{url.URL{Path: "*"}, "*"},
		{url.URL{Path: "/a\r\n b", RawPath: "/a\r\n b"}, "/a%0D%0A%20b"},
	} {
		u := tc.url
		u.Scheme, u.Host = "http", "h"
		Mend(&u)
		if got := u.RequestURI(); got != tc.line {
			t.Errorf("Mend(%#v) requests %q, want %q", tc.url, got, tc.line)
		}
	}
}

// No URL adds to the three parts of a request line.
func FuzzMend(f *testing.F) {
	for _, s := range []string{"", "/", "/a b", "a", "*", "q=a b", "%zz", "\r\nX: 1", "ü", "//x", "a#b?c", "\x00\x7f\xff"} {
		for _, t := range []string{"", s, "/x"} {
			f.Add(s, t, t, "")
			f.Add("/", "", s, t)
		}
	}
	f.Fuzz(func(t *testing.T, path, rawPath, query, opaque string) {
		u := &url.URL{Scheme: "http", Host: "h", Path: path, RawPath: rawPath, RawQuery: query, Opaque: opaque}
		Mend(u)
		if Mend(u) {
			t.Errorf("Mend changed %#v twice", u)
		}
		var wire strings.Builder
		if err := (&http.Request{URL: u}).Write(&wire); err != nil {
			t.Errorf("%#v: %v", u, err)
		}
		line, err := bufio.NewReader(strings.NewReader(wire.String())).ReadString('\n')
		target, ok := strings.CutSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1\r\n")
		if err != nil || !ok || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			t.Errorf("%#v is sent as %q", u, line)
		}
		if opaque == "" && path != "*" && !strings.HasPrefix(target, "/") {
			t.Errorf("%#v requests %q", u, target)
		}
	})
}

func TestWithoutZone(t *testing.T) {
	for host, want := range map[string]string{
		"a.test": "a.test", "[::1]:80": "[::1]:80", "[fe80::1%eth0]": "[fe80::1]", "[fe80::1%e%h]:80": "[fe80::1]:80", "a%b": "a%b", "[a": "[a",
	} {
		if got := WithoutZone(host); got != want {
			t.Errorf("WithoutZone(%q) = %q, want %q", host, got, want)
		}
	}
}

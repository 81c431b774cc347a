package fail_test

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/internal/fail"
)

// planted is a part of every password, and must not appear in any text that is
// shown.
const planted = "zq7secret7qz"

// FuzzRedact plants a password in unusual and broken URLs, in every place where
// one can be, and looks for it in everything that fail shows of them.
// FuzzSecrets, in package client, does the same with whole requests, a thousand
// times slower.
func FuzzRedact(f *testing.F) {
	for _, seed := range [][5]string{
		{"https://", "user", "", "", "h.test/"},
		{"https://", "user", "8/", "#", "h.test"},
		{"http://https://", "u", "?", "", "h"},
		{"", "my_user", "//", "/", "h.test/"},
		{"http:/", "user", " ", " ", "h.test//x@y"},
		{"//", "user", `a"`, `" b`, "h.test:port/"},
		{"http://", "user", "a@'", "/%b", "h.test/\x7f%zz"},
		{"https://h.test:8/?mail=a%40b&to=", "u", "x%3A", "%40", "h.test"},
		{"https://", "user", `\`, `\"`, "[::1"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, prefix, user, before, after, rest string) {
		if alsoHarmless(prefix + user) {
			t.Skip("can be read as a URL without a password")
		}
		raw := prefix + user + ":" + before + planted + after + "@" + rest
		part := strings.ReplaceAll(before+planted+after, "@", "") // as net/url quotes one
		shows(t, raw, "Value", fail.Value(raw))
		shows(t, raw, "Value in brackets", fail.Value("<"+raw+">; rel=next"))
		shows(t, raw, "Text", fail.Text(fmt.Sprintf("what has %q in it: bad %q", raw, part)))
		u, err := url.Parse(raw)
		if err != nil {
			shows(t, raw, "BadURL", fail.BadURL(raw))
			shows(t, raw, "Redact", fail.Redact(fmt.Errorf("Auth: %w", err)).Error())
			shows(t, raw, "ParseError", fail.ParseError(raw, err).Error())
			shows(t, raw, "Redact", fail.Redact(fmt.Errorf("failed to parse Location header %q: %v", raw, err)).Error())
			return
		}
		shows(t, raw, "URL", fail.URL(u))
		if u.Host != "" {
			shows(t, raw, "Host", fail.Redact(fail.Host(u, errors.New("lookup "+u.Hostname()+": no such host"))).Error())
		}
		value := "http://h.test/?to=" + url.QueryEscape("http://"+user+":"+planted+"@h.test/")
		if u, err = url.Parse(value); err != nil {
			t.Fatal(err)
		}
		shows(t, value, "URL", fail.URL(u))
		shows(t, value, "Value", fail.Value(value))
	})
}

// endsLikeAHost matches texts that may end in a scheme or a host.
var endsLikeAHost = regexp.MustCompile(`(?i)(^|[^a-z0-9+.-])(https?|wss?|ftp|socks5h?|localhost|)$`)

// alsoHarmless reports whether start may end in a scheme, or in a host with a
// port behind it, as in http://a/b@c and http://localhost:8/b@c.
func alsoHarmless(start string) bool {
	word := start[strings.LastIndexAny(start, "/@")+1:]
	_, err := netip.ParseAddr(word)
	return err == nil || strings.Contains(start, "[") || endsLikeAHost.MatchString(start)
}

// shows reports an error if text has the password.
func shows(t *testing.T, raw, what, text string) {
	t.Helper()
	if strings.Contains(strings.ToLower(text), planted) {
		t.Errorf("%q: %s shows the password: %q", raw, what, text)
	}
}

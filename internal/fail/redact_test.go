package fail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/fail"
)

func TestBadURL(t *testing.T) {
	for raw, want := range map[string]string{
		"":                          "",
		"/users?x=1":                "/users?x=1",
		"https://h/%zz":             "https://h/%zz",
		"https://user@h/":           "https://***@h/",
		"https://user:secret@h/":    "https://***@h/",
		"https://user:se@cret@h/":   "https://***@h/",
		"https://user:sec/ret@h/":   "https://***@h/",
		"https://user:sec//ret@h/":  "https://***@h/",
		"https://user:sec ret@h/":   "https://***@h/",
		"https://user:sec%zzret@h/": "https://***@h/",
		"//user:secret@h/":          "//***@h/",
		"user:secret@h/":            "***@h/",
		"http:user:secret@h/":       "***@h/",
		"http:/user:secret@h/":      "***@h/",
		"@":                         "***@",
		"http:/user:secret@h//x@y":  "***@y",
		"secret://user://x@h":       "secret://***@h",
		"a:secret://x@h":            "***@h",
		"https://user:secret%40h/":  "https://***%40h/",
		"https://u:secret%2540h/":   "https://***%2540h/",
	} {
		if got := fail.BadURL(raw); got != want {
			t.Errorf("BadURL(%q) = %q, want %q", raw, got, want)
		}
	}
}

// The error of url.Parse is returned without the URL. It also quotes a part of
// the URL, which is left out if it may be a part of a password.
func TestParseError(t *testing.T) {
	for _, raw := range []string{
		"http://h/%zz", "http://h:port/", "7:b", "http://h/\x7f", "http://[::1/", "http://a b/",
	} {
		_, err := url.Parse(raw)
		var parse *url.Error
		if !errors.As(err, &parse) {
			t.Fatalf("url.Parse(%q): %v", raw, err)
		}
		if got := fail.ParseError(raw, err); got != parse.Err {
			t.Errorf("ParseError(%q) = %v, want %v", raw, got, parse.Err)
		}
	}
	for _, raw := range []string{
		"http://user:secret%zz@h/", "http://user:secret@h:port/", "http://user:my secret@h/", `http://user:my"secret@h/`,
		"http://user:secret/word@h/", "http://user:secret?word@h/", "http://user:secret@h/\x7f", "7:secret@h", "http://user:%secret@h/", "http://user:secret@h/%zz",
	} {
		_, err := url.Parse(raw)
		if err == nil {
			t.Fatalf("url.Parse(%q) returned no error", raw)
		}
		if got := fail.ParseError(raw, err).Error(); got == "" || strings.Contains(got, `"`) {
			t.Errorf("ParseError(%q) = %q, which quotes a part", raw, got)
		}
	}
	if got := fail.ParseError("x", io.EOF); got != io.EOF {
		t.Errorf("ParseError of another error = %v, want that", got)
	}
}

// An error without a password in its text is returned as it is. Otherwise its
// text changes, and not what it matches.
func TestRedact(t *testing.T) {
	location := func(loc string) error {
		_, err := url.Parse(loc)
		return fmt.Errorf("failed to parse Location header %q: %v", loc, err) // as net/http does
	}
	parse := func(raw string) error {
		_, err := url.Parse(raw)
		return fmt.Errorf("token: %w", err)
	}
	for _, err := range []error{
		errors.New("nothing"),
		errors.New("mail to somebody@example.com"),
		location("http://h/%zz"),
		parse("http://h/%zz"),
	} {
		if got := fail.Redact(err); got.Error() != err.Error() {
			t.Errorf("Redact(%v) = %v, want the same text", err, got)
		}
	}
	for _, err := range []error{
		errors.New("GET http://user:secret@h/: refused"),
		errors.New("http://a@b/ and http://user:secret@h/"),
		errors.New(`GET "http://user:secret@h/": refused, says somebody@example.com`),
		errors.New("proxy //user:secret@proxy:80"),
		location("http://user:secret@h:port/"),
		location("http://user:my secret@h/"),
		location(`http://user:my"secret@h/`),
		location("http://user:secret%zz@h/"),
		location("//user:secret@h:port/"),
		parse("http://user:secret@h:port/"),
		parse("http://user:my secret@h/"),
		parse(`http://user:my"secret@h/`),
		parse(`http://user:my'secret@h/%zz`),
		parse("http://user:my<secret>@h/"),
		parse("http://user:secret@h/\n"),
		fmt.Errorf("invalid proxy address %q: %w", "http://user:my secret@proxy/", parse("http://user:my secret@proxy/")),
	} {
		got := fail.Redact(err)
		if strings.Contains(got.Error(), "secret") || got.Error() == "" {
			t.Errorf("Redact(%v) = %v, which shows the password", err, got)
		}
		if !errors.Is(got, err) {
			t.Errorf("Redact(%v) does not match it", err)
		}
	}
}

// url.Error calls Timeout on its direct Err.
func TestRedact_keepsTimeout(t *testing.T) {
	for err, want := range map[error]bool{context.DeadlineExceeded: true, io.EOF: false} {
		got := fail.Redact(fmt.Errorf("http://user:secret@h/: %w", err))
		ue := &url.Error{Op: "Get", URL: "http://h/", Err: got}
		if strings.Contains(ue.Error(), "secret") || ue.Timeout() != want || !errors.Is(ue, err) {
			t.Errorf("%v: Timeout() = %v, want %v", ue, ue.Timeout(), want)
		}
	}
}

// URL hides nothing in a URL that cannot be read as one with a password.
func TestURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h/users/me@example.org":                        "https://h/users/me@example.org",
		"https://h/?mail=me@example.org":                        "https://h/?mail=me@example.org",
		"https://h:8443/?mail=me%40example.org":                 "https://h:8443/?mail=me%40example.org",
		"https://h/#me@example.org":                             "https://h/#me@example.org",
		"http://127.0.0.1:8080/users/me@example.org":            "http://127.0.0.1:8080/users/me@example.org",
		"http://[::1]:8080/users/me@example.org":                "http://[::1]:8080/users/me@example.org",
		"http://localhost:8080/users/me@example.org":            "http://localhost:8080/users/me@example.org",
		"https://h:8080/a:b":                                    "https://h:8080/a:b",
		"https://user@h/":                                       "https://user@h/",
		"https://user:secret@h/a:b":                             "https://user:xxxxx@h/a:b",
		"https://user:secret@h/?mail=me%40example.org":          "https://user:xxxxx@h/?mail=me%40example.org",
		"https://user:/secret@h":                                "https://user:***@h",
		"https://user:8/secret@h":                               "https://user:***@h",
		"https://user:#secret@h":                                "https://user:***@h",
		"https://user:?secret@h":                                "https://user:***@h",
		"http://https://u:secret@h":                             "http://https:***@h",
		"https://user:a@secret/b@h":                             "https://user:***@h",
		"https://user%3Asecret@h/":                              "https://user%3A***@h/",
		"user://secret@h":                                       "user:***@h",
		"user://sec/ret@h":                                      "user:***@h",
		"user:secret@h":                                         "user:***@h",
		"my_user/x:secret@h/":                                   "my_user/x:***@h/",
		"//user:secret@h/":                                      "//user:xxxxx@h/",
		"http://h/?to=http://user:a'secret@h/":                  "http://h/?to=http://user:***@h/",
		"http://h/?to=http%3A%2F%2Fuser%3Asecret%40h":           "http://h/?to=http%3A***%40h",
		"http://h/?to=http%253A%252F%252Fu%253Asecret%2540h":    "http://h/?to=http%253A***%2540h",
		"https://user:secret@h/?to=http%3A%2F%2Fu%3Asecret%40h": "https://user:xxxxx@h/?to=http%3A***%40h",
		"https://h:80/?to=http%3A%2F%2Fu%3Asecret%40h":          "https://h:80/?to=http%3A***%40h",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, fail.URL(u)); diff != "" {
			t.Errorf("URL(%q) (-want +got):\n%s", raw, diff)
		}
	}
	byHand := &url.URL{Scheme: "http", Host: "user:secret@h", Path: "/"}
	if got := fail.URL(byHand); strings.Contains(got, "secret") {
		t.Errorf("URL of one with userinfo in its host = %q", got)
	}
}

// On a redirect, a URL may lose the ":" that tells of a password.
func TestLanded(t *testing.T) {
	for want, hops := range map[string][]string{
		"https://user:***@h":           {"https://user:/secret@h"},
		"https://h/@a/b@2#x":           {"https://h/@a/x#top", "./c/../b@2", "#x", "/@a/b@2"},
		"https://h/c#me@example.org":   {"https://h/u:b", "c#me@example.org"},
		"https://***@x":                {"https://h/", "/a/user:b/../secret@x"},
		"https://***@x/c":              {"https://h/", "/a/user:b/../secret@x/b", "c"},
		"https://***@y":                {"https://h/", "https://h/me/user:b/..#secret@y"},
		"https://***%40z":              {"https://h/user:#secret%40z", "/b", "c"},
		"https://h/me@example.org#top": {"https://h/user:b#top", "/me@example.org"},
	} {
		var r *http.Request
		for i, hop := range hops {
			u, err := url.Parse(hop)
			if i > 0 {
				u, err = r.URL.Parse(hop)
			}
			if err != nil {
				t.Fatal(err)
			}
			next := &http.Request{URL: u}
			if i > 0 {
				if !strings.Contains(hop, "#") {
					u.Fragment, u.RawFragment = r.URL.Fragment, r.URL.RawFragment
				}
				next.Response = &http.Response{Header: http.Header{"Location": {hop}}, Request: r}
			}
			r = next
		}
		if diff := cmp.Diff(want, fail.Landed(r)); diff != "" {
			t.Errorf("Landed(%q) (-want +got):\n%s", hops, diff)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"mail to me@example.org: refused":        "mail to me@example.org: refused",
		"Auth: token for me@example.org: denied": "Auth: token for me@example.org: denied",
		`Get "http://h/": for me@example.org`:    `Get "http://h/": for me@example.org`,
		`Get "https://h/u/me@example.org": no`:   `Get "https://h/u/me@example.org": no`,
		"404 Not Found":                          "404 Not Found",
		"日本語":                                    "日本語",
		"a\x1b[2Jb\rc\nd\te":                     `a\x1b[2Jb\rc\nd\te`,
		"a\u0085b\u202ec\xff\u2028":              `a\u0085b\u202ec\xff\u2028`,
		"lookup user:my.secret@h: no such host":  "lookup user:***@h: no such host",
		"at http://secret@h/ it ends":            "at http://***@h/ it ends",
		`parse "http://u:secret/x@h/": invalid port ":secret" after host`:         `parse "http://u:***" (details omitted: they may contain a password)`,
		`Location header "my_user:secret@h/": first path segment cannot have one`: `Location header "my_user:***@h/": first path segment cannot have one`,
		`Location header "user: secret@h/": no`:                                   `Location header "user:***@h/": no`,
		`Location header "http://user:my\"secret@h/": no`:                         `Location header "http://***@h/": no`,
		`parse "http://user:%secret%": invalid port ":%secret%" after host`:       `parse "http://user:***" (details omitted: they may contain a password)`,
		`Location header "http://h:port/": parse "http://h:port/": bad ":port"`:   `Location header "http://h:port/": parse "http://h:port/": bad ":port"`,
		`parse "http://h/%zz": invalid URL escape "%zz"`:                          `parse "http://h/%zz": invalid URL escape "%zz"`,
	} {
		if diff := cmp.Diff(want, fail.Text(text)); diff != "" {
			t.Errorf("Text(%q) (-want +got):\n%s", text, diff)
		}
	}
	long := strings.Repeat("é", fail.MaxText)
	if got, want := fail.Text(long), strings.Repeat("é", fail.MaxText/2)+"... (cut, of 16384 bytes)"; got != want {
		t.Errorf("Text of %d bytes ends in %q", len(long), got[len(got)-50:])
	}
}

// A reason phrase is unchanged, unless it could move a terminal's cursor.
func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"404 Not Found":             "404 Not Found",
		`404 "Gone"`:                `404 "Gone"`,
		"404 \x1b[2J\r200 OK":       `"404 \x1b[2J\r200 OK"`,
		"404 \u009b2J":              `"404 \u009b2J"`,
		"404 see http://u:secret@h": "404 see http://***@h",
	} {
		if diff := cmp.Diff(want, fail.Quoted(text)); diff != "" {
			t.Errorf("Quoted(%q) (-want +got):\n%s", text, diff)
		}
	}
}

// Unwrapping does not lead to the text that was replaced.
func TestRedact_hidesTheChain(t *testing.T) {
	//lint:ignore SA1007 the URL must not parse
	_, parse := url.Parse("http://user:my secret@h/")
	err := fail.Redact(fmt.Errorf("%w: %w", parse, io.EOF))
	if !errors.Is(err, io.EOF) || !errors.Is(err, parse) {
		t.Errorf("%v doesn't match what it wraps", err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "secret") {
			t.Errorf("a %T shows the password: %v", e, e)
		}
	}
}

// The stack of a panic has newlines, and paths with "@".
func TestRedact_keepsTheStack(t *testing.T) {
	r := panics.NewRecovered(0, errors.New("at http://user:secret@h/:\x1b"))
	text := fail.Redact(r.AsError()).Error()
	want := "panic: at http://***@h/:\\x1b\nstacktrace:\n" + string(r.Stack) + "\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// If a password has an "@" and a "/" after it, a dialer names a part of the
// password.
func TestHost(t *testing.T) {
	lookup := errors.New("lookup secret: no such host")
	for raw, shown := range map[string]bool{
		"http://user:a@secret/b@h": false,
		"http://secret/b@h":        true,
		"http://secret:8/b@h":      true,
		"http://user:pw@secret/b":  true,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := fail.Host(u, lookup)
		if strings.Contains(got.Error(), "secret") != shown || !errors.Is(got, lookup) {
			t.Errorf("Host(%q) = %v", raw, got)
		}
	}
}

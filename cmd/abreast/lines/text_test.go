package lines_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/pending"
)

// https://user:/secret@h is valid, and its host is "user": its password was
// shown. And me@example.org, which has none, was not.
func TestShown(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, tt := range []struct{ text, want string }{
		{"http://example.org/a?b=c#d", "http://example.org/a?b=c#d"},
		{"me@example.org", "me@example.org"},
		{"https://example.org/@user/post", "https://example.org/@user/post"},
		{"no URL", "no URL"},
		{"", ""},
		{"http://user:secret@h/", "http://***@h/"},
		{"https://user:/secret@h", "https://***@h"},
		{"https://user:8/secret@h", "https://***@h"},
		{"https://user:#secret@h", "https://***@h"},
		{"https://user:?secret@h", "https://***@h"},
		{"https://user:a@secret@h", "https://***@h"},
		{"https://https://user:secret@h/", "https://***@h/"},
		{"https:/user:secret@h/", "***@h/"},
		{"https:user:secret@h/", "***@h/"},
		{"//user:secret@h/", "//***@h/"},
		{"my_user:secret@h/", "***@h/"},
		{"user:secret://x@h/", "***@h/"},
		{"user://#secret@h/", "***@h/"},
		{"https://secret@h/", "https://***@h/"}, // a token
		{"https://user%3asecret@h/", "https://***@h/"},
		{"https://user:secret%40h/", "https://***%40h/"},
		{"https://h/?to=http%3A%2F%2Fuser%3Asecret%40h", "https://h/?to=http%3A***%40h"},
		{"https://user:secret@h/?to=http%3A%2F%2Fuser%3Asecret%40h", "https://***@h/?to=http%3A***%40h"},
		{"https://h:8443/?mail=me%40example.org", "https://h:8443/?mail=me%40example.org"},
		{"http://h/" + long, "http://h/" + long},
		{"https://h/?to=user:secret%2540h", "https://h/?to=user:***%2540h"},
	} {
		if got := lines.Shown(tt.text); got != tt.want {
			t.Errorf("Shown(%.60q) = %.60q; want %.60q", tt.text, got, tt.want)
		}
	}
}

// odd returns a URL, valid or not, with a secret somewhere in its password.
func odd(rng *rand.Rand, secret string) string {
	pick := func(parts ...string) string { return parts[rng.IntN(len(parts))] }
	noise := func() string {
		var b strings.Builder
		for range rng.IntN(4) {
			b.WriteString(pick("8", "/", "//", "#", "?", "@", ":", "://", "%", "%40", "%2", "[", "]", "\\", " ", "'", `"`, "<", "=", "&", ";", "é", "\x01", "\xff", "a"))
		}
		return b.String()
	}
	user := pick("user", "my_user", "", "8", "x.y", "[::1]", "u%40v")
	return pick("", "http:", "https:", "https:", "HTTP:", "ftp:", "1:") + pick("", "/", "//", "//", "//", "///", "//https://") +
		user + ":" + noise() + secret + noise() + "@" + pick("h", "h:80", "[::1]:8", "", "h/", "h:x") + pick("", "/", "/p?q=1#f", "/\x7f", "/%zz")
}

func TestShown_noPassword(t *testing.T) {
	const secret = "hunter2"
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		text := odd(rng, secret)
		if got := lines.Shown(text); strings.Contains(got, secret) {
			t.Fatalf("Shown(%q) = %q", text, got)
		}
		r := lines.Parse(1, text, 1000)
		if err := r.Err; err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("Parse(%q) = %q", text, err)
		}
	}
}

func FuzzShown(f *testing.F) {
	f.Add("https://", "user", "/", "", "h/")
	f.Add("", "my_user", "8/", "#", "h")
	f.Fuzz(func(t *testing.T, scheme, user, before, after, rest string) {
		const secret = "hunter2"
		text := scheme + user + ":" + before + secret + after + "@" + rest
		if strings.Contains(scheme+user+rest, secret) {
			t.Skip()
		}
		if got := lines.Shown(text); strings.Contains(got, secret) {
			t.Errorf("Shown(%q) = %q", text, got)
		}
	})
}

// A reason phrase of 400 kB made a result too long to be stored.
func TestReason_bounded(t *testing.T) {
	err := &url.Error{Op: "Get", URL: "http://h/", Err: errors.New(strings.Repeat("x", 400_000))}
	if got, want := lines.Reason(err), strings.Repeat("x", 1000)+"..."; got != want {
		t.Errorf("Reason() has %d bytes; want %d", len(got), len(want))
	}
}

// encoding/json leaves C1 controls, which a terminal obeys, and bidi controls.
func TestWrite_printable(t *testing.T) {
	text := "a\x1b[31m\u009b31m\u202egnp.exe\u2066\u2028\x7f\U000e0041\xff\u00a0é日🙂<&>\n\t\"\\"
	var b strings.Builder
	if err := lines.NewWriter(&b).Write(map[string]string{"text": text}); err != nil {
		t.Fatal(err)
	}
	const want = `{"text":"a\u001b[31m\u009b31m\u202egnp.exe\u2066\u2028\u007f\udb40\udc41\ufffd\u00a0é日🙂<&>\n\t\"\\"}` + "\n"
	if got := b.String(); got != want {
		t.Errorf("Write() wrote\n%q; want\n%q", got, want)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back["text"] != strings.ToValidUTF8(text, "\ufffd") {
		t.Errorf("it reads back as %q, %v", back, err)
	}
}

func TestPrintable(t *testing.T) {
	const text, want = "a\n\x1b]0;x\x07\u0085 é\xff", `a\u000a\u001b]0;x\u0007\u0085 é` + string(utf8.RuneError)
	if got := lines.Printable(text); got != want {
		t.Errorf("Printable(%q) = %q; want %q", text, got, want)
	}
}

// A redirect may remove the colon that tells of a password.
func TestFinalURL(t *testing.T) {
	for location, want := range map[string]string{
		"/me@example.org":              "https://h/me@example.org",
		"../@a/b@2":                    "https://h/@a/b@2",
		"/a/user:b/../secret@x":        "https://***@x",
		"/me/user:b/..#secret%40x":     "https://***%40x",
		"https://user:secret@h/a/../b": "https://***@h/b",
	} {
		first, err := http.NewRequest(http.MethodGet, "https://h/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := first.URL.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		redirect := &http.Response{Header: http.Header{"Location": {location}}, Request: first}
		resp := &http.Response{StatusCode: http.StatusOK, Request: &http.Request{URL: u, Response: redirect}}
		r := lines.Parse(1, "https://h/a", 100)
		if got := r.Result(pending.Outcome{Response: resp}, time.Time{}); got.FinalURL != want {
			t.Errorf("Location %q: final_url = %q, want %q", location, got.FinalURL, want)
		}
	}
}

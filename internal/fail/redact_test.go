package fail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/internal/fail"
)

func TestURL(t *testing.T) {
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
	} {
		if got := fail.URL(raw); got != want {
			t.Errorf("URL(%q) = %q, want %q", raw, got, want)
		}
	}
}

// The error of url.Parse comes back without the URL; what it quotes is left out
// where it may be a part of a password.
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
			t.Fatalf("url.Parse(%q) is no error", raw)
		}
		if got := fail.ParseError(raw, err).Error(); got == "" || strings.Contains(got, `"`) {
			t.Errorf("ParseError(%q) = %q, which quotes a part", raw, got)
		}
	}
	if got := fail.ParseError("x", io.EOF); got != io.EOF {
		t.Errorf("ParseError of another error = %v, want that", got)
	}
}

// What has no password in its text comes back as it is; a text that has one is
// changed, and what the error is stays.
func TestRedact(t *testing.T) {
	location := func(loc string) error {
		_, err := url.Parse(loc)
		return fmt.Errorf("failed to parse Location header %q: %v", loc, err) // as net/http does it
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
			t.Errorf("Error(%v) = %v, want what was given", err, got)
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
			t.Errorf("Error(%v) = %v, which shows the password", err, got)
		}
		if !errors.Is(got, err) {
			t.Errorf("Error(%v) is another error", err)
		}
	}
}

// url.Error asks its direct Err for Timeout.
func TestRedact_keepsTimeout(t *testing.T) {
	for err, want := range map[error]bool{context.DeadlineExceeded: true, io.EOF: false} {
		got := fail.Redact(fmt.Errorf("http://user:secret@h/: %w", err))
		ue := &url.Error{Op: "Get", URL: "http://h/", Err: got}
		if strings.Contains(ue.Error(), "secret") || ue.Timeout() != want || !errors.Is(ue, err) {
			t.Errorf("%v: Timeout() = %v, want %v", ue, ue.Timeout(), want)
		}
	}
}

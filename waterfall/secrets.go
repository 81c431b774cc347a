package waterfall

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// hidden stands for a value that is not kept.
const hidden = "***"

// What is kept of one request, in bytes, of texts that others determine.
const (
	maxText   = 8 << 10  // a URL, an error, a header's value
	maxHeader = 32 << 10 // a header
)

// credentials are the headers that are always redacted.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"}

// header is what is kept of h: no credentials, and no more than maxHeader.
func (rec *Recorder) header(h http.Header) (kept []field) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	room := maxHeader
	for _, name := range names {
		is := func(other string) bool { return strings.EqualFold(name, other) }
		secret := slices.ContainsFunc(credentials, is) || slices.ContainsFunc(rec.Redact, is)
		for _, value := range h[name] {
			f := field{name, hidden}
			if !secret {
				f.Value = rec.clean(value)
			}
			if room -= len(f.Name) + len(f.Value); room < 0 {
				return kept
			}
			kept = append(kept, f)
		}
	}
	return kept
}

// address is what is kept of a URL.
func (rec *Recorder) address(u *url.URL) string {
	if u == nil {
		return ""
	}
	shown := *u
	shown.User = nil
	text := shown.String()
	if shown.Host == "" { // then it isn't known for what it is
		text = fail.URL(text)
	}
	return rec.clean(text)
}

var afterPath = regexp.MustCompile(`[?#][^\s"'<>]*`)

// clean is what is kept of a text that may have URLs in it.
func (rec *Recorder) clean(text string) string {
	if strings.Contains(text, "@") {
		text = fail.Redact(errors.New(text)).Error()
	}
	if rec.RedactQuery && strings.ContainsAny(text, "?#") {
		text = afterPath.ReplaceAllStringFunc(text, withoutValues)
	}
	if len(text) > maxText { // not before: half a password is one too
		return strings.Clone(text[:maxText])
	}
	return text
}

// withoutValues is a query and a fragment without their values.
func withoutValues(after string) string {
	var b strings.Builder
	for after != "" {
		b.WriteByte(after[0]) // ?, & or #
		after = after[1:]
		n := strings.IndexAny(after, "&?#")
		if n < 0 {
			n = len(after)
		}
		if name, _, ok := strings.Cut(after[:n], "="); ok {
			b.WriteString(name + "=")
		}
		if n > 0 {
			b.WriteString(hidden)
		}
		after = after[n:]
	}
	return b.String()
}

package waterfall

import (
	"net/http"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// hidden replaces a value that is not kept.
const hidden = "***"

// These constants limit what is kept of texts that others determine, in bytes
// for each request.
const (
	maxText   = 8 << 10  // of a URL, an error, or the value of a header
	maxHeader = 32 << 10 // of a whole header
)

// credentials are the headers that are always redacted.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"}

// header returns the part of h that is kept, in any order: no credentials, and
// at most maxHeader bytes. It writes over kept, if that is large enough.
func (rec *Recorder) header(kept []field, h http.Header) []field {
	if kept = kept[:0]; cap(kept) < len(h) {
		kept = make([]field, 0, len(h)) // most names have one value
	}
	room := maxHeader
	for name, values := range h {
		secret := named(name, credentials) || named(name, rec.Redact)
		for _, value := range values {
			f := field{name, hidden}
			if !secret {
				f.Value = rec.clean(value)
			}
			kept = append(kept, f)
			room -= f.size()
		}
	}
	if room >= 0 {
		return kept
	}
	kept, room = sorted(kept), maxHeader
	n := slices.IndexFunc(kept, func(f field) bool { room -= f.size(); return room < 0 })
	return slices.Clone(kept[:n]) // without the rest of the array
}

// named reports whether one of names is name, in any case. Names of headers are
// ASCII.
func named(name string, names []string) bool {
	for _, n := range names {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// address returns the part of r's URL that is kept.
func (rec *Recorder) address(r *http.Request) string {
	u := r.URL
	if u == nil {
		return ""
	}
	text := fail.Landed(r)
	if u.User != nil && text == u.Redacted() {
		shown := *u
		shown.User = nil
		text = shown.String()
	} else {
		text = fail.Value(text)
	}
	return rec.bounded(text)
}

// clean returns the part of a header's value that is kept.
func (rec *Recorder) clean(value string) string { return rec.bounded(fail.Value(value)) }

// bounded returns the part that is kept of a text without passwords. With
// RedactQuery it treats everything after the first "?" or "#" as a query: a URL
// inside the text may be broken, and nothing tells where it ends.
func (rec *Recorder) bounded(text string) string {
	if rec.RedactQuery {
		if n := strings.IndexAny(text, "?#"); n >= 0 {
			text = text[:n] + withoutValues(text[n:])
		}
	}
	if len(text) > maxText { // last: half a password must not be shown either
		return strings.Clone(strings.ToValidUTF8(text[:maxText], ""))
	}
	return text
}

// withoutValues returns a query and a fragment without their values.
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

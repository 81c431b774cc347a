package fail

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sourcegraph/conc/panics"
)

// The password of a URL is between a ":" and an "@". If somebody wrote the URL
// by hand, the password may contain anything, even a "/" or a quote. net/url
// may then mistake a part of the password for a host, a port, a path, a query
// or a fragment, and quote it in an error. The code below therefore does not
// use the syntax of URLs to find a password. It hides everything between the
// first ":" that can precede a password, which is called suspect here, and the
// last "@". The rest is harmless.

const (
	hidden  = "***"
	omitted = "details omitted: they may contain a password"
)

// URL returns the text of u without anything that may be a password. An "@" in
// a path, a query or a fragment is shown if no ":" precedes it except that of
// http:// or that of the port of an IP address or of localhost. URL returns
// https://h/users/me@example.org unchanged, because it cannot be read as a URL
// with a password. In https://user:8/secret@h it hides "8/secret".
func URL(u *url.URL) string {
	text := u.Redacted()
	if harmless(text) {
		return text
	}
	if strings.Contains(u.Host, "@") { // url.Parse returns no such URL
		return BadURL(text)
	}
	return hide(text, true)
}

// Landed returns what URL does for the URL of r, to which redirects may have
// led. If one of them has perhaps removed the ":" before a password, Landed
// hides everything before the last "@".
func Landed(r *http.Request) string {
	text := URL(r.URL)
	if harmless(text) {
		return text
	}
	for range 100 { // a transport of the user's may have made a circle
		if r.Response == nil || r.Response.Request == nil {
			break
		}
		if LostColon(r) {
			return BadURL(text)
		}
		r = r.Response.Request
	}
	return text
}

// LostColon reports whether the redirect that led to r may have removed the ":"
// before a password from the URL. A ".." in a Location removes the part of the
// path that precedes it, and a fragment is inherited without the path before
// it.
func LostColon(r *http.Request) bool {
	location, from := r.Response.Header.Get("Location"), r.Response.Request.URL
	removed := strings.Contains(location, "..") && Value(location) != location
	inherited := from != nil && from.Fragment != "" && !strings.Contains(location, "#") && URL(from) != from.Redacted()
	return removed || inherited
}

// BadURL returns raw, which cannot be parsed as a URL, without anything that
// may be a password. It keeps the scheme and the text from the last "@" on.
func BadURL(raw string) string {
	at := max(strings.LastIndexByte(raw, '@'), lastEscapedAt(raw))
	if at < 0 {
		return raw
	}
	scheme, _, ok := strings.Cut(raw[:at], "//")
	if !ok || scheme != "" && (!strings.HasSuffix(scheme, ":") || strings.IndexFunc(scheme, notOfScheme) != len(scheme)-1) {
		return hidden + raw[at:]
	}
	return scheme + "//" + hidden + raw[at:]
}

// notOfScheme reports whether r cannot be part of a URL's scheme.
func notOfScheme(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("+-.", r))
}

// ParseError returns err, which url.Parse(raw) returned, without raw. If raw
// may contain a password, it also leaves out the part of raw that err quotes.
func ParseError(raw string, err error) error {
	var parse *url.Error
	if !errors.As(err, &parse) {
		return err
	}
	if strings.Contains(raw, "@") || lastEscapedAt(raw) >= 0 {
		return errors.New("invalid URL (" + omitted + ")")
	}
	return parse.Err
}

// Host returns err, the error of a request of u. A dialer names the host, and
// in http://user:a@b/c@h the host b is a part of the password. If the host of u
// may be such a part, Host replaces the text of err. It returns a Refusal
// unchanged. Host runs no user code.
func Host(u *url.URL, err error) error {
	if u == nil || u.Host == "" {
		return err
	}
	if _, refused := err.(*Refusal); refused {
		return err
	}
	if shown := URL(u); shown == u.Redacted() || strings.Contains(shown, u.Hostname()) {
		return err
	}
	return &Error{err: err, text: omitted}
}

// Redact returns err with the text that [Text] returns for its text, or err
// itself if the text is the same. It runs user code: the method Error of err.
func Redact(err error) error {
	text, stack := err.Error(), ""
	if p, ok := err.(*panics.ErrRecovered); ok { // its stack has newlines, and paths with "@"
		stack = "\nstacktrace:\n" + string(p.Stack) + "\n"
		var cut bool
		if text, cut = strings.CutSuffix(text, stack); !cut {
			stack = ""
		}
	}
	if clean := Text(text); clean != text {
		return &Error{err: err, text: clean + stack}
	}
	return err
}

// Text returns a text that somebody else wrote in a form that can be shown in
// an error, a log or a terminal. It hides everything that may be the password
// of a URL, escapes everything unprintable, and returns at most MaxText bytes
// of the text and a note that it was cut.
func Text(text string) string { return printable(redact(text, false)) }

// Value returns the value of a header without anything that may be the password
// of a URL.
func Value(value string) string { return redact(value, true) }

// redact hides everything that may be a password in text, and all userinfo
// where a URL has it. If foreign is true, all of text is suspect, from its
// beginning. Otherwise text is the prose of an error, and suspect from the
// first quoted text or "//" on.
func redact(text string, foreign bool) string {
	if !foreign {
		text = hideUnparsed(text)
	}
	if harmless(text) {
		return text
	}
	text = hide(text, foreign)
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for {
		start := strings.Index(text, "//")
		if start < 0 {
			return b.String() + text
		}
		start += len("//")
		n := endOfAuthority(text[start:])
		b.WriteString(text[:start])
		if at := strings.LastIndexByte(text[start:start+n], '@'); at >= 0 {
			b.WriteString(hidden)
			start, n = start+at, n-at
		}
		b.WriteString(text[start : start+n])
		text = text[start+n:]
	}
}

// harmless reports whether text has no "@", also no escaped one, and so no
// password. ContainsAny would make a set of characters for each text.
func harmless(text string) bool {
	return strings.IndexByte(text, '@') < 0 && strings.IndexByte(text, '%') < 0
}

// hide returns text without the part between the first suspect ":" and the last
// "@". It then does the same with escaped "@" after that: a URL that is a value
// in another URL's query is escaped.
func hide(text string, foreign bool) string {
	head, tail := "", text
	if end := strings.LastIndexByte(text, '@'); end >= 0 {
		head, tail = text[:end], text[end:]
		s := scan{text: head, suspect: foreign}
		for from := s.colon(); from >= 0; from = s.colon() {
			at, after := end, len(text)
			if s.quoted && !foreign { // the suspect part ends with the quoted text
				after = from + endOfQuoted(text[from:])
				part := text[from:after]
				if at = max(strings.LastIndexByte(part, '@'), lastEscapedAt(part)); at < 0 {
					s.i = after
					continue
				}
				at += from
			}
			if was := text[from:at]; was == "xxxxx" || was == hidden { // hidden before, here or by net/url
				s.i = at
				continue
			}
			head, tail = text[:from]+hidden, text[at:after]+withoutQuotes(text[after:])
			if after == len(text) {
				tail = withoutQuotes(text[at:])
			}
			break
		}
	}
	if at := lastEscapedAt(tail); at >= 0 {
		s := scan{text: tail[:at], suspect: foreign, ports: true}
		if strings.HasPrefix(tail, "@") {
			s.skip(1)
		}
		if from := s.colon(); from >= 0 {
			tail = tail[:from] + hidden + withoutQuotes(tail[at:])
		}
	}
	return head + tail
}

// hideUnparsed handles URLs that errors of url.Parse quote in text. It hides
// the part of such a URL that follows its first suspect ":". url.Parse leaves
// out the fragment of the URL that it quotes, and the last "@" may have been
// there. If the whole URL precedes the error, as when net/http quotes a
// Location, hideUnparsed leaves it to hide, which finds the "@".
func hideUnparsed(text string) string {
	const parse = `parse "`
	for start := 0; ; {
		i := strings.Index(text[start:], parse)
		if i < 0 {
			return text
		}
		i += start
		start = i + len(parse)
		end := start + endOfQuoted(text[start:])
		raw := text[start:end]
		s := scan{text: raw, suspect: true}
		from := s.colon()
		if from >= 0 && !strings.HasSuffix(text[:i], `"`+raw+`": `) {
			return text[:start+from] + hidden + withoutQuotes(text[end:])
		}
		start = end
	}
}

// endOfQuoted returns the index of the closing quote in text, which begins
// inside a quoted text. Without a closing quote it returns the length of text.
func endOfQuoted(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(text)
}

// withoutQuotes returns tail, which follows a hidden text, up to its first
// quote if it has another quote or "@" after that. A text quoted there may be a
// part of what was hidden: net/url quotes the wrong part of a URL. Text before
// another "@" may also be a part of it.
func withoutQuotes(tail string) string {
	first := strings.IndexByte(tail, '"')
	if first < 0 || !strings.ContainsAny(tail[first+1:], `"@`) && lastEscapedAt(tail[first+1:]) < 0 {
		return tail
	}
	return tail[:first+1] + " (" + omitted + ")"
}

// A scan looks for the first ":" in a text that can precede a password. It
// looks at each byte at most a few times, for any text: a server can send texts
// of a megabyte.
type scan struct {
	text    string
	suspect bool // any ":" counts; otherwise not one before a space, as in prose
	ports   bool // a ":" before a number may belong to the port of any host
	quoted  bool // inside a text quoted with %q
	before  bool // the value of suspect before the quoted text

	i      int
	looked int // the number of bytes looked at, for tests
}

// colon returns the index after the next suspect ":", or -1.
func (s *scan) colon() int {
	for ; s.i < len(s.text); s.i++ {
		s.looked++
		switch rest := s.text[s.i:]; rest[0] {
		case '\\':
			if s.quoted && len(rest) > 1 && (rest[1] == '"' || rest[1] == '\\') {
				s.i++
			}
		case '"':
			if s.quoted {
				s.quoted, s.suspect = false, s.before
			} else {
				s.quoted, s.before, s.suspect = true, s.suspect, true
			}
		case '/':
			s.suspect = s.suspect || strings.HasPrefix(rest, "//")
		case ':', '%':
			n := escaped(rest, ':', "3A")
			s.looked += n
			switch {
			case n == 0:
			case strings.HasPrefix(rest, "://") && knownScheme(s.text[:s.i]):
				s.suspect = true
				s.skip(len("://"))
			case s.suspect || len(rest) > n && strings.IndexByte(" \t\r\n", rest[n]) < 0:
				return s.i + n
			}
		}
	}
	return -1
}

// skip skips n bytes, and a host and port after them if they are certain to be
// that. It leaves s.i one byte early, because the loop of colon increments it.
func (s *scan) skip(n int) {
	s.i += n
	host := s.text[s.i:]
	end := endOfAuthority(host)
	s.looked += end
	if end < len(host) && strings.IndexByte("/?#", host[end]) >= 0 && certainHost(host[:end], s.ports) {
		s.i += end
	}
	s.i--
}

// endOfAuthority returns the length of the authority (userinfo, host and port)
// at the beginning of text.
func endOfAuthority(text string) int {
	if n := strings.IndexAny(text, "/?#\\ \t\r\n\"<>"); n >= 0 {
		return n
	}
	return len(text)
}

// certainHost reports whether authority can only be a host and its port, and
// not the beginning of a userinfo. "127.0.0.1:8" is certain, and "user:8" is
// not.
func certainHost(authority string, ports bool) bool {
	if address, ok := strings.CutPrefix(authority, "["); ok && strings.HasSuffix(address, "]") {
		_, err := netip.ParseAddr(address[:len(address)-1])
		return err == nil
	}
	if _, err := netip.ParseAddrPort(authority); err == nil {
		return true
	}
	host, port, ok := strings.Cut(authority, ":")
	return ok && port != "" && (ports || strings.EqualFold(host, "localhost")) && strings.Trim(port, "0123456789") == ""
}

// knownScheme reports whether text ends in one of the usual schemes. Another
// word before "://" may be a user name after a forgotten scheme, as in
// "user://secret@h". Directly after "//" there should be a host, so that a
// scheme there does not count.
func knownScheme(text string) bool {
	start := len(text)
	for start > 0 && len(text)-start < 8 && !notOfScheme(rune(text[start-1])) {
		start--
	}
	switch strings.ToLower(text[start:]) {
	case "http", "https", "ws", "wss", "ftp", "socks5", "socks5h":
		return !strings.HasSuffix(text[:start], "//") && !strings.HasSuffix(text[:start], "_")
	}
	return false
}

// escaped returns the length of c at the beginning of text, either plain or
// escaped any number of times. It returns 0 if c is not there.
func escaped(text string, c byte, hex string) int {
	if text[0] == c {
		return 1
	}
	if text[0] != '%' {
		return 0
	}
	n := 1
	for strings.HasPrefix(text[n:], "25") {
		n += 2
	}
	if len(text) < n+2 || !strings.EqualFold(text[n:n+2], hex) {
		return 0
	}
	return n + 2
}

// lastEscapedAt returns the index of the last escaped "@" in text, or -1.
func lastEscapedAt(text string) int {
	for end := len(text); ; {
		i := strings.LastIndexByte(text[:end], '%')
		if i < 0 || escaped(text[i:], '@', "40") > 0 {
			return i
		}
		end = i
	}
}

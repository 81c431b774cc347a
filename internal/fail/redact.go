package fail

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sourcegraph/conc/panics"
)

// A URL has its password between a ":" and an "@". A URL that somebody wrote by
// hand may have anything in between, a "/" or a quote as well, and net/url may then
// take a part of the password for a host, a port, a path, a query or a fragment, and
// quote it in an error. So nothing here looks for where a password begins and ends
// by the syntax of a URL. All that stands between the first ":" that may be one
// before a password and the last "@" is left out, and what remains is harmless.

const (
	hidden  = "***"
	omitted = "details omitted: they may contain a password"
)

// URL returns the text of u without what may be a password. An "@" in a path, a
// query or a fragment stays if there is no ":" before it but that of http:// or of
// the port of an IP address or of localhost: https://h/users/me@example.org has no
// password in any reading, and https://user:8/secret@h may.
func URL(u *url.URL) string {
	text := u.Redacted()
	if strings.Contains(u.Host, "@") { // no URL that was parsed
		return BadURL(text)
	}
	return hide(text, true)
}

// BadURL returns raw, which cannot be parsed as a URL, without what may be a
// password: its scheme, and what stands behind the last "@".
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

// notOfScheme reports whether r ends the scheme of a URL.
func notOfScheme(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("+-.", r))
}

// ParseError returns err, which url.Parse(raw) returned, without raw, and without
// the part of raw that it quotes if that may be a part of a password.
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

// Host returns err, with which a request of u failed, without its text if the host of
// u may be a part of a password, as b is in http://user:a@b/c@h: a dialer names it. A
// Refusal stays what it is. Host runs no user code.
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

// Redact returns err with a text that is fit to be shown: see Text. If err has such
// a text, Redact returns err. It runs user code: the method Error of err.
func Redact(err error) error {
	text, stack := err.Error(), ""
	if p, ok := err.(*panics.ErrRecovered); ok { // the stack has lines, and paths with "@"
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

// Text returns a text that somebody else wrote as it is fit to be shown, in an error,
// a log or a terminal: without what may be a password of a URL, with escapes in place
// of what isn't printable, and at most MaxText bytes of it.
func Text(text string) string { return printable(redact(text, false)) }

// Value returns the value of a header without what may be a password of a URL.
func Value(value string) string { return redact(value, true) }

// redact hides what may be a password in a text, and all userinfo that stands where
// a URL has it. A text that is foreign throughout is suspect from its beginning; the
// prose of an error is where a quoted text or "//" begins.
func redact(text string, foreign bool) string {
	if !foreign {
		text = hideUnparsed(text)
	}
	if !strings.ContainsAny(text, "@%") {
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

// hide returns text without what stands between the first suspect ":" and the last
// "@". Then it does the same for the escaped "@" that are behind that: a URL that is
// a value in the query of another is escaped.
func hide(text string, foreign bool) string {
	head, tail := "", text
	if end := strings.LastIndexByte(text, '@'); end >= 0 {
		head, tail = text[:end], text[end:]
		s := scan{text: head, suspect: foreign}
		for from := s.colon(); from >= 0; from = s.colon() {
			at, after := end, len(text)
			if s.quoted && !foreign { // it ends with what is quoted
				after = from + endOfQuoted(text[from:])
				part := text[from:after]
				if at = max(strings.LastIndexByte(part, '@'), lastEscapedAt(part)); at < 0 {
					s.i = after
					continue
				}
				at += from
			}
			if was := text[from:at]; was == "xxxxx" || was == hidden { // it was here, or net/url
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

// hideUnparsed returns text, which may have errors of url.Parse in it, without what is
// behind the first suspect ":" of their URL. url.Parse leaves out the fragment of the
// URL that it quotes, and the last "@" may have been there. If the whole
// URL stands before, as net/http quotes a Location, hide sees it.
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

// endOfQuoted returns where the quoted text ends that text is the rest of.
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

// withoutQuotes returns what follows a hidden text. If it has more than one quote,
// something else is quoted in it, which may be a part of what was hidden: net/url
// quotes the part of a URL that is wrong. So may be what is before another "@".
func withoutQuotes(tail string) string {
	first := strings.IndexByte(tail, '"')
	if first < 0 || !strings.ContainsAny(tail[first+1:], `"@`) && lastEscapedAt(tail[first+1:]) < 0 {
		return tail
	}
	return tail[:first+1] + " (" + omitted + ")"
}

// A scan looks for the first ":" in a text that may be one before a password. It
// looks at each byte a few times at most, whatever the text: a server can make texts
// of a megabyte.
type scan struct {
	text    string
	suspect bool // any ":" may be it; else not one before a space, as prose has it
	ports   bool // a ":" before a number may be that of any host's port
	quoted  bool // within a text that is quoted as by %q
	before  bool // suspect, before the quoted text

	i      int
	looked int // bytes; for tests
}

// colon returns where what follows the ":" begins, or -1.
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

// skip skips n bytes, and the host and port behind them if they are certain to be
// that. The next byte is that before what colon looks at next.
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

// endOfAuthority returns how long the authority (userinfo, host and port) is that a
// text begins with.
func endOfAuthority(text string) int {
	if n := strings.IndexAny(text, "/?#\\ \t\r\n\"<>"); n >= 0 {
		return n
	}
	return len(text)
}

// certainHost reports whether an authority is a host and its port, and not the
// beginning of a userinfo: "user:8" may be one, "127.0.0.1:8" is not.
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

// knownScheme reports whether text ends in a scheme that is certain to be one: of
// another, "user://secret@h", it may be that a scheme was forgotten. Directly behind
// a "//" it is where a host should be.
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

// escaped returns the length of c at the beginning of text, as it is or escaped any
// number of times; 0 if it is not there.
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

// lastEscapedAt returns where the last escaped "@" of text begins, or -1.
func lastEscapedAt(text string) int {
	for end := len(text); ; {
		i := strings.LastIndexByte(text[:end], '%')
		if i < 0 || escaped(text[i:], '@', "40") > 0 {
			return i
		}
		end = i
	}
}

package lines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What is written of a text, in bytes before it is escaped.
const (
	maxShown  = 4000 // of a line that is not a request
	maxReason = 1000 // of an error
)

var (
	scheme    = regexp.MustCompile(`^(?:[Hh][Tt][Tt][Pp][Ss]?:)?//`) // no other: it may be a user
	colon     = regexp.MustCompile(`:|%(?:25)*3[Aa]`)
	escapedAt = regexp.MustCompile(`^%(?:25)*40`)
)

// Shown returns what a program may show of a URL of its input: all of it,
// unless it may contain a password. Then its number in the list tells which
// line it was.
//
// A password stands between a colon and an "@". Where it begins and ends cannot
// be told from a URL that its author got wrong: https://user:/secret@host is
// valid and has the host "user". So everything before the last "@" is replaced,
// except for the scheme. It is kept if it has no colon: me@example.org and
// https://host/@user are harmless. A user name alone is not, as it may be a
// token. Of a URL that is a value in the query of another, and so escaped, the
// password alone is replaced.
func Shown(text string) string {
	if !strings.ContainsAny(text, "@%") {
		return text
	}
	start := len(scheme.FindString(text))
	at := strings.LastIndexByte(text, '@')
	if _, err := url.Parse(text); err != nil {
		at = max(at, lastEscapedAt(text)) // somebody escaped too much
	}
	if at >= start {
		before := text[start:at]
		isUser := start > 0 && !strings.ContainsAny(before, "/?#")
		if isUser || colon.MatchString(before) {
			text = text[:start] + hidden + text[at:]
		}
	}
	// A colon before the path belongs to a port.
	path := strings.IndexAny(text[start:], "/?#")
	at = lastEscapedAt(text)
	if path < 0 || at < start+path {
		return text
	}
	path += start
	if c := colon.FindStringIndex(text[path:at]); c != nil {
		text = text[:path+c[1]] + hidden + text[at:]
	}
	return text
}

// lastEscapedAt returns the index of the last escaped "@" in text, or -1.
func lastEscapedAt(text string) int {
	for end := len(text); ; {
		i := strings.LastIndexByte(text[:end], '%')
		if i < 0 || escapedAt.MatchString(text[i:]) {
			return i
		}
		end = i
	}
}

const hidden = "***"

// Reason returns the text of the error of a request, without its URL, which
// stands beside it, and not more than a line of output should have.
func Reason(err error) string {
	if asked, ok := err.(*url.Error); ok {
		err = asked.Err
	}
	return cut(err.Error(), maxReason)
}

// cut returns the first n bytes of text, less a part of a character, and three
// dots. A shorter text it returns unchanged.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}

// A Writer writes results, one line of JSON each. It is for one goroutine.
type Writer struct {
	w    io.Writer
	line bytes.Buffer
	enc  *json.Encoder // to line
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer {
	wr := &Writer{w: w}
	wr.enc = json.NewEncoder(&wr.line)
	wr.enc.SetEscapeHTML(false)
	return wr
}

// maxKept is the most memory that a Writer keeps from one line to the next.
const maxKept = 1 << 20

// Write writes v as one line, in one call of the Write of its io.Writer.
// Everything but spaces that a terminal would not print as a character is
// escaped: encoding/json leaves C1 controls and those that change the direction
// of writing.
func (w *Writer) Write(v any) error {
	if w.line.Cap() > maxKept {
		w.line = bytes.Buffer{}
	}
	w.line.Reset()
	if err := w.enc.Encode(v); err != nil {
		return err
	}
	line := w.line.Bytes()
	if text := line[:len(line)-1]; !isPlain(text) {
		line = append([]byte(Printable(string(text))), '\n')
	}
	_, err := w.w.Write(line)
	return err
}

// isPlain reports whether text has only printable ASCII.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Printable returns text with an escape, as in JSON, in place of each character
// that is not a space and that a terminal would not print. Use it for text that
// others wrote, before it goes to a terminal.
func Printable(text string) string {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case high != utf8.RuneError:
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return string(b)
}

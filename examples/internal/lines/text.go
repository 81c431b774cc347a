package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/abreast-go/abreast/internal/fail"
)

// What is written of a text, in bytes before it is escaped. JSON escapes a byte
// with six at most, so a result fits into any message of 40 kB.
const (
	maxShown  = 4000 // of a URL
	maxReason = 1000 // of an error
)

// Check reports why text is not a URL that can be fetched: it has more than max
// bytes, cannot be parsed, or is not http or https. The error does not quote a
// password.
func Check(text string, max int) error {
	if len(text) > max {
		return fmt.Errorf("the line is longer than %d bytes", max)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil && Shown(text) != text:
		return errors.New("invalid URL (details omitted: they may contain a password)")
	case err != nil:
		return errors.New(Reason(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("a URL that begins with http:// or https:// is needed")
	}
	return nil
}

var (
	scheme = regexp.MustCompile(`^(?:[Hh][Tt][Tt][Pp][Ss]?:)?//`) // no other: it may be a user
	colon  = regexp.MustCompile(`:|%3[Aa]`)
)

// Shown returns what a program may show of a line of its input: all of it,
// unless it is long or may contain a password. Then its number in the list
// tells which line it was.
//
// A password stands between a colon and an "@". Where it begins and ends cannot
// be told from a URL that its author got wrong: https://user:/secret@host is
// valid and has the host "user". So everything before the last "@" is replaced,
// except for the scheme. It is kept if it has no colon: me@example.org and
// https://host/@user are harmless. A user name alone is not, as it may be a
// token. Of a URL that is a value in the query of another, and so escaped, the
// password alone is replaced.
func Shown(text string) string {
	start := len(scheme.FindString(text))
	at := strings.LastIndexByte(text, '@')
	if _, err := url.Parse(text); err != nil {
		at = max(at, strings.LastIndex(text, "%40")) // somebody escaped too much
	}
	if at >= start {
		before := text[start:at]
		isUser := start > 0 && !strings.ContainsAny(before, "/?#")
		if isUser || colon.MatchString(before) {
			text = text[:start] + "***" + text[at:]
		}
	}
	return cut(fail.Value(text), maxShown)
}

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

// Write writes v to w, as one line of JSON, in one call. Everything but spaces
// that a terminal would not print as a character is escaped: encoding/json
// leaves C1 controls and those that change the direction of writing.
func Write(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	_, err := io.WriteString(w, Printable(string(line))+"\n")
	return err
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

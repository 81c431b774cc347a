package fail

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxText is how many bytes of a text that somebody else wrote are shown. It is cut
// last: half a password is one as well.
const MaxText = 8 << 10

// Quoted returns text, which somebody else wrote, as Text does, within quotes if it
// has anything in it that isn't printable.
func Quoted(text string) string {
	text = redact(text, true)
	if isPrintable(text) {
		return cut(text, len(text))
	}
	return `"` + printable(text) + `"`
}

// Printable returns text with escapes, as %q has them, in place of control
// characters, of those that change the direction of writing, and of all else that
// isn't printable.
func Printable(text string) string {
	if isPrintable(text) {
		return text
	}
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if strconv.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(text[:n])
		} else {
			quoted := strconv.Quote(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}

func isPrintable(text string) bool {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}

// printable returns Printable(text), cut.
func printable(text string) string {
	return cut(Printable(text[:min(len(text), MaxText+utf8.UTFMax)]), len(text)) // more can't be shown
}

// cut returns what can be shown of a text that had so many bytes, with a mark if
// that isn't all.
func cut(text string, had int) string {
	if len(text) <= MaxText && had <= MaxText {
		return text
	}
	end := min(len(text), MaxText)
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s... (cut, of %d bytes)", text[:end], had)
}

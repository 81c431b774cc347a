package fail

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxText is the number of bytes that are shown of a text that somebody else
// wrote. A text is cut only after passwords are removed: half a password must
// not be shown either.
const MaxText = 8 << 10

// Quoted returns text, which somebody else wrote, as Text does. It adds quotes
// if something in text is not printable.
func Quoted(text string) string {
	text = redact(text, true)
	if isPrintable(text) {
		return cut(text, len(text))
	}
	return `"` + printable(text) + `"`
}

// Printable returns text with escapes, as in %q, for everything that is not
// printable: control characters, characters that change the writing direction,
// and others.
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

// isPrintable reports whether text is valid UTF-8 and has only printable
// characters.
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
	return cut(Printable(text[:min(len(text), MaxText+utf8.UTFMax)]), len(text)) // the rest would be cut
}

// cut returns the part of text that can be shown, with a mark if something is
// missing. had is the length of the whole text in bytes.
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

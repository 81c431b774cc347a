package pending

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxReason is the number of bytes of a body that the text of a StatusError
// shows.
const maxReason = 200

// reason returns the beginning of the body of a response, in which a server
// says why it refused a request. It is quoted, so that it cannot control a
// terminal or a log. reason returns "" if there is no body, or if the body is
// not text.
//
// It looks at the first 512 bytes of the body at most, because an error may be
// shown many times.
func reason(resp *http.Response, body []byte) string {
	if len(body) == 0 || !isText(resp.Header, body) {
		return ""
	}
	if len(body) > maxReason {
		body = body[:maxReason-cutRune(body[:maxReason])]
	}
	return strconv.Quote(string(body))
}

// isText reports whether the Content-Type of a body, or without one its
// beginning, says that it is text, JSON or XML. A body that is still encoded is
// not text.
func isText(header http.Header, body []byte) bool {
	if coding(header) != "" {
		return false
	}
	kind := header.Get("Content-Type")
	if kind == "" {
		kind = http.DetectContentType(body)
	}
	kind, _, _ = strings.Cut(kind, ";")
	kind, subtype, _ := strings.Cut(strings.ToLower(strings.TrimSpace(kind)), "/")
	if kind == "text" {
		return true
	}
	if plus := strings.LastIndexByte(subtype, '+'); plus >= 0 { // RFC 6839: problem+json
		subtype = subtype[plus+1:]
	}
	return subtype == "json" || subtype == "xml"
}

// coding returns the Content-Encoding of a body that is still encoded, or "".
// net/http removes the header when it decompresses a body.
func coding(header http.Header) string {
	coding := strings.Join(header.Values("Content-Encoding"), ", ")
	if strings.EqualFold(coding, "identity") {
		return ""
	}
	return coding
}

// cutRune returns the number of bytes at the end of text that form an
// incomplete UTF-8 character. It returns 0 if the text before them is not
// UTF-8: then they are characters of another encoding.
func cutRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		start := len(text) - n
		if !utf8.RuneStart(text[start]) {
			continue
		}
		if utf8.FullRune(text[start:]) || !utf8.Valid(text[:start]) {
			return 0
		}
		return n
	}
	return 0
}

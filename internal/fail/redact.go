package fail

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// URL is a text that may be no URL at all, without what may be a password in it.
func URL(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	start := strings.Index(raw[:at], "//")
	if start < 0 {
		return "***" + raw[at:]
	}
	return raw[:start+2] + "***" + raw[at:]
}

// ParseError is the error of url.Parse(raw), without the URL, which whoever
// returns it names, and without the part that it quotes where this may be one of
// a password.
func ParseError(raw string, err error) error {
	var parse *url.Error
	if !errors.As(err, &parse) {
		return err
	}
	if strings.Contains(raw, "@") {
		return errors.New("the URL cannot be parsed (why is not shown: it may quote a password)")
	}
	return parse.Err
}

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`) // as %q writes it
	userinfo = regexp.MustCompile(`//[^\s"'<>]*@`)
)

// Redact returns err with a text that has no userinfo of a URL in it.
func Redact(err error) error {
	text := err.Error()
	if !strings.Contains(text, "@") {
		return err
	}
	var secrets []string
	clean := quoted.ReplaceAllStringFunc(text, func(q string) string {
		start, at := strings.Index(q, "//")+len("//"), strings.LastIndexByte(q, '@')
		if start < len("//") || at < start {
			return q
		}
		secrets = append(secrets, q[start:at])
		return q[:start] + "***" + q[at:]
	})
	// net/url says what is wrong with a URL by quoting the part.
	clean = quoted.ReplaceAllStringFunc(clean, func(q string) string {
		for _, s := range secrets {
			if len(q) > 2 && strings.Contains(s, q[1:len(q)-1]) {
				return `"***"`
			}
		}
		return q
	})
	clean = userinfo.ReplaceAllString(clean, "//***@")
	if clean == text {
		return err
	}
	return &Error{err: err, text: clean}
}

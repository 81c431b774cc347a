package parallel

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/origin"
)

// check returns an error if no transport could send r. The error is reported at
// the call site, and proves that the request was not sent.
func check(r *http.Request) error {
	if err := checkURL(r.URL); err != nil {
		return err
	}
	switch {
	case ask.IsSpent(r.Body):
		return ask.ErrSpent
	case r.Method != "" && !isToken(r.Method):
		return fmt.Errorf("invalid method %q", r.Method)
	case r.RequestURI != "":
		return errors.New("RequestURI is set, as in a request that a server received: set the URL and clear RequestURI")
	}
	if strings.ContainsFunc(r.Host, isControl) {
		return errors.New("invalid Host: it has a control character")
	}
	for key, values := range r.Header {
		if !isToken(key) {
			return fmt.Errorf("invalid header name %q", key)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, isControl) {
				return fmt.Errorf("invalid value for header %q", key)
			}
		}
	}
	return nil
}

// checkURL returns an error if no transport could send a request to u.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "":
		return errors.New("invalid URL: it is relative, and there is no BaseURL")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return errors.New("invalid URL: it has no host")
	case strings.ContainsFunc(u.Host, isControl):
		return errors.New("invalid URL: its host has a control character")
	case origin.TooLong(u):
		return errors.New("invalid URL: its host is too long")
	}
	return nil
}

// isToken reports whether s is a token, as methods and header names must be
// (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isControl reports whether c must not be in a header's value (RFC 9110,
// section 5.5). A CR or LF would end the value, and what follows would be read
// as another header.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

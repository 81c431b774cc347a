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

// check finds what no transport could send, so that it is said at the call site
// and proved not to be sent.
func check(r *http.Request) error {
	if err := checkURL(r.URL); err != nil {
		return err
	}
	switch {
	case ask.IsSpent(r.Body):
		return ask.ErrSpent
	case r.Method != "" && !isToken(r.Method):
		return fmt.Errorf("%q is no method", r.Method)
	case r.RequestURI != "":
		return errors.New("RequestURI is set: this is a request that a server received; set its URL and clear RequestURI")
	}
	if strings.ContainsFunc(r.Host, isControl) {
		return errors.New("the Host has a control character in it")
	}
	for key, values := range r.Header {
		if !isToken(key) {
			return fmt.Errorf("%q is no name of a header", key)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, isControl) {
				return fmt.Errorf("the value of header %q has a control character in it", key)
			}
		}
	}
	return nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "":
		return errors.New("the URL is relative, and there is no BaseURL")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return errors.New("the URL has no host")
	case strings.ContainsFunc(u.Host, isControl):
		return errors.New("the URL's host has a control character in it")
	case origin.TooLong(u):
		return errors.New("the URL's host is too long")
	}
	return nil
}

// isToken reports whether s is a token, as methods and names of headers are
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
// section 5.5): CR and LF would end it, and let what follows pass for another.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// hostOf names the host of a URL as limits count it: name and port.
func hostOf(u *url.URL) string { return origin.Of(u).HostPort() }

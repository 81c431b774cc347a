package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/origin"
)

// A base is a parsed BaseURL.
type base struct {
	url    *url.URL      // nil if there is no BaseURL, or a bad one
	origin origin.Origin // of url
	err    error         // why BaseURL is bad, or nil
}

// parseBase parses a BaseURL. If raw is bad, the base's err says why.
func parseBase(raw string) base {
	if raw == "" {
		return base{}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		err = fail.ParseError(raw, err)
	case u.Scheme == "" || u.Host == "":
		err = errors.New("it has no scheme and host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		err = errors.New("it has a query or a fragment")
	case origin.TooLong(u):
		err = errors.New("its host is too long")
	default:
		origin.Mend(u)
		return base{url: u, origin: origin.Of(u)}
	}
	return base{err: fmt.Errorf("BaseURL: %w", err)}
}

// resolve returns the URL that ref stands for: ref itself if it is absolute,
// and otherwise ref joined to the base.
func (b base) resolve(ref string) (*url.URL, error) {
	if b.err != nil {
		return nil, b.err
	}
	r, err := url.Parse(ref)
	if err != nil || r.IsAbs() {
		return r, err
	}
	if r.Host != "" || r.User != nil || strings.HasPrefix(ref, "//") {
		return nil, errors.New("the reference has a host but no scheme")
	}
	if climbs(r.EscapedPath()) {
		return nil, errors.New(`the reference has a segment "." or ".."; values go into a path through url.PathEscape`)
	}
	return join(b.url, r)
}

// join returns b with the path, query and fragment of r. It joins the escaped
// texts of the two paths at one "/". JoinPath would clean the result and lose
// escapes: "../../admin" would climb out of the base, and "a%2Fb" become "a/b".
func join(b, r *url.URL) (*url.URL, error) {
	u := *b
	u.RawQuery, u.ForceQuery = r.RawQuery, r.ForceQuery
	u.Fragment, u.RawFragment = r.Fragment, r.RawFragment
	ref := r.EscapedPath()
	if ref == "" {
		return &u, nil
	}
	escaped := strings.TrimSuffix(b.EscapedPath(), "/") + "/" + strings.TrimPrefix(ref, "/")
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath = path, escaped
	return &u, nil
}

// climbs reports whether a server may take a segment of an escaped path for "."
// or "..". A server may
//
//   - unescape a path before it splits it at its slashes, as http.ServeMux
//     does,
//   - take a backslash for a slash,
//   - cut off what follows a ";" in a segment, which are path parameters
//     (RFC 3986, section 3.3): Tomcat takes "/..;x/" for "/../", and a proxy
//     before it doesn't.
func climbs(escaped string) bool {
	for segment := range strings.SplitSeq(escaped, "/") {
		text, err := url.PathUnescape(segment)
		if err != nil {
			return true
		}
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '/' || r == '\\' }) {
			name, _, _ := strings.Cut(part, ";")
			if name == "." || name == ".." {
				return true
			}
		}
	}
	return false
}

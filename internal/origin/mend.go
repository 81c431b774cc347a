package origin

import (
	"net/url"
	"strings"
)

// Mend changes what net/http would put onto the wire as it is, although no URL may
// have it, and reports whether there was such a thing. It only scans a URL that is in
// order.
//
//   - A query is escaped as browsers escape it. net/http writes it onto the request
//     line as it is, where a space would end the URL. Escapes stay, and so does a "%"
//     that is none. An opaque URL is treated in the same way.
//   - A path begins with "/". A proxy would be asked for "http://a.testpath".
//
// All else in a path is escaped by net/url. The host stays as it is: see [Dialed].
func Mend(u *url.URL) bool {
	was := *u
	u.RawQuery = escape(u.RawQuery)
	u.Opaque = escape(u.Opaque)
	if u.Host != "" && u.Path != "" && u.Path[0] != '/' && u.Path != "*" {
		u.Path = "/" + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + u.RawPath
		}
	}
	return *u != was
}

// WithoutEmptyPort returns host without a ":" after which there is no port.
func WithoutEmptyPort(host string) string {
	if strings.HasSuffix(host, ":") && strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return host[:len(host)-1]
	}
	return host
}

// WithoutZone returns host without the zone of an IPv6 address, which means something
// on this machine only (RFC 6874, section 4).
func WithoutZone(host string) string {
	zone := strings.IndexByte(host, '%')
	end := strings.LastIndexByte(host, ']')
	if !strings.HasPrefix(host, "[") || zone < 0 || end < zone {
		return host
	}
	return host[:zone] + host[end:]
}

// escape returns query with the characters escaped that a browser escapes in a
// query: the special-query percent-encode set of the WHATWG's URL standard.
func escape(query string) string {
	n := 0
	for i := range len(query) {
		if inSet(query[i]) {
			n++
		}
	}
	if n == 0 {
		return query
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(query)+2*n)
	for i := range len(query) {
		c := query[i]
		if inSet(c) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func inSet(c byte) bool {
	switch c {
	case '"', '#', '\'', '<', '>':
		return true
	}
	return c <= ' ' || c > '~'
}

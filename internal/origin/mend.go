package origin

import (
	"net/url"
	"strings"
)

// Mend corrects the parts of u that net/http would send as they are, although
// they are not valid in a URL. It reports whether it changed anything. For a
// valid URL it only reads.
//
//   - It escapes the query, and an opaque URL, as browsers do. net/http writes
//     the query on the request line as it is, where a space would end the URL.
//     Escapes are kept, and so is a "%" that begins none.
//   - It begins the path with "/". Otherwise, a proxy would be sent
//     "http://a.testpath".
//
// net/url escapes the rest of the path. Mend does not change the host: see
// [Dialed].
func Mend(u *url.URL) bool {
	query, opaque := escape(u.RawQuery), escape(u.Opaque)
	mended := query != u.RawQuery || opaque != u.Opaque
	u.RawQuery, u.Opaque = query, opaque
	if u.Host != "" && u.Path != "" && u.Path[0] != '/' && u.Path != "*" {
		mended = true
		u.Path = "/" + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + u.RawPath
		}
	}
	return mended
}

// WithoutEmptyPort returns host without a ":" at its end.
func WithoutEmptyPort(host string) string {
	if strings.HasSuffix(host, ":") && strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return host[:len(host)-1]
	}
	return host
}

// WithoutZone returns host without the zone of an IPv6 address. A zone has a
// meaning only on this machine (RFC 6874, section 4).
func WithoutZone(host string) string {
	zone := strings.IndexByte(host, '%')
	end := strings.LastIndexByte(host, ']')
	if !strings.HasPrefix(host, "[") || zone < 0 || end < zone {
		return host
	}
	return host[:zone] + host[end:]
}

// escape returns query with escapes for the characters that browsers escape in
// a query: the special-query percent-encode set of the WHATWG URL standard.
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

// inSet reports whether escape must escape c.
func inSet(c byte) bool {
	switch c {
	case '"', '#', '\'', '<', '>':
		return true
	}
	return c <= ' ' || c > '~'
}

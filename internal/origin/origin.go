// Package origin tells where a URL leads. Credentials, limits and the gate all ask
// it, so that none of them takes two hosts for one, or one host for two.
package origin

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
)

// An Origin is the identity of where a URL leads (RFC 6454). Two of them are equal
// if net/http would dial the same host and port, and speak the same scheme there.
// It is a valid map key.
type Origin struct {
	Scheme string // in lower case
	Host   string // in ASCII and lower case; an IP address in its usual form
	Port   string // the scheme's default filled in; empty if the scheme has none
}

// Of returns the origin of u.
//
// For a host that is ASCII and in lower case it allocates nothing. Folding by Unicode,
// as strings.EqualFold does, would be wrong for the others: it takes βόλος and βόλοσ,
// straße and straẞe for one host each, and they are different hosts to IDNA.
//
// A trailing dot counts: a resolver may look for "a.test" in its search domains, and
// looks for "a.test." in none. A name that IDNA refuses equals nothing but itself.
func Of(u *url.URL) Origin {
	o := Origin{Scheme: strings.ToLower(u.Scheme), Host: ascii(u), Port: u.Port()}
	if isASCII(o.Host) {
		o.Host = canonical(o.Host)
	}
	switch {
	case o.Port != "":
		o.Port = number(o.Port)
	case o.Scheme == "http":
		o.Port = "80"
	case o.Scheme == "https":
		o.Port = "443"
	}
	return o
}

// HostPort returns the host and the port of o as one text.
func (o Origin) HostPort() string {
	return net.JoinHostPort(o.Host, cmp.Or(o.Port, o.Scheme))
}

// MaxUnicode is the longest host in bytes, of those that are not ASCII, for which IDNA
// is asked. A name of the DNS has at most 253 bytes, and fewer characters. The time that
// IDNA takes grows with the square of the length: a host of 60 kB takes seconds.
const MaxUnicode = 1024

// TooLong reports whether the host of u is not ASCII and longer than [MaxUnicode]. Such
// a URL must not come to net/http, which has no such limit.
func TooLong(u *url.URL) bool {
	return len(u.Host) > MaxUnicode && !isASCII(u.Host)
}

// Dialed returns the Host of u, its port included, with the name in the form in which
// net/http dials it. It leaves out an empty port: "Host: a.test:" is not what a server
// knows itself by (RFC 3986, section 6.2.3).
//
// Only what is sent is to have this form. In a text it would hide what a URL was: that of
// "http://https://user:secret@h" has the host "https:".
func Dialed(u *url.URL) string {
	if isASCII(u.Host) {
		return WithoutEmptyPort(u.Host)
	}
	host, port := ascii(u), u.Port()
	if !isASCII(host) {
		return WithoutEmptyPort(u.Host)
	}
	if port != "" {
		host += ":" + port
	}
	return host
}

// ascii returns the host of u, without its port, in the form in which net/http dials it.
// It returns a host that has no such form as it is.
//
// The ASCII form of an internationalized name is a matter of large tables, which
// net/http has and doesn't export. It tells the form in two places: in the Host header
// that Request.Write writes, and in the address that a Transport says it wants a
// connection to. The two differ, since Request.Write maps no character to another: for
// "BÜCHER.example" it writes another name than the Transport dials. What is dialed
// counts. So a Transport that cannot dial is asked for a connection.
func ascii(u *url.URL) string {
	host := u.Hostname()
	if isASCII(host) || TooLong(u) {
		return host
	}
	var addr string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GetConn: func(hostPort string) { addr = hostPort },
	})
	cannotDial := http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("not to be dialed")
		},
	}
	req := &http.Request{URL: &url.URL{Scheme: "http", Host: u.Host}, Header: make(http.Header)}
	if resp, err := cannotDial.RoundTrip(req.WithContext(ctx)); err == nil {
		resp.Body.Close()
	}
	if dialed, _, err := net.SplitHostPort(addr); err == nil && isASCII(dialed) {
		return dialed
	}
	return host
}

// canonical returns the one form of a host that is ASCII: names in lower case, and
// an IPv6 address in the form of RFC 5952. An IPv4 address within IPv6 is the IPv4
// address, as which package net dials it. The zone of an address is the name of an
// interface, and keeps its case.
func canonical(host string) string {
	if strings.Contains(host, ":") {
		if addr, err := netip.ParseAddr(host); err == nil {
			if addr.Zone() == "" {
				addr = addr.Unmap()
			}
			return addr.String()
		}
		return host
	}
	return strings.ToLower(host)
}

// number returns a port without leading zeros, as package net reads it.
func number(port string) string {
	for len(port) > 1 && port[0] == '0' {
		port = port[1:]
	}
	return port
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

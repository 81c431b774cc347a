// Package origin determines where a URL leads. Credentials, limits and the gate
// all use it, so that none of them mistakes two hosts for one, or one host for
// two.
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

// An Origin identifies where a URL leads (RFC 6454). Two Origins are equal if
// and only if net/http would dial the same host and port with the same scheme.
// An Origin is a valid map key.
type Origin struct {
	Scheme string // in lower case
	Host   string // in ASCII and lower case; an IP address in its canonical form
	Port   string // explicit or the scheme's default; empty if the scheme has no default
}

// Of returns the origin of u. It allocates nothing if the host is ASCII and in
// lower case.
//
// Case is folded by IDNA and not by Unicode, as strings.EqualFold would.
// EqualFold treats βόλος and βόλοσ as one host, but they are different hosts to
// IDNA.
//
// A trailing dot counts: a resolver may look for "a.test" in its search
// domains, but not for "a.test.". A name that IDNA refuses equals only itself.
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

// HostPort returns the host and the port of o in one text.
func (o Origin) HostPort() string {
	return net.JoinHostPort(o.Host, cmp.Or(o.Port, o.Scheme))
}

// MaxUnicode is the maximum length in bytes of a host that is not ASCII. A name
// in the DNS has at most 253 bytes, and fewer characters. The time that IDNA
// takes grows with the square of the length: a host of 60 kB takes seconds.
const MaxUnicode = 1024

// TooLong reports whether the host of u is not ASCII and longer than
// [MaxUnicode]. Such a URL must not reach net/http, which has no such limit.
func TooLong(u *url.URL) bool {
	return len(u.Host) > MaxUnicode && !isASCII(u.Host)
}

// Dialed returns the Host of u, including its port, with the name in the form
// in which net/http dials it. It leaves out an empty port, because a server
// does not know itself by "Host: a.test:" (RFC 3986, section 6.2.3).
//
// Use this form only for what is sent. In a text it would hide what the URL
// was: "http://https://user:secret@h" has the host "https:".
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

// ascii returns the host of u, without its port, in the form in which net/http
// dials it. If the host has no such form, ascii returns it unchanged.
//
// The ASCII form of an internationalized name depends on large tables, which
// net/http has but does not export. It reveals the form in two places: in the
// Host header that Request.Write writes, and in the address to which a
// Transport wants a connection. They can differ, because Request.Write maps no
// character to another: for "BÜCHER.example" it writes a name that the
// Transport does not dial. The dialed name counts, so ascii requests a
// connection from a Transport that cannot dial.
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
			return nil, errors.New("this transport cannot dial")
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

// canonical returns the canonical form of an ASCII host. Names are in lower
// case, and IPv6 addresses in the form of RFC 5952. An IPv4 address within IPv6
// becomes the IPv4 address, because package net dials it as such. The zone of
// an address is the name of an interface and keeps its case.
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

// number returns port without leading zeros, as package net reads it.
func number(port string) string {
	for len(port) > 1 && port[0] == '0' {
		port = port[1:]
	}
	return port
}

// isASCII reports whether s has only ASCII characters.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

package conns

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// NotSent reports whether it is proved that nothing was transmitted of the
// request, whose error is err. These rules keep it from claiming too much:
//
//   - A hop that was answered was sent.
//   - Somebody may send another request with the same context, and want a
//     connection for that. So the connection must be wanted to the address of
//     the hop, or to the proxy that it goes through.
//   - A transport of another type than *http.Transport may send the request in
//     its own way, and besides want a connection to the same address (for a
//     log, perhaps). So its error must be that of a connection that could not
//     be made.
//   - A connection that was got may have been written to, unless net/http says
//     that it was closed while it was idle, and no header was written.
//
// The caller knows whether something of the body was read. NotSent may run user
// code: the transport's Proxy, and the methods of err.
func (c *Conns) NotSent(err error) bool {
	c.mu.Lock()
	wanted, got, wrote, answered := c.wanted, c.got, c.wrote, c.answered
	first, hop, by := c.first, c.hop, c.by
	var others []string
	var failed error
	if o := c.opening; o != nil {
		others, failed = o.others, o.failed
	}
	c.mu.Unlock()
	switch {
	case answered || redirected(err, first):
		return false
	case !wanted && !throughProxy(hop, by, others):
		return false
	case !got:
		return by != nil || c.unconnected(err, failed)
	}
	return !wrote && ClosedIdle(err) && fits(hop, by)
}

// ClosedIdle reports whether err is net/http's error for a request whose
// connection the server had closed, or closed before it answered, after another
// request. net/http does not export it (golang/go 15723).
func ClosedIdle(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "http: server closed idle connection" {
			return true
		}
	}
	return false
}

// unconnected reports whether err says that a connection could not be made, or
// that the time for it is over. failed is the error of the last dial or TLS
// handshake that failed, or nil. If the transport does not dial with
// DialContext, the error of a dial is not known, and err counts only if it is
// an error of package net.
func (c *Conns) unconnected(err, failed error) bool {
	if failed != nil && errors.Is(err, failed) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if c.Err() != nil && (errors.Is(err, c.Err()) || errors.Is(err, context.Cause(c))) {
		return true
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Op == "dial" || op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks")
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return true
	}
	var t interface{ Timeout() bool } // a TLS handshake's, or the Timeout of an http.Client
	return errors.As(err, &t) && t.Timeout()
}

// redirected reports whether err, of an http.Client, names another URL than
// first has.
func redirected(err error, first *http.Request) bool {
	ue, ok := err.(*url.Error)
	if !ok {
		return false
	}
	if first == nil || first.URL == nil {
		return true
	}
	if first.URL.User == nil {
		return ue.URL != first.URL.String()
	}
	u, err := url.Parse(ue.URL) // with its password replaced
	if err != nil {
		return true
	}
	was := *first.URL
	u.User, was.User = nil, nil
	return u.String() != was.String()
}

// throughProxy reports whether hop goes through a proxy that is at one of
// addrs. The proxy is that of by. If by is nil, because it is not known which
// transport sends hop, it is that of the environment.
func throughProxy(hop *http.Request, by *http.Transport, addrs []string) bool {
	if len(addrs) == 0 || hop == nil {
		return false
	}
	proxy := http.ProxyFromEnvironment
	if by != nil {
		proxy = by.Proxy
	}
	if proxy == nil {
		return false
	}
	u, err := proxy(hop)
	if u == nil || err != nil {
		return false
	}
	t := targetOf(u)
	for _, addr := range addrs {
		if t.is(addr) {
			return true
		}
	}
	return false
}

// fits reports whether the head of the request fits into the write buffer of
// by. net/http calls a hook only after it has written a part of the head, or
// all of it, to the buffer. If the head does not fit, a part may have been
// transmitted without a call. If by is nil, a buffer of half a KiB is assumed.
func fits(hop *http.Request, by *http.Transport) bool {
	buffer := 512
	if by != nil {
		if buffer = by.WriteBufferSize; buffer <= 0 {
			buffer = 4 << 10 // net/http's default
		}
	}
	if hop == nil || hop.URL == nil {
		return false
	}
	const around = len("  HTTP/1.1\r\nHost: \r\n")
	// A proxy is sent the whole URL.
	head := len(hop.Method) + len(hop.URL.String()) + max(len(hop.Host), len(hop.URL.Host)) + around
	if by == nil { // then there is a call for each field
		return head < buffer
	}
	head += 256 // what net/http adds: User-Agent, Content-Length, Accept-Encoding, Connection
	for name, values := range hop.Header {
		for _, v := range values {
			head += len(name) + len(v) + len(": \r\n")
		}
	}
	for name := range hop.Trailer { // in a field Trailer
		head += len(name) + len(",")
	}
	if by.Proxy != nil {
		if proxy, err := by.Proxy(hop); err == nil && proxy != nil && proxy.User != nil {
			head += 2 * len(proxy.User.String()) // in base64
		}
	}
	return head < buffer
}

package conns

import (
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// setHooks sets the hooks of c. Each hook then calls that of old, which may be
// nil. httptrace.WithClientTrace does the same by reflection, which takes
// longer than all other work of this package.
func (c *Conns) setHooks(method string, old *httptrace.ClientTrace) {
	h := &c.hooks
	if old != nil {
		*h = *old
	}
	h.GetConn = then1(c.getConn, h.GetConn)
	h.GotConn = then1(c.gotConn, h.GotConn)
	h.TLSHandshakeStart = then(c.handshakeStart, h.TLSHandshakeStart)
	h.TLSHandshakeDone = then2(c.handshakeDone, h.TLSHandshakeDone)
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		// net/http sends these again if the connection was closed before a
		// header was written. The hook would cost an allocation for each
		// header.
		c.wrote = true
	default:
		c.fields = h.WroteHeaderField == nil
		h.WroteHeaderField = then2(c.wroteHeaderField, h.WroteHeaderField)
		h.WroteHeaders = then(c.wroteHeaders, h.WroteHeaders)
	}
	if c.Clock == nil {
		return
	}
	h.WroteHeaders = then(c.Clock.Progress, h.WroteHeaders)
	h.GotFirstResponseByte = then(c.gotFirstResponseByte, h.GotFirstResponseByte)
	// With this hook, net/http no longer limits the number of responses 1xx.
	// That lets a server do no more than it can with a body that comes byte by
	// byte: Timeout limits both.
	next := h.Got1xxResponse
	h.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
		c.Clock.Progress()
		if next == nil {
			return nil
		}
		return next(code, header)
	}
}

// skipFieldsLocked removes the hook that is called for each field of a header,
// with a slice that is allocated for it. It is called before the first hop is
// sent. The hook that is called after all fields is enough if the transport
// writes nothing before: see fits.
func (c *Conns) skipFieldsLocked() {
	if c.fields {
		c.hooks.WroteHeaderField = nil
	}
}

// then returns a hook that calls f and then g, which may be nil.
func then(f, g func()) func() {
	if g == nil {
		return f
	}
	return func() { f(); g() }
}

func then1[A any](f, g func(A)) func(A) {
	if g == nil {
		return f
	}
	return func(a A) { f(a); g(a) }
}

func then2[A, B any](f, g func(A, B)) func(A, B) {
	if g == nil {
		return f
	}
	return func(a A, b B) { f(a, b); g(a, b) }
}

package conns

import (
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// setHooks sets the hooks of c. Each hook also calls the watcher, if it has a
// method for it, and then the hook of old, which may be nil.
// httptrace.WithClientTrace does the same by reflection, which takes longer
// than all other work of this package.
func (c *Conns) setHooks(method, scheme string, old *httptrace.ClientTrace) {
	h := &c.hooks
	if old != nil {
		*h = *old
	}
	h.GetConn = then1(c.getConn, h.GetConn)
	h.GotConn = then1(c.gotConn, h.GotConn)
	if c.shakes = scheme != "http"; c.shakes {
		c.hookTLS(h)
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		// net/http sends these again if the connection was closed before a
		// header was written. The hook would cost an allocation for each
		// header.
		c.wrote = true
	default:
		h.WroteHeaders = then(c.wroteHeaders, h.WroteHeaders)
		if c.fields = h.WroteHeaderField == nil; !c.fields {
			h.WroteHeaderField = then2(c.wroteHeaderField, h.WroteHeaderField)
		}
	}
	if w := c.watcher; w != nil {
		h.WroteRequest = then1(w.WroteRequest, h.WroteRequest)
		h.GotFirstResponseByte = then(w.GotFirstResponseByte, h.GotFirstResponseByte)
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

// trace returns the hooks of c for someone who looks them up in its context.
//
// The hooks for a dial are left out while none of them can be called, so that a
// request on a kept connection does not pay for them. An *http.Transport looks
// the hooks up before it dials, and again before it writes a request. It may
// dial even after the request has got another connection. It calls only those
// for TLS: a net.Dialer finds its hooks by another key. But a user's
// DialContext may call all, and so may a transport of another type.
//
// The hook for each field of a header is left out once it is known that the
// transport is an *http.Transport. net/http allocates a slice for each call.
func (c *Conns) trace() *httptrace.ClientTrace {
	if c.kept.Load() {
		return &c.hooks
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shakes && c.watcher == nil && !c.fields {
		return &c.hooks
	}
	if c.all == nil {
		all := c.hooks
		if c.fields {
			all.WroteHeaderField = c.wroteHeaderField
		}
		if !c.shakes {
			c.hookTLS(&all)
		}
		if w := c.watcher; w != nil {
			all.DNSStart = then1(w.DNSStart, all.DNSStart)
			all.DNSDone = then1(w.DNSDone, all.DNSDone)
			all.ConnectStart = then2(w.ConnectStart, all.ConnectStart)
			all.ConnectDone = then3(w.ConnectDone, all.ConnectDone)
		}
		c.all = &all
	}
	return c.all
}

// keptLocked sets kept, after a change of what it depends on.
func (c *Conns) keptLocked() {
	if kept := c.by != nil && !c.getting && (!c.secure || c.shakes); kept != c.kept.Load() {
		c.kept.Store(kept)
	}
}

// hookTLS adds to h the hooks for TLS handshakes. They are two allocations.
func (c *Conns) hookTLS(h *httptrace.ClientTrace) {
	h.TLSHandshakeStart = then(c.handshakeStart, h.TLSHandshakeStart)
	h.TLSHandshakeDone = then2(c.handshakeDone, h.TLSHandshakeDone)
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

func then3[A, B, C any](f, g func(A, B, C)) func(A, B, C) {
	if g == nil {
		return f
	}
	return func(a A, b B, c C) { f(a, b, c); g(a, b, c) }
}

package client

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/origin"
)

// A gate makes https requests to one host wait until the first of them has a
// connection. net/http dials for each request that finds no connection. It
// learns only from the first handshake whether the host speaks HTTP/2, where
// one connection would have served all requests: without the gate, a hundred
// requests on a cold start dial a hundred times.
//
// If the host speaks HTTP/1, the gate opens at the same moment. The others then
// dial, one handshake later than without the gate. They do not wait for the
// first response, which may be slow.
type gate struct {
	mu    sync.Mutex
	leads map[place]*lead // of each place with requests in flight; guarded by mu
}

// gates is the gate of all transports. There is one for the process because a
// transport may serve many blocks of many clients. It keeps no transport alive:
// a lead is removed with the last request in flight to its place.
var gates gate

// A place is an origin as one transport reaches it.
type place struct {
	transport any // comparable
	origin    origin.Origin
}

// A lead belongs to the first request in flight to a place. Later requests join
// it, and wait until it is over. A request that joins a lead that is over does
// not wait. When no request to the place is in flight, the lead is removed, and
// the next request makes a new one.
type lead struct {
	requests int           // all that have joined, the first included; guarded by gate.mu
	over     chan struct{} // closed by end
	end      func()        // may be called many times
	shaken   atomic.Bool   // the first has a handshake behind it: see handshakeDone
}

// patience is the longest time for which the first request to a place makes the
// others wait. It is a variable for tests.
var patience = 250 * time.Millisecond

// roundTrip sends req through next. id is the key of next in a place.
//
// If next is a *http.Transport, req waits here, before next is called. (Waiting
// in the hook GetConn, as traced does, would cost each request a trace.)
func (g *gate) roundTrip(next http.RoundTripper, id any, req *http.Request) (*http.Response, error) {
	at := place{id, origin.Of(req.URL)}
	if _, direct := next.(*http.Transport); !direct {
		return g.traced(next, at, req)
	}
	l, first := g.enter(at)
	defer g.leave(at, l)
	if first {
		defer l.end()
		defer time.AfterFunc(patience, l.end).Stop()
		conns.Gets(req.Context())
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { l.end() },
		}))
		return next.RoundTrip(req)
	}
	select {
	case <-l.over:
	case <-req.Context().Done():
	}
	if err := req.Context().Err(); err != nil {
		// The request was never sent. A part of the proof is that it wanted a
		// connection. next would report that, but is not called. If next is
		// called, nothing is reported here: a protocol that is registered with
		// next may need no connection.
		conns.Wanted(req.Context())
		closeBody(req)
		return nil, err
	}
	return next.RoundTrip(req)
}

// traced sends req through next, which is not a *http.Transport. next may wrap
// one, or have nothing to do with net/http. A *http.Transport calls the
// httptrace hook GetConn before it looks for a connection, on the goroutine of
// the request. So the request waits within that hook. If next does not call the
// hook, the request does not wait.
func (g *gate) traced(next http.RoundTripper, at place, req *http.Request) (*http.Response, error) {
	w := &wrapped{gate: g, at: at}
	defer w.leave()
	ctx := req.Context()
	return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:          func(string) { w.getConn(ctx) },
		GotConn:          w.gotConn,
		TLSHandshakeDone: func(tls.ConnectionState, error) { w.handshakeDone() },
	})))
}

// A wrapped is a request that is sent through a transport of another type than
// *http.Transport. Such a transport may call the hooks on any goroutine,
// several times, and even after its RoundTrip has returned. Only the first call
// of GetConn counts, and none that comes after RoundTrip has returned.
type wrapped struct {
	gate *gate
	at   place

	mu    sync.Mutex  // guards the fields below; held while gate.mu is acquired
	lead  *lead       // the lead that the request has joined, or nil
	timer *time.Timer // ends the lead after patience; nil unless the request is the first
	left  bool        // RoundTrip has returned
}

// getConn joins the lead of the request's place. Unless the request is the
// first, it waits until the lead is over or ctx is done.
func (w *wrapped) getConn(ctx context.Context) {
	if l := w.enter(); l != nil {
		select {
		case <-l.over:
		case <-ctx.Done():
		}
	}
}

// enter joins the lead and returns it, or returns nil if there is nothing to
// wait for.
func (w *wrapped) enter() *lead {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lead != nil || w.left {
		return nil
	}
	l, first := w.gate.enter(w.at)
	w.lead = l
	if first {
		w.timer = time.AfterFunc(patience, l.end)
		return nil
	}
	if l.shaken.Load() {
		return nil
	}
	return l
}

// handshakeDone lets requests pass that come from now on, if the request is the
// first. net/http also calls GetConn for a request that finds an HTTP/2
// connection, and holds the lock of its HTTP/2 connections meanwhile. The first
// request needs that lock to report its connection, so a request that waited
// there would wait for itself. There is no such connection before the handshake
// is done.
func (w *wrapped) handshakeDone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.lead.shaken.Store(true)
	}
}

// gotConn ends the lead if the request is the first.
//
// net/http gives a new HTTP/2 connection to the first request just before it
// puts the connection into its pool. The others, which wait within GetConn,
// could look into the pool in between, and all of them would dial. On a busy
// machine that happens. So the lead ends ten milliseconds later. (Requests that
// wait in roundTrip look elsewhere, and find the connection at once.)
func (w *wrapped) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil || w.left {
		return
	}
	if c, ok := info.Conn.(*tls.Conn); ok && !info.Reused && c.ConnectionState().NegotiatedProtocol == "h2" {
		w.timer.Reset(10 * time.Millisecond)
		return
	}
	w.timer.Stop()
	w.lead.end()
}

// leave leaves the lead, and ends it if the request is the first. From then on
// getConn does nothing.
func (w *wrapped) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	if w.timer != nil {
		w.timer.Stop()
		w.lead.end()
	}
	if w.lead != nil {
		w.gate.leave(w.at, w.lead)
	}
}

// enter joins the lead at a place and returns it. It reports whether the
// request is the first, which made the lead and must end it.
func (g *gate) enter(at place) (l *lead, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l = g.leads[at]
	if l == nil {
		if g.leads == nil {
			g.leads = make(map[place]*lead)
		}
		over := make(chan struct{})
		l = &lead{over: over, end: sync.OnceFunc(func() { close(over) })}
		g.leads[at] = l
		first = true
	}
	l.requests++
	return l, first
}

// leave must be called once for each enter, when the request has an answer or
// has failed. It removes the lead with its last request.
func (g *gate) leave(at place, l *lead) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.requests--; l.requests == 0 {
		delete(g.leads, at)
	}
}

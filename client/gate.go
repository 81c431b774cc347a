package client

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/origin"
)

// A gate lets the first of many https requests to a host go ahead of the others,
// until it has a connection. net/http dials for each request that finds no
// connection, and learns only from the first handshake that one connection would
// have done for all, if it is one of HTTP/2: a hundred requests on a cold start
// dial a hundred times.
//
// The gate opens for HTTP/1 at the same moment. The others dial then, a handshake
// later than they would have. It does not stay closed until the first response,
// which may be slow.
type gate struct {
	mu    sync.Mutex
	leads map[place]*lead // guarded by mu
}

// gates is the gate of all transports. It is one for the process because a
// transport may serve many blocks of many clients. It has a lead only of places
// that requests are on their way to, so it keeps no transport alive.
var gates gate

// A place is an origin as one transport reaches it.
type place struct {
	transport any // comparable
	origin    origin.Origin
}

// A lead is held by the first request to a place. The requests that come while it
// is in flight join the lead, and wait until it is over.
type lead struct {
	requests int           // with the first; guarded by gate.mu
	over     chan struct{} // closed by end
	end      func()
}

// patience is how long a first request that has no connection yet may hold the
// others.
const patience = 250 * time.Millisecond

// roundTrip sends req through next, which id stands for. If next is a
// *http.Transport, req waits before it is given to next.
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
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { l.end() },
		}))
		return next.RoundTrip(req)
	}
	conns.Wanted(req.Context()) // as next says, unless the context is done when it is called
	select {
	case <-l.over:
		return next.RoundTrip(req)
	case <-req.Context().Done():
		closeBody(req)
		return nil, req.Context().Err()
	}
}

// traced sends req through next, which is not a *http.Transport. It may be a
// wrapper around one, or may have nothing to do with net/http. The hook GetConn
// tells: a *http.Transport calls it before it looks for a connection, on the
// goroutine of the request, so the request waits in the hook. Through a transport
// that calls no hook, requests do not wait.
func (g *gate) traced(next http.RoundTripper, at place, req *http.Request) (*http.Response, error) {
	w := &wrapped{gate: g, at: at}
	defer w.leave()
	ctx := req.Context()
	return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.getConn(ctx) },
		GotConn: func(httptrace.GotConnInfo) { w.gotConn() },
	})))
}

// A wrapped is a request that goes through a transport of another type than
// *http.Transport, which may call the hooks on any goroutine, several times, and
// after its RoundTrip has returned. The first call of GetConn is the one that
// counts.
type wrapped struct {
	gate *gate
	at   place

	mu    sync.Mutex
	lead  *lead       // that the request has joined, or nil; guarded by mu, as are the next two
	timer *time.Timer // ends the lead, if the request holds it
	left  bool        // its RoundTrip has returned
}

// getConn joins the lead at its place. It waits until that is over or ctx is done,
// unless the request is the first and holds the lead.
func (w *wrapped) getConn(ctx context.Context) {
	if l := w.enter(); l != nil {
		select {
		case <-l.over:
		case <-ctx.Done():
		}
	}
}

// enter returns the lead to wait for, or nil.
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
	return l
}

// gotConn ends the lead, if the request holds it.
func (w *wrapped) gotConn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.lead.end()
	}
}

// leave is called when RoundTrip has returned.
func (w *wrapped) leave() {
	w.gotConn()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	if w.lead != nil {
		w.gate.leave(w.at, w.lead)
	}
}

// enter joins the requests to a place, as the first of them or behind that.
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

// leave is called when a request that entered was answered, or failed.
func (g *gate) leave(at place, l *lead) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.requests--; l.requests == 0 {
		delete(g.leads, at)
	}
}

package client

import (
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/internal/origin"
)

// A gate has the first of many https requests to a host go ahead of the others, until
// it has a connection. net/http dials for each request that finds no connection, and
// learns from the first handshake only that one would have done for all, that of
// HTTP/2: a hundred requests on a cold start dial a hundred times.
//
// It opens for HTTP/1 at the same moment: then the others dial, a handshake later than
// they would have. It doesn't stay closed until the first response, which may be slow.
type gate struct {
	next http.RoundTripper

	mu    sync.Mutex
	hosts map[origin.Origin]*lead // those that requests are on their way to; guarded by mu
}

// A lead is that of the first request to a host, of those that are on their way.
type lead struct {
	requests int           // with the first; guarded by gate.mu
	over     chan struct{} // closed by end
	end      func()
}

// patience is how long a first request that has no connection yet may hold the others.
const patience = 250 * time.Millisecond

func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	host := origin.Of(req.URL)
	l, first := g.enter(host)
	defer g.leave(host, l)
	if first {
		defer l.end()
		defer time.AfterFunc(patience, l.end).Stop()
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { l.end() },
		}))
		return g.next.RoundTrip(req)
	}
	conns.Wanted(req.Context()) // as the transport would say
	select {
	case <-l.over:
		return g.next.RoundTrip(req)
	case <-req.Context().Done():
		closeBody(req)
		return nil, req.Context().Err()
	}
}

// enter joins the requests to host, as the first of them or behind that.
func (g *gate) enter(host origin.Origin) (l *lead, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l = g.hosts[host]
	if l == nil {
		if g.hosts == nil {
			g.hosts = make(map[origin.Origin]*lead)
		}
		over := make(chan struct{})
		l = &lead{over: over, end: sync.OnceFunc(func() { close(over) })}
		g.hosts[host] = l
		first = true
	}
	l.requests++
	return l, first
}

// leave is called when a request that entered was answered, or failed.
func (g *gate) leave(host origin.Origin, l *lead) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.requests--; l.requests == 0 {
		delete(g.hosts, host)
	}
}

package conns

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/abreast-go/abreast/internal/lifetime"
)

// A Watcher is told what happens to the connections of a request. Its methods
// are hooks of an httptrace.ClientTrace.
type Watcher interface {
	GetConn(hostPort string)
	DNSStart(httptrace.DNSStartInfo)
	DNSDone(httptrace.DNSDoneInfo)
	ConnectStart(network, addr string)
	ConnectDone(network, addr string, err error)
	TLSHandshakeStart()
	TLSHandshakeDone(tls.ConnectionState, error)
	GotConn(httptrace.GotConnInfo)
	WroteRequest(httptrace.WroteRequestInfo)
	GotFirstResponseByte()
}

// A Watched is a context with a Watcher. To anyone who looks up the hooks of
// httptrace in it, it is what httptrace.WithClientTrace returns. A Conns calls
// the Watcher itself instead. Hooks for each request would be 25 allocations,
// of which httptrace makes a part by reflection.
//
// The zero value is not ready to use. A Watched must not be copied.
type Watched struct {
	context.Context
	Watcher Watcher

	hooked atomic.Pointer[context.Context] // Context with the hooks of Watcher; nil until withHooks
	shared atomic.Bool                     // somebody has looked up the hooks
}

// watchedKey is the key of a Watched.
type watchedKey struct{}

// WatchedIn returns the Watched that ctx is made from, or nil if there is none.
// It also returns nil if somebody has looked up its hooks, and may have made
// them a part of other hooks: ctx has these. The Watcher would be told twice.
func WatchedIn(ctx context.Context) *Watched {
	w, ok := ctx.Value(watchedKey{}).(*Watched)
	if !ok || w.shared.Load() {
		return nil
	}
	return w
}

func (w *Watched) Value(k any) any {
	switch k {
	case watchedKey{}:
		return w
	case traceKey:
		w.shared.Store(true)
		return w.withHooks().Value(k)
	case dialerKey:
		return w.withHooks().Value(k)
	}
	return w.Context.Value(k)
}

// withHooks returns w.Context with the hooks of the Watcher.
func (w *Watched) withHooks() context.Context {
	if w.hooked.Load() == nil {
		to := w.Watcher
		hooked := httptrace.WithClientTrace(w.Context, &httptrace.ClientTrace{
			GetConn:              to.GetConn,
			DNSStart:             to.DNSStart,
			DNSDone:              to.DNSDone,
			ConnectStart:         to.ConnectStart,
			ConnectDone:          to.ConnectDone,
			TLSHandshakeStart:    to.TLSHandshakeStart,
			TLSHandshakeDone:     to.TLSHandshakeDone,
			GotConn:              to.GotConn,
			WroteRequest:         to.WroteRequest,
			GotFirstResponseByte: to.GotFirstResponseByte,
		})
		w.hooked.CompareAndSwap(nil, &hooked) // otherwise another goroutine came first
	}
	return *w.hooked.Load()
}

// traceKey is the key under which httptrace keeps the hooks in a context.
var traceKey = lifetime.KeyAsked(func(ctx context.Context) { httptrace.ContextClientTrace(ctx) })

// dialerKey is the key under which httptrace keeps the hooks that a net.Dialer
// calls. A Dialer asks for it before it finds that the network is unknown.
var dialerKey = lifetime.KeyAsked(func(ctx context.Context) { new(net.Dialer).DialContext(ctx, "unknown", "") })

// Package conns tracks the connections of one request: whether a byte of the request can
// have left, and what is still being dialed when the request fails.
//
// Package parallel makes a [Conns] for each request. Package client tells it, by the
// context of the request, what httptrace doesn't show: a request that waits before the
// transport ([Wanted]), a hop that was answered ([Answered]), and a callback that sends
// requests of its own ([Unwatched]).
package conns

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/hops"
)

// A Conns tracks the connections of one request as net/http makes them: by httptrace,
// and, where the transport dials with [DialContext], the dials. It knows whether a byte
// of the request can have left, and ends the dials and TLS handshakes of a request that
// fails. (net/http lets them go on, so that a later request finds a connection. So does
// a request here that succeeds with another connection.)
//
// A Conns is also the context that the request is sent with, so that the functions of
// this package find it.
type Conns struct {
	context.Context
	hooks httptrace.ClientTrace

	mu sync.Mutex

	// Guarded by mu.
	hops        hops.Waiter                    // the request, until it is done
	wanted, got bool                           // a connection, ever
	givenUp     bool                           // the request failed
	dials       fifo.Queue[context.CancelFunc] // under way
	dialled     []net.Conn                     // not known to be in use
	shaking     bool                           // one of dialled is in its TLS handshake
}

// New returns the Conns of a request, for which w waits before each hop.
func New(w hops.Waiter) *Conns { return &Conns{hops: w} }

// Watch returns the context that the request is sent with: ctx, with c in it.
func (c *Conns) Watch(ctx context.Context) context.Context {
	c.Context = ctx
	c.hooks = httptrace.ClientTrace{
		GetConn:           c.getConn,
		GotConn:           c.gotConn,
		TLSHandshakeStart: c.handshakeStart,
		TLSHandshakeDone:  c.handshakeDone,
	}
	return httptrace.WithClientTrace(c, &c.hooks)
}

// key is the key under which the context of a request has its Conns.
type key struct{}

// Value returns c for a key, and the context's value for any other.
func (c *Conns) Value(k any) any {
	switch k {
	case key{}:
		return c
	case hops.Key{}:
		return c.waiter()
	}
	return c.Context.Value(k)
}

// waiter returns the request that ctx is for, nil once it is done.
func (c *Conns) waiter() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hops
}

// Release lets go of the request: a response that is kept keeps c, as the context of
// its Request.
func (c *Conns) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hops = nil
}

// Wanted says that the request that is sent with ctx waits for a connection.
func Wanted(ctx context.Context) {
	if c, ok := ctx.Value(key{}).(*Conns); ok {
		c.getConn("")
	}
}

// Answered says that a hop of the request that is sent with ctx was answered, and so
// was sent.
func Answered(ctx context.Context) {
	if c, ok := ctx.Value(key{}).(*Conns); ok {
		c.answered()
	}
}

// Unwatched returns a context that ends as ctx does, without the tracking of a request's
// connections: for a callback that may send requests of its own.
func Unwatched(ctx context.Context) context.Context {
	c, ok := ctx.Value(key{}).(*Conns)
	if !ok {
		return ctx
	}
	return &unwatched{ctx, c.Context}
}

type unwatched struct {
	context.Context
	values context.Context
}

func (u *unwatched) Value(k any) any { return u.values.Value(k) }

func (c *Conns) getConn(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
}

func (c *Conns) gotConn(info httptrace.GotConnInfo) {
	raw := info.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = true
	c.dialled = slices.DeleteFunc(c.dialled, func(d net.Conn) bool { return d == raw })
}

// answered records that a hop was sent, traced or not.
func (c *Conns) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = true
}

func (c *Conns) handshakeStart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shaking = true
	if c.givenUp {
		c.hangUp()
	}
}

func (c *Conns) handshakeDone(tls.ConnectionState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialled, c.shaking = nil, false
}

// NeverGot reports whether a connection was wanted and none was got: the proof
// that nothing was sent.
func (c *Conns) NeverGot() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted && !c.got
}

// GiveUp ends the dials and the handshake of a request that failed.
func (c *Conns) GiveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.givenUp = true
	for n := c.dials.Pop(); n != nil; n = c.dials.Pop() {
		n.Item()
	}
	c.hangUp()
}

// hangUp closes the connection that is in its handshake, if only one was dialled. Of
// several it is not known which one that is, and the handshake goes on, for the
// transport's TLSHandshakeTimeout at most. The caller holds mu: a connection
// whose handshake is done may serve others, and must not be closed.
func (c *Conns) hangUp() {
	if c.shaking && len(c.dialled) == 1 {
		conn := c.dialled[0]
		c.dialled, c.shaking = nil, false
		conn.Close()
	}
}

// DialContext returns dial as a DialContext that obeys the end of the request it dials
// for: see client.DialContext.
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, ok := ctx.Value(key{}).(*Conns)
		if !ok {
			return dial(ctx, network, addr)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		under := fifo.Node[context.CancelFunc]{Item: cancel}
		c.mu.Lock()
		if c.givenUp {
			c.mu.Unlock()
			return nil, context.Canceled
		}
		c.dials.Push(&under)
		c.mu.Unlock()

		conn, err := dial(ctx, network, addr)

		c.mu.Lock()
		defer c.mu.Unlock()
		under.Remove()
		if err != nil {
			return nil, err
		}
		if c.givenUp {
			conn.Close()
			return nil, context.Canceled
		}
		c.dialled = append(c.dialled, conn)
		return conn, nil
	}
}

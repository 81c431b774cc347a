package parallel

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/hops"
	"github.com/abreast-go/abreast/internal/proof"
)

// connections watches the connections of one request as net/http makes them: by
// httptrace, and, where the transport dials with DialContext, the dials. It knows
// whether a byte can have left, and sees to it that a request which fails leaves
// neither a dial nor a TLS handshake running behind it. (net/http lets them go on,
// for a later request to find a connection; so does a request that succeeds here,
// having got another.)
//
// It is a context too, that which the request is sent with, so that it can be found.
type connections struct {
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

type connectionsKey struct{}

// Value is the context's, c itself for a DialContext, and the context without c for
// what must not be watched.
func (c *connections) Value(key any) any {
	switch key {
	case connectionsKey{}:
		return c
	case hops.Key{}:
		return c.waiter()
	case proof.UnwatchedKey{}:
		return c.Context
	case proof.AnsweredKey{}:
		return c.answered
	case proof.WantedKey{}:
		return func() { c.getConn("") }
	}
	return c.Context.Value(key)
}

// waiter returns the request that ctx is for, nil once it is done.
func (c *connections) waiter() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hops
}

// release lets go of the request: a response that is kept keeps c, as the context of
// its Request.
func (c *connections) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hops = nil
}

// watch is ctx with c hung on it.
func (c *connections) watch(ctx context.Context) context.Context {
	c.Context = ctx
	c.hooks = httptrace.ClientTrace{
		GetConn:           c.getConn,
		GotConn:           c.gotConn,
		TLSHandshakeStart: c.handshakeStart,
		TLSHandshakeDone:  c.handshakeDone,
	}
	return httptrace.WithClientTrace(c, &c.hooks)
}

func (c *connections) getConn(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
}

func (c *connections) gotConn(info httptrace.GotConnInfo) {
	raw := info.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = true
	c.dialled = slices.DeleteFunc(c.dialled, func(d net.Conn) bool { return d == raw })
}

// answered is told that a hop was sent, be it traced or not.
func (c *connections) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = true
}

func (c *connections) handshakeStart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shaking = true
	if c.givenUp {
		c.hangUp()
	}
}

func (c *connections) handshakeDone(tls.ConnectionState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialled, c.shaking = nil, false
}

// neverGot reports whether a connection was wanted and none was got: the proof
// that nothing was sent.
func (c *connections) neverGot() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted && !c.got
}

// giveUp ends what is still being dialled.
func (c *connections) giveUp() {
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
func (c *connections) hangUp() {
	if c.shaking && len(c.dialled) == 1 {
		conn := c.dialled[0]
		c.dialled, c.shaking = nil, false
		conn.Close()
	}
}

// DialContext makes of dial, for an http.Transport's DialContext, one that obeys
// the end of the request it dials for: when a request of a block fails or is
// cancelled, a dial and a TLS handshake begun for it are ended. (net/http detaches
// dials from the request's context. Through a CONNECT proxy it shakes hands out of
// DialContext's sight.) The context that dial is given ends when dial returns.
// Requests of no block are dialled as dial does.
//
// client.NewTransport has it; it is for those who set a DialContext of their own.
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, ok := ctx.Value(connectionsKey{}).(*connections)
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

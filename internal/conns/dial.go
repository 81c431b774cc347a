package conns

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/hops"
)

// A Dial dials addr, as an http.Transport's DialContext.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// DialContext returns dial as one that obeys the end of the request it dials
// for: see client.DialContext.
func DialContext(dial Dial) Dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch v := ctx.Value(key{}).(type) {
		case *Conns:
			return v.dial(ctx, dial, network, addr, false)
		case *dialing:
			return v.conns.dial(ctx, dial, network, addr, true)
		}
		return dial(ctx, network, addr)
	}
}

// dial calls dial for the request of c, or, if nested, for a request that a
// dial for c sends itself.
func (c *Conns) dial(ctx context.Context, dial Dial, network, addr string, nested bool) (net.Conn, error) {
	// The dial has the deadline of the hop, or that of the request's Stall if it
	// is earlier, since a dial is no progress. net/http drops the deadline, and
	// without one, a net.Dialer gives the first of two addresses more time than
	// the request has.
	c.mu.Lock()
	if c.givenUp || c.hop == nil { // the request failed, or is done and somebody uses its context
		late := c.givenUp
		c.mu.Unlock()
		if late {
			return nil, context.Canceled
		}
		return dial(ctx, network, addr)
	}
	hop, owner, to := c.hop.Context(), c.owner, c.to
	deadline, limited := hop.Deadline()
	if at, ok := c.Clock.Deadline(); ok && (!limited || at.Before(deadline)) {
		deadline, limited = at, true
	}
	var cancel context.CancelFunc
	if ctx = (&dialing{ctx, c}); limited {
		ctx, cancel = context.WithDeadline(ctx, deadline)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	under := fifo.Node[context.CancelFunc]{Item: cancel}
	o := c.openingLocked()
	o.dials.Push(&under)
	c.mu.Unlock()

	conn, err := c.guard(owner, func() (net.Conn, error) { return dial(ctx, network, addr) })
	if err != nil && limited && !time.Now().Before(deadline) {
		// The end of the request is about to come, and its error says more than
		// that of the dial. So the dial waits for it, but not for long: a
		// user's context may not keep the deadline that it promised.
		select {
		case <-hop.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}

	c.mu.Lock()
	under.Remove()
	late := c.givenUp
	if err != nil && !nested {
		o.failed = err
	}
	if err == nil && conn != nil && !late && !nested {
		conn = c.trackLocked(conn, addr, to)
	}
	c.mu.Unlock()
	switch {
	case err != nil || conn == nil:
		return nil, err
	case late:
		c.guard(owner, func() (net.Conn, error) { return nil, conn.Close() })
		return nil, context.Canceled
	}
	return conn, nil
}

// trackLocked adds conn, which was dialed to addr for a hop that goes to to, to
// those that were dialed, if there is a way to know until when no other request
// can use it.
// It returns conn, or a connection that wraps it.
//
//   - A connection to the host itself is not wrapped. A wrapper would prevent
//     sendfile, and hide from users of DialTLSContext what they dialed. Without
//     TLS, other requests may use it at once, so it is not tracked. With TLS,
//     the hooks report the end of the handshake.
//   - A connection to a proxy is wrapped in a proxied, which watches what is
//     written and read: no hook reports the negotiation with the proxy. If it
//     is a *tls.Conn, it is not tracked.
func (c *Conns) trackLocked(conn net.Conn, addr string, to target) net.Conn {
	_, secure := conn.(*tls.Conn)
	switch direct := to.is(addr); {
	case direct && to.scheme == "http":
		return conn
	case !direct && !secure:
		conn = &proxied{Conn: conn}
	case !direct:
		return conn
	}
	o := c.openingLocked()
	o.dialed = append(o.dialed, conn)
	return conn
}

var errGoexit = errors.New("runtime.Goexit was called in a dial")

// guard calls f, which runs user code, on a goroutine of its own. net/http
// would let a panic end the process here, and wait for a dial that called
// runtime.Goexit forever.
func (c *Conns) guard(owner Owner, f func() (net.Conn, error)) (net.Conn, error) {
	var conn net.Conn
	err := errGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		var result error
		returned := false
		r := panics.Try(func() {
			conn, result = f()
			returned = true
		})
		if !returned {
			result = c.recovered(owner, r)
		}
		err = result
	}()
	<-done
	return conn, err
}

// recovered reports the panic of a dial, and returns it as an error.
func (c *Conns) recovered(owner Owner, r *panics.Recovered) error {
	keep := func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.openingLocked().panicked = err
	}
	keep(r.AsError()) // before the block is canceled, which ends the request
	err := owner.DialPanicked(r)
	keep(err)
	return err
}

// A dialing is the context of a dial. The dial may send requests of its own
// with it, for example to look up a name over HTTP. Their connections prove
// nothing about the request that is dialed for, and their redirects are not its
// redirects. So a dialing hides the hooks of c and the hops.Waiter. Those of
// the user's context stay visible, and so do the hooks that a net.Dialer calls
// (DNSStart, ConnectDone and others).
type dialing struct {
	context.Context
	conns *Conns
}

func (d *dialing) Value(k any) any {
	switch k {
	case key{}:
		return d
	case traceKey, hops.Key{}:
		return d.conns.Context.Value(k)
	}
	return d.Context.Value(k)
}

// A proxied is a connection to a proxy, or to an address that the hop does not
// explain. The first bytes that are written tell whether there is a negotiation
// (SOCKS, CONNECT, TLS). The number of bytes that were read tells whether it
// may be over: see leastLocked. As long as it is not over, net/http gives the
// connection to no other request.
type proxied struct {
	net.Conn

	mu    sync.Mutex // guards the fields below
	step  step
	read  int     // bytes, in this step
	said  [9]byte // the first of them
	ended bool    // by giveUp
}

// A step is what a connection to a proxy is used for.
type step int

const (
	fresh      step = iota // nothing was written
	socks                  // negotiating, SOCKS 5
	connecting             // CONNECT, until the TLS handshake behind it
	shaking                // a TLS handshake, and what comes after
	plain                  // requests
)

// leastLocked returns the least number of bytes that are read in a step that
// succeeds. For SOCKS, that is the length of the negotiation. For TLS, it is
// less than the length of the server's first messages. A CONNECT is not over
// before the handshake that follows it.
func (p *proxied) leastLocked() int {
	switch p.step {
	case socks:
		return socksLength(p.said[:min(p.read, len(p.said))])
	case connecting:
		return int(^uint(0) >> 1)
	case shaking:
		return 60
	}
	return 0
}

// socksLength returns how many bytes a SOCKS proxy sends until it has connected
// (RFC 1928). said is the beginning of what it has sent. The result is exact
// once said has the first byte of an address. Before that it may be too small,
// but it is larger than len(said).
func socksLength(said []byte) int {
	n := 2 // the choice of a method
	if len(said) > 1 && said[1] == 2 {
		n += 2 // a password was accepted (RFC 1929)
	}
	n += 4 // the reply, up to the type of its address
	address := 1
	if len(said) > n {
		switch said[n-1] {
		case 1:
			address = 4
		case 3:
			address = 1 + int(said[n])
		case 4:
			address = 16
		}
	}
	return n + address + 2 // a port
}

// nextLocked returns the step that the connection is in once b is written.
func (p *proxied) nextLocked(b []byte) step {
	hello := bytes.HasPrefix(b, []byte{0x16, 3})
	switch {
	case p.step == plain || p.step == shaking:
		return p.step
	case hello && (p.step != socks || p.read >= p.leastLocked()):
		return shaking
	case p.step == fresh && len(b) > 0 && b[0] == 5:
		return socks
	case p.step == fresh && bytes.HasPrefix(b, []byte("CONNECT ")):
		return connecting
	case p.step == fresh || p.step == socks && p.read >= p.leastLocked():
		return plain
	}
	return p.step
}

func (p *proxied) Write(b []byte) (int, error) {
	p.mu.Lock()
	if s := p.nextLocked(b); s != p.step {
		p.step, p.read = s, 0
	}
	ended := p.ended && p.negotiatesLocked()
	p.mu.Unlock()
	if ended {
		return 0, net.ErrClosed
	}
	return p.Conn.Write(b)
}

func (p *proxied) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.negotiatesLocked() {
		if p.ended {
			return 0, net.ErrClosed
		}
		if p.read < len(p.said) {
			copy(p.said[p.read:], b[:n])
		}
		p.read += n
	}
	return n, err
}

// ReadFrom has a file sent as the connection would send it.
func (p *proxied) ReadFrom(r io.Reader) (int64, error) { return io.Copy(p.Conn, r) }

func (p *proxied) negotiatesLocked() bool { return p.read < p.leastLocked() }

// giveUp lets no negotiation on the connection succeed from now on. It reports
// whether there is one now. Then the caller closes the connection.
func (p *proxied) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return p.negotiatesLocked()
}

// shakes reports whether a TLS handshake was begun.
func (p *proxied) shakes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.step == shaking
}

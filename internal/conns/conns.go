// Package conns tracks the connections of one request: whether a byte of the
// request can have left, and what is still being dialed when the request fails.
//
// Package parallel makes a [Conns] for each request. Package client tells it,
// by the context of the request, what httptrace doesn't show: where a hop goes
// ([Hop]), a request that waits before the transport ([Wanted]), a hop that was
// answered ([Answered]), and a callback that sends requests of its own
// ([Unwatched]).
package conns

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/hops"
	"github.com/abreast-go/abreast/internal/lifetime"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/internal/stall"
)

// An Owner is the request whose connections a Conns tracks, as its block knows
// it.
type Owner interface {
	hops.Waiter

	// DialPanicked reports a panic in a dial for the request, which may be
	// done, and returns it as an error. r is nil if the dial called panic(nil)
	// and nothing could be recovered.
	DialPanicked(r *panics.Recovered) error

	// Watched returns the result of WatchedIn for the context of the request.
	Watched() *Watched
}

// A Conns tracks the connections of one request as net/http makes them: by
// httptrace, and, where the transport dials with [DialContext], the dials.
//
// A Conns is also the context that the request is sent with, so that the
// functions of this package find it.
type Conns struct {
	lifetime.Context
	Clock   *stall.Clock // of the request's Stall; nil without one; set before Watch
	watcher Watcher      // of the request; nil without one, or if hooks call it
	hooks   httptrace.ClientTrace
	shakes  bool // hooks has those for TLS

	kept atomic.Bool // no hook for a dial can be called now; set by keptLocked

	mu sync.Mutex // guards the fields below

	owner Owner           // the request, until it is done
	first *http.Request   // the request as it is sent, until it is done
	hop   *http.Request   // the hop that is being sent, until the request is done
	to    target          // where hop goes
	by    *http.Transport // that sends hop; nil if it is of another type, or not known

	wanted   bool // a connection to the target was wanted
	got      bool // a connection was got
	wrote    bool // a header was written, or may have been, on any connection
	answered bool // a hop was answered
	replied  bool // the first byte of a response was reported
	client   bool // package client sends the hops
	broke    bool // the transport failed, as package client says
	givenUp  bool // the request failed
	fields   bool // WroteHeaderField must be hooked, and is not in hooks
	getting  bool // a connection was wanted, and was not got yet
	secure   bool // a connection may have a TLS handshake

	opening *opening               // nil until a connection is opened
	all     *httptrace.ClientTrace // hooks, and those for a dial; nil until they are looked up
}

// An opening is what a Conns knows of the connections that are opened for its
// request. Most requests use a connection that is open already, so it is
// allocated for the first one. The mutex of the Conns guards it.
type opening struct {
	others   []string                       // addresses other than the target that connections were wanted to
	dials    fifo.Queue[context.CancelFunc] // under way
	dialed   []net.Conn                     // by DialContext, and not known to be in use
	started  int                            // TLS handshakes
	finished int                            // TLS handshakes that succeeded on a conn of dialed
	closing  chan struct{}                  // closed once giveUp has closed its conns; nil before
	failed   error                          // of the last dial or TLS handshake that failed
	panicked error                          // the panic of a dial
}

// openingLocked returns c.opening, which it allocates if need be.
func (c *Conns) openingLocked() *opening {
	if c.opening == nil {
		c.opening = new(opening)
	}
	return c.opening
}

// A target is where a hop goes. It is a copy: a RoundTripper may write to the
// URL of its request while net/http still dials for it.
type target struct {
	scheme string
	host   string // with its port, if the URL has one, as origin.Dialed returns it
}

func targetOf(u *url.URL) target { return target{u.Scheme, origin.Dialed(u)} }

// is reports whether net/http dials addr for a request to t.
func (t target) is(addr string) bool {
	if addr == t.host {
		return true
	}
	at := url.URL{Host: t.host}
	host, port, err := net.SplitHostPort(addr)
	return err == nil && host == at.Hostname() && port == cmp.Or(at.Port(), defaultPorts[t.scheme])
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// New returns a Conns for owner. As a context, it is not ready: call Begin.
func New(owner Owner) *Conns { return &Conns{owner: owner} }

// Watch begins to track the connections of the request. c is then the context
// to send it with. The request has this method, and a URL with this scheme. The
// hooks are those of its context, but for those of w, its Watched. w and hooks
// may be nil.
func (c *Conns) Watch(method, scheme string, w *Watched, hooks *httptrace.ClientTrace) {
	if w != nil {
		c.watcher = w.Watcher
	}
	c.setHooks(method, scheme, hooks)
}

// SetRequest tells c that req is about to be sent. The context of req is c, or
// is made from c.
func (c *Conns) SetRequest(req *http.Request) {
	// Without the mutex: nobody else has c before req is sent.
	c.first, c.hop, c.to = req, req, targetOf(req.URL)
}

// Responded records that resp is the response of the request or of a hop. If
// the transport has not reported the first byte of a response, that is a sign
// of progress. From then on, each Read of the body that returns bytes is one.
func (c *Conns) Responded(resp *http.Response) {
	if c.Clock == nil {
		return
	}
	c.mu.Lock()
	replied := c.replied
	c.mu.Unlock()
	if !replied {
		c.Clock.Progress()
	}
	if resp.Body != nil {
		resp.Body = &received{resp.Body, c.Clock}
	}
}

// A received is the body of a response. Each Read of it that returns bytes is a
// sign of progress.
type received struct {
	io.ReadCloser
	clock *stall.Clock
}

func (r *received) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.clock.Progress()
	}
	return n, err
}

// Release ends c, as a context, and lets go of the request: a response that is
// kept keeps c, as the context of its Request.
func (c *Conns) Release() {
	c.Cancel()
	c.Clock.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner, c.first, c.hop, c.by = nil, nil, nil, nil
	if c.opening != nil {
		c.opening.failed = nil
	}
}

// key is the key under which the context of a request has its Conns, and the
// context of a dial its dialing.
type key struct{}

// Value returns c for a key, the request for a hops.Key, its hooks for
// httptrace, and the context's value for any other key.
// httptrace.WithClientTrace would allocate a context for the hooks.
func (c *Conns) Value(k any) any {
	switch k {
	case traceKey:
		return c.trace()
	case key{}:
		return c
	case hops.Key{}:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.owner
	}
	return c.Context.Value(k)
}

// Hop says that hop is about to be passed to rt. If rt is an *http.Transport,
// its proxy is known, so that a connection to the proxy counts as one that is
// wanted for hop.
func Hop(hop *http.Request, rt http.RoundTripper) {
	c := in(hop.Context())
	if c == nil || hop.URL == nil {
		return
	}
	c.mu.Lock()
	if c.hop != nil { // the request is not done
		c.hopLocked(hop, rt)
	}
	c.mu.Unlock()
}

func (c *Conns) hopLocked(hop *http.Request, rt http.RoundTripper) {
	first := !c.client
	c.client = true
	if !first || hop.URL != c.first.URL { // otherwise SetRequest has set it
		c.to = targetOf(hop.URL)
	}
	c.hop = hop
	c.by, _ = rt.(*http.Transport)
	if first && c.by != nil {
		c.fields = false // WroteHeaders is enough: see fits
	}
	c.secure = c.secure || c.to.scheme != "http"
	c.keptLocked()
}

// in returns the Conns of the request that is sent with ctx, or nil.
func in(ctx context.Context) *Conns {
	c, ok := ctx.(*Conns)
	if !ok {
		c, _ = ctx.Value(key{}).(*Conns)
	}
	return c
}

// Wanted says that the request that is sent with ctx waits for a connection.
func Wanted(ctx context.Context) { record(ctx, func(c *Conns) { c.wanted = true }) }

// Gets says that the request that is sent with ctx is about to get a connection,
// and that hooks are about to be added to those of ctx.
func Gets(ctx context.Context) {
	record(ctx, func(c *Conns) {
		c.getting = true
		c.keptLocked()
	})
}

// Answered records that a hop of the request with the context ctx was answered
// with the redirect resp, and therefore was sent.
func Answered(ctx context.Context, resp *http.Response) {
	if c := in(ctx); c != nil {
		c.mu.Lock()
		c.answered = true
		c.mu.Unlock()
		c.Responded(resp) // http.Client reads the body of a redirect
	}
}

// Failed says that the transport failed for a hop of the request that is sent
// with ctx, and not code around it.
func Failed(ctx context.Context) { record(ctx, func(c *Conns) { c.broke = true }) }

// record calls set, under the lock, with the Conns of the request that is sent
// with ctx, if it has one.
func record(ctx context.Context, set func(*Conns)) {
	if c := in(ctx); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		set(c)
	}
}

// TransportFailed reports whether the error of the request is one of its
// transport, and not one of user code such as CheckRedirect or Auth. If the
// hops are not sent by package client, that is not known, and it reports true.
func (c *Conns) TransportFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broke || !c.client
}

// Unwatched returns a context that ends as ctx does, without the tracking of a
// request's connections: for a callback that may send requests of its own.
func Unwatched(ctx context.Context) context.Context {
	c := in(ctx)
	switch {
	case c == nil:
		return ctx
	case ctx == context.Context(c):
		return &c.Context
	}
	return &unwatched{ctx, &c.Context}
}

type unwatched struct {
	context.Context
	values context.Context
}

func (u *unwatched) Value(k any) any { return u.values.Value(k) }

// getConn records that a transport wants a connection to addr, for this request
// or for another one that somebody sends with its context.
func (c *Conns) getConn(addr string) {
	if c.watcher != nil {
		c.watcher.GetConn(addr)
	}
	c.mu.Lock()
	c.getting = true
	if c.to.is(addr) {
		c.wanted = true
	} else {
		c.secure = true // perhaps, with a proxy
		o := c.openingLocked()
		if len(o.others) < 4 && !slices.Contains(o.others, addr) {
			o.others = append(o.others, addr)
		}
	}
	c.keptLocked()
	c.mu.Unlock()
}

func (c *Conns) gotConn(info httptrace.GotConnInfo) {
	c.Clock.Progress()
	if c.watcher != nil {
		c.watcher.GotConn(info)
	}
	c.mu.Lock()
	c.got, c.getting = true, false
	c.keptLocked()
	if c.opening != nil {
		c.opening.usedLocked(info.Conn)
	}
	c.mu.Unlock()
}

// usedLocked removes used, which is known to be in use, from the connections
// that were dialed.
func (o *opening) usedLocked(used net.Conn) {
	for conn := used; conn != nil; {
		if i := slices.Index(o.dialed, conn); i >= 0 {
			o.dialed = slices.Delete(o.dialed, i, i+1)
			if _, ok := used.(*tls.Conn); ok {
				o.started--
				o.finished--
			}
			return
		}
		t, ok := conn.(*tls.Conn)
		if !ok {
			return
		}
		conn = t.NetConn()
	}
}

func (c *Conns) gotFirstResponseByte() {
	c.Clock.Progress()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replied = true
}

func (c *Conns) wroteHeaderField(string, []string) { c.wroteHeaders() }

func (c *Conns) wroteHeaders() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrote = true
}

// handshakeStart counts a TLS handshake that begins. If the request has failed,
// it closes the connections that are certainly in one. net/http calls it on a
// goroutine of its own.
func (c *Conns) handshakeStart() {
	if c.watcher != nil {
		c.watcher.TLSHandshakeStart()
	}
	c.mu.Lock()
	c.openingLocked().started++
	var left []net.Conn
	if c.givenUp {
		left = c.opening.shakingLocked()
	}
	c.mu.Unlock()
	// The request is done: there is nobody whom a panic of a user's Close could
	// be reported to, and here it would end the process.
	panics.Try(func() { hangUp(left) })
}

// handshakeDone records the result of a TLS handshake. net/http calls it on the
// goroutine that dialed, before others can have the connection. If GiveUp is
// closing connections, handshakeDone waits for that: one that others have must
// not be closed.
func (c *Conns) handshakeDone(state tls.ConnectionState, err error) {
	if c.watcher != nil {
		c.watcher.TLSHandshakeDone(state, err)
	}
	c.mu.Lock()
	o := c.openingLocked()
	if err == nil {
		o.finished++
	} else {
		o.failed = err
	}
	closing := o.closing
	c.mu.Unlock()
	if closing != nil {
		<-closing
	}
}

// GiveUp ends what was begun for the request, which failed: the dials, the
// negotiations with a proxy and the TLS handshakes. It may run user code: the
// Close of connections.
func (c *Conns) GiveUp() {
	c.mu.Lock()
	c.givenUp = true
	o := c.opening
	if o == nil {
		c.mu.Unlock()
		return
	}
	var dials []context.CancelFunc
	for n := o.dials.Pop(); n != nil; n = o.dials.Pop() {
		dials = append(dials, n.Item)
	}
	var left []net.Conn
	for _, conn := range o.dialed {
		if p, ok := conn.(*proxied); ok && p.giveUp() {
			left = append(left, p)
		}
	}
	for _, conn := range o.shakingLocked() {
		if !slices.Contains(left, conn) {
			left = append(left, conn)
		}
	}
	if left != nil {
		o.closing = make(chan struct{})
		defer close(o.closing)
	}
	c.mu.Unlock()
	for _, cancel := range dials {
		cancel()
	}
	hangUp(left)
}

// shakingLocked returns the connections that are certainly in a TLS handshake,
// or closed since theirs failed.
//
// The hooks for handshakes don't say which connection they are of. But if no
// handshake has succeeded except on connections that are known to be in use,
// and as many have started as there are connections which must have one, then
// none of these has finished its own. In any other case one may serve another
// request already, and all are left alone. A handshake that is left alone ends
// at the transport's TLSHandshakeTimeout.
func (o *opening) shakingLocked() []net.Conn {
	if o.finished > 0 {
		return nil
	}
	var shaking []net.Conn
	for _, conn := range o.dialed {
		if p, ok := conn.(*proxied); !ok || p.shakes() {
			shaking = append(shaking, conn)
		}
	}
	if o.started < len(shaking) {
		return nil
	}
	return shaking
}

// hangUp closes all of conns, also if one of them panics.
func hangUp(conns []net.Conn) {
	for _, conn := range conns {
		defer conn.Close()
	}
}

// Panic returns the error of a dial that panicked, or nil.
func (c *Conns) Panic() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opening == nil {
		return nil
	}
	return c.opening.panicked
}

package client

import (
	"context"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The defaults of a zero Client.
const (
	defaultLimit   = 100
	defaultTimeout = 30 * time.Second
	defaultMaxBody = 10 << 20
)

// A Client is what the requests of a block share. The zero Client is ready to use.
// It is not to be changed once it is used; it is safe for many goroutines, and a
// copy is another client. It keeps no state of its own: connections belong to the
// transport of HTTP.
type Client struct {
	// BaseURL, where set, is what relative URLs are joined under: with
	// "https://h/v2", "/users?x=1" and "users?x=1" are "https://h/v2/users?x=1",
	// and "" is the base itself. An absolute URL stays as it is. The escaped texts
	// are joined at one "/": nothing is unescaped or cleaned.
	//
	// A reference that has a host but no scheme, or a segment that is "." or ".."
	// when unescaped and without its parameters ("..;x"), is an error of its request, so
	// that nothing climbs out of the base with the client's credentials. Values go into
	// a path through
	// url.PathEscape. A link that a server sent is resolved with
	// resp.Request.URL.Parse, not joined.
	//
	// The userinfo of BaseURL is sent as Basic authorization with what is joined under
	// it, unless Header or Auth set an Authorization of their own.
	//
	// BaseURL is absolute and has no query or fragment. A bad one is the error of
	// every request.
	BaseURL string

	// Header is sent with every request to BaseURL's origin (scheme, host and
	// port), or without a BaseURL to the origin that the request's URL names. Redirects
	// within that origin have it. Once a redirect has led elsewhere, the request goes
	// without it for good, back at the origin as well: another site must not choose a
	// request that has your credentials. Headers that a request sets itself take
	// precedence. Cookies of a Jar are sent beside a Cookie of Header.
	Header http.Header

	// Auth, where set, puts credentials on a request just before it is sent, at
	// every hop that Header goes with. It is given a copy that it may
	// change; a header of the request's own wins over Auth's, but for cookies, which
	// add up. It is called on many goroutines at once and must heed the request's
	// context. Its error is the request's, and at the first hop ErrNotSent too.
	Auth func(*http.Request) error

	// HTTP is how requests are dispatched: its Transport, CheckRedirect, Jar and
	// Timeout are in force. A request's own Authorization, Cookie and
	// Proxy-Authorization are taken off before CheckRedirect is asked about a hop
	// to another scheme, host or port, and stay off from there on. CheckRedirect may put
	// on what it wants. A fragment is kept along redirects.
	//
	// As net/http does, a 301 or 302 makes a GET without a body of a PUT, PATCH or
	// DELETE. A CheckRedirect can refuse that: see the example.
	//
	// If HTTP is nil or has no Transport, the client uses a shared transport with
	// the settings of NewTransport. A Transport of your own must honor the request's
	// context, also in the bodies of its responses: a block that ends waits for it.
	//
	// The first of many https requests to a host goes ahead of the others until it
	// has a connection, for a quarter of a second at most, because HTTP/2 needs only
	// that one. A hedge of a first request waits for it, too. This holds for each
	// Transport, over all blocks that use it, and also below a wrapper that passes
	// the request's context on. Below a wrapper the wait begins when a
	// *http.Transport calls the httptrace hook GetConn, and a Transport that does
	// not call GetConn has no such wait.
	HTTP *http.Client

	// Limit is how many requests of one block are in flight at once. Two blocks
	// have a Limit each. 0: 100; negative: no limit.
	Limit int

	// HostLimit is the same for each host (name and port). 0 or negative means no
	// limit per host.
	//
	// A redirect to another host counts there. It gives up its place at the first
	// host and waits for one at the other. Meanwhile it keeps its slot of Limit, and
	// its Timeout runs.
	HostLimit int

	// Timeout is the time for one request, from its send (when it has a slot and
	// Wait has returned) to the last byte of its body, so large uploads and
	// downloads need one of their own (parallel.Timeout). The error is then
	// context.DeadlineExceeded. HTTP.Timeout runs too: the earlier wins. 0: 30 seconds;
	// negative: none.
	Timeout time.Duration

	// MaxBody is how many bytes of one decompressed body are kept in memory. A
	// longer one is a *pending.BodyTooLargeError. Limit × MaxBody is the worst in
	// flight, and as long as a block sends, it keeps up to 512 KiB for each slot in which
	// long bodies were read. 0: 10 MiB; negative: no limit.
	MaxBody int64

	// Wait, if set, is called before each request goes to a host, to pace the
	// requests: for example limiter.Wait(r.Context()), with one limiter per host. It
	// is called with a copy of the request that has no body, once for the request and
	// once for each redirect to another host. The request holds its slot meanwhile:
	// set a HostLimit, or the slowest host may take all slots.
	//
	// Wait is called on many goroutines at once, and must return when the context of
	// its request ends. Its error is that of the request, which is not sent. (It
	// matches pending.ErrNotSent unless an earlier hop was sent.)
	Wait func(*http.Request) error

	// Observe, where set, is called for every request as it is made, also for one
	// that fails at once, on the goroutine that makes it: for spans, metrics, logs.
	// It is given a copy of the request, without a body; its URL may have a password
	// in it (log URL.Redacted()). The context it returns
	// (or nil) gives its values to the sending; the function it returns (or nil) is
	// called exactly once, as the last thing before the handle is done: see
	// pending.Outcome. Both are called on many goroutines at once; the second holds the
	// request's slot, and must not wait for another request of the block. Without Observe
	// no time is read.
	Observe func(*http.Request) (context.Context, func(pending.Outcome))
}

// Parallel opens a block with a zero Client; see Client.Parallel.
func Parallel(ctx context.Context, fn func(*parallel.Parallel) error) error {
	return new(Client).Parallel(ctx, fn)
}

// Parallel opens a block and calls fn with it, on the caller's goroutine. The
// requests that fn makes are sent side by side. Parallel returns fn's own error,
// unchanged; failures that fn didn't ask about stay silent.
//
// However fn is left, what is still pending is cancelled, and Parallel returns
// once none of it is left inside the HTTP client. It does not wait for completion:
// fifty Posts and "return nil" send nothing, but for what got away before the return.
// This loop waits for everything:
//
//	for p.HasPending() {
//		resp, err := p.Next()
//		...
//	}
//
// The end of ctx cancels what is pending, with context.Cause(ctx) for an error; fn is
// called, and goes on, all the same. A panic in what a request runs is raised here:
// see parallel.Run. Parallel panics at once if ctx or fn is nil.
func (c *Client) Parallel(ctx context.Context, fn func(*parallel.Parallel) error) error {
	base := parseBase(c.BaseURL)
	cfg := parallel.Config{
		Send:      c.dispatcher(base).Do,
		Limit:     orDefault(c.Limit, defaultLimit),
		HostLimit: c.HostLimit,
		Timeout:   orDefault(c.Timeout, defaultTimeout),
		MaxBody:   orDefault(c.MaxBody, defaultMaxBody),
		Wait:      c.Wait,
		Observe:   c.Observe,
	}
	if c.BaseURL != "" {
		cfg.Resolve = base.resolve
	}
	return parallel.Run(ctx, cfg, fn)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

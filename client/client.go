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

// A Client holds the settings that the requests of a block share. The zero
// Client is ready to use. A Client must not be changed after its first use. It
// is safe for use by multiple goroutines. A copy is a separate client. A Client
// has no state of its own: connections belong to the transport. Its method has
// a pointer receiver, so store the Client in a variable first:
// Client{}.Parallel does not compile.
type Client struct {
	// BaseURL is the absolute URL that relative URLs are joined to. With
	// "https://h/v2", the references "/users?x=1" and "users?x=1" make
	// "https://h/v2/users?x=1", and "" stands for the base itself. An absolute
	// URL does not change. The escaped paths are joined by one "/". Escapes are
	// kept, and paths are not cleaned.
	//
	// A reference is refused if it has a host but no scheme, or if a server may
	// find a segment "." or ".." in it: escaped, set off by an escaped slash or
	// a backslash ("..%2Fadmin"), or with parameters ("..;x"). So it cannot
	// climb out of the base with the client's credentials. Use url.PathEscape
	// to put a value into a path. Use resp.Request.URL.Parse to resolve a link
	// from a server: it is not joined.
	//
	// Userinfo in BaseURL is sent as Basic authorization with every request
	// that is joined to it, unless Header or Auth set an Authorization.
	//
	// BaseURL must not have a query or a fragment. A bad BaseURL is the error
	// of every request, even of one with an absolute URL.
	BaseURL string

	// Header is sent with every request to BaseURL's origin (scheme, host and
	// port). Without a BaseURL, it is sent to the origin of the URL that the
	// caller passed. Headers that a request sets itself take precedence.
	// Cookies of HTTP.Jar are sent beside a Cookie of Header.
	//
	// Redirects within that origin get Header as well. Once a redirect has led
	// to another origin, Header is not sent again, not even if a later redirect
	// leads back: another site must not choose a request that has your
	// credentials.
	Header http.Header

	// Auth adds credentials to a request just before it is sent, at every hop
	// that gets Header. It is called with a copy of the request, which it may
	// change. Headers that the request sets itself take precedence over those
	// of Auth. Cookies add up.
	//
	// Auth is called on many goroutines at once and must honor the request's
	// context. The request holds its slot meanwhile, so Auth must not wait for
	// another request of the same block. It may open a block of its own.
	//
	// Its error is the error of the request, and matches [pending.ErrNotSent]
	// if no earlier hop was sent.
	Auth func(*http.Request) error

	// HTTP sends the requests: its Transport, CheckRedirect, Jar and Timeout
	// apply. If HTTP is nil or has no Transport, the client uses a shared
	// transport with the settings of [NewTransport]. A Transport of your own
	// must honor the request's context, in the bodies of its responses as well,
	// because a block that ends waits for it.
	//
	// A request's own Authorization, Cookie and Proxy-Authorization do not
	// follow a redirect to another scheme, host or port, and are not added
	// again after it. They are removed before CheckRedirect is called.
	// Credentials that CheckRedirect adds are kept. A redirect keeps the
	// fragment of the URL.
	//
	// As in net/http, a 301 or 302 turns a PUT, PATCH or DELETE into a GET
	// without a body. A CheckRedirect can refuse that: see the example.
	//
	// Requests that start at the same time to an https host wait for the first
	// of them to get a connection, unless another request to that host is
	// already in flight. HTTP/2 needs only that one connection. The wait ends
	// after a quarter of a second. The error of a request that is canceled
	// meanwhile matches [pending.ErrNotSent]. A hedge of the first request
	// waits as well.
	//
	// The wait is per Transport, over all blocks that use it. It also works
	// through a wrapper that passes the request's context on. It then begins
	// when a *http.Transport calls the httptrace hook GetConn. A Transport that
	// does not call GetConn has no such wait.
	HTTP *http.Client

	// Limit is the maximum number of requests in flight in one block. Each
	// block has its own. 0 means 100; negative means no limit.
	Limit int

	// HostLimit is the limit for one host (name and port). 0 or negative means
	// no limit per host.
	//
	// A redirect to another host counts at that host. The hop gives up its
	// place at the first host and waits for a place at the other. Meanwhile it
	// keeps its slot of Limit, and its Timeout runs.
	HostLimit int

	// Timeout is the time for one request, or with Retry for each attempt. It
	// starts when the request has a slot and Wait has returned, and ends with
	// the last byte of the response body. Large uploads and downloads need a
	// [parallel.Timeout] of their own, or a Stall. The error of a request that
	// runs out of time matches context.DeadlineExceeded, and its text says
	// which time ran out: "context deadline exceeded (Timeout of 30s)".
	// HTTP.Timeout also applies: the earlier of the two wins. 0 means 30
	// seconds; negative means none.
	Timeout time.Duration

	// Stall is the longest time in which a request that was sent may make no
	// progress. Each byte that is sent or received is progress, so a Stall fits
	// a body of any length. The error of a request that makes none for longer
	// matches context.DeadlineExceeded. Timeout applies as well. The option
	// [parallel.Stall] says what counts as progress, and sets another time for
	// one request. 0 or negative means no limit.
	Stall time.Duration

	// MaxBody is the maximum number of bytes of one decompressed body that are
	// kept in memory. A longer body fails with a [*pending.BodyTooLargeError].
	// In the worst case, the bodies in flight take Limit × MaxBody. As long as
	// a block sends requests, it also keeps up to 512 KiB for each slot in
	// which long bodies were read. 0 means 10 MiB; negative means no limit.
	MaxBody int64

	// Wait is called before each request goes to a host, to pace the requests:
	// for example limiter.Wait(r.Context()), with one limiter per host. It is
	// called with a copy of the request that has no body, once for each
	// attempt, again after a [parallel.Later], and once for each redirect to
	// another host. The request holds its slot meanwhile: set a HostLimit, or
	// the slowest host may take all slots.
	//
	// Wait is called on many goroutines at once. It must return when the
	// context of its request ends, and must not wait for another request of the
	// same block. If Wait returns an error, the request fails with it, and is
	// not sent to this host. The error matches [pending.ErrNotSent] unless an
	// earlier hop was sent. With the error of [parallel.Later] the request does
	// not fail: it gives back its slot and waits.
	Wait func(*http.Request) error

	// Observe is called for every request as it is made, on the goroutine that
	// makes it, for spans, metrics and logs. It is also called for a request
	// that fails at once. It is called with a copy of the request without a
	// body. The URL may have a password in it: log URL.Redacted().
	//
	// The values of the context that Observe returns are visible while the
	// request is sent. The function that it returns is called exactly once, as
	// the last step before the handle is done, with the [pending.Outcome]. Both
	// results may be nil. Observe and this function are called on many
	// goroutines at once. This function runs while the request holds its slot,
	// if it has one, and must not wait for another request of the block. Both
	// are called once for a request, however often it is sent.
	Observe func(*http.Request) (context.Context, func(pending.Outcome))

	// Retry is asked after each attempt whether the request is sent again, and
	// after which pause. 0 or less is no pause. If Retry returns false, the
	// result is that of the last attempt. nil means no retries;
	// parallel.Retries returns the usual function.
	//
	// It is called for a response of any status and for a failure of the
	// transport, timeouts included, if the request can be sent again: the block
	// has not ended, the request was not canceled, its body can be opened again
	// with GetBody, and no byte was written to a To. It is not called for an
	// error of Auth, Wait, CheckRedirect, Take, To, File or a body's Read, for
	// a body over MaxBody, or for a refused redirect.
	//
	// During the pause the request holds no slot and no goroutine. Then it is
	// queued before requests that were made later, and Wait and Auth are called
	// again. Each attempt has the whole Timeout. If the pause would outlast the
	// deadline of the block's context or of the request's own context, the
	// request is not sent again. If either context ends in the pause, the
	// request fails at once.
	//
	// Retry is called on many goroutines at once, while the request holds its
	// slot. It must not wait for a request of the same block.
	Retry func(parallel.Attempt) (time.Duration, bool)

	// Shared limits the requests in flight over all blocks of all clients that
	// have it. Limit and HostLimit apply to each block as well. nil means none.
	Shared *parallel.Limits

	// Ahead is how many items parallel.Each and parallel.Ordered may start
	// before they yield one. 0 or negative means twice Limit, or 200 without a
	// limit. Set a larger Ahead if items come in long runs for one host that is
	// at its HostLimit, or if Ordered runs with Retry, since the items behind
	// one that pauses wait for it. A larger Ahead costs memory: with Ordered,
	// what has come waits for the items before it.
	Ahead int
}

// Parallel opens a block with a zero Client: see [Client.Parallel].
func Parallel(ctx context.Context, fn func(*parallel.Parallel) error) error {
	return new(Client).Parallel(ctx, fn)
}

// Parallel opens a block and calls fn with it, on the caller's goroutine. The
// requests that fn makes are sent concurrently. Parallel returns fn's error
// unchanged. If a request fails and nobody asks for its result, its failure is
// not reported.
//
// However fn exits, requests that are still queued or in flight are canceled,
// and Parallel waits for them to stop before it returns. It does not wait for
// responses. If you start fifty POSTs and return nil at once, most of them are
// never sent. This loop waits for all of them:
//
//	for p.HasPending() {
//		resp, err := p.Next()
//		...
//	}
//
// When ctx ends, requests that are not done fail with an error that matches
// context.Cause(ctx). fn is called even if ctx has ended, and is not
// interrupted. A panic in code that a request runs is raised by Parallel: see
// [parallel.Run]. Parallel panics at once if ctx or fn is nil.
func (c *Client) Parallel(ctx context.Context, fn func(*parallel.Parallel) error) error {
	base := parseBase(c.BaseURL)
	cfg := parallel.Config{
		Send:      c.dispatcher(base).Do,
		Limit:     orDefault(c.Limit, defaultLimit),
		HostLimit: c.HostLimit,
		Timeout:   orDefault(c.Timeout, defaultTimeout),
		Stall:     c.Stall,
		MaxBody:   orDefault(c.MaxBody, defaultMaxBody),
		Wait:      c.Wait,
		Observe:   c.Observe,
		Retry:     c.Retry,
		Shared:    c.Shared,
		Ahead:     c.Ahead,
	}
	if c.HTTP != nil {
		cfg.HTTPTimeout = c.HTTP.Timeout
	}
	if c.BaseURL != "" {
		cfg.Resolve = base.resolve
	}
	return parallel.Run(ctx, cfg, fn)
}

// orDefault returns v, or def if v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

package client

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
)

// maxIdle is the largest number of idle connections that a transport keeps, to
// all hosts together and to one of them.
const maxIdle = 1000

// A dead HTTP/2 connection is found by a ping. NewTransport explains the choice.
const (
	pingAfter   = 15 * time.Second // without a frame from the server
	pingTimeout = 15 * time.Second
)

// NewTransport returns a new transport like the one that clients without a
// transport share. Use it to wrap the transport or to change it
// (TLSClientConfig, Proxy, ...). The caller owns it: its CloseIdleConnections
// closes the connections that it keeps. A Clone of it has the same settings.
//
// It differs from http.DefaultTransport in these settings:
//
//   - MaxIdleConnsPerHost is 1,000 and not 2, so that rounds of parallel requests
//     to one host reuse their connections. MaxIdleConns is 1,000 and not 100. On
//     Unix both are at most a quarter of the process's limit of open files.
//   - DialContext ends a dial and a TLS handshake when the request that they are
//     for fails or is canceled; see [DialContext]. If a dial fails
//     because no more files can be opened, DialContext closes the idle connections
//     of the transport that NewTransport returned and dials again, at most twice.
//     A Clone's own idle connections are not closed, and a DialContext that you
//     set yourself closes none.
//   - HTTP2 sends a ping on a connection from which nothing came for 15 seconds,
//     and closes the connection if nothing answers for 15 seconds more. Without
//     that, a connection that a NAT or a load balancer has forgotten takes every
//     request for minutes.
//   - Proxy returns an error if HTTP_PROXY or HTTPS_PROXY is malformed, where
//     http.ProxyFromEnvironment may send the request without a proxy. As there,
//     the variables are read once, and localhost and loopback addresses have no
//     proxy. NO_PROXY does not make up for a malformed variable.
//   - OnProxyConnectResponse names the proxy that refused a connection. The error
//     is a *net.OpError with the Op "proxyconnect" to errors.As, as for a proxy
//     that cannot be reached. Its Addr is the proxy, without a password. It wraps
//     a *pending.StatusError with the proxy's response, without a body.
//   - MaxResponseHeaderBytes is 1 MiB and not 10 MiB.
//
// Pings of 15 and 15 seconds find a dead connection within half a minute. Shorter
// times would find it earlier at a price. A server that is busy for longer than
// the ping's timeout loses all requests of a connection, also those that it would
// have answered. Some servers close a connection on which they count too many
// pings without data; gRPC's allow two, which is what a request can see here
// within the 30 seconds of a Client's Timeout. Until the connection is closed, an
// HTTP/2 request that times out does not take its connection out of use: net/http
// has no way to do so that spares the other requests on it. Over HTTP/1 a request
// that times out closes its connection, so the next one gets another.
//
// Two things are as in any http.Transport. A server that requires a client
// certificate over TLS 1.3 says so only after the handshake. Over HTTP/2 net/http
// then reports either the server's alert ("certificate required") or the write
// that failed ("broken pipe"), whichever comes first. And over HTTP/1 with TLS, a
// request that finds no idle connection starts a dial, and then takes whichever
// connection is ready first (golang/go 59017). Against a server that closes its
// connections often, that makes more dials than needed. A smaller HostLimit helps:
// with 3,000 requests to a server that closes each connection after ten, 100 in
// flight took 427 dials and 20 in flight 319, where 300 is the least.
// MaxConnsPerHost helps as much, but its wait is part of a request's Timeout.
//
// Of the body's encodings, a transport decodes gzip. A Client also decodes x-gzip,
// which is the same, if its Transport is a *http.Transport and asked for gzip.
func NewTransport() *http.Transport {
	idle := maxIdleConns()
	t := &http.Transport{
		Proxy:                  proxyFromEnvironment,
		OnProxyConnectResponse: proxyRefused,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	t.DialContext = DialContext(yielding(dialer.DialContext, t.CloseIdleConnections))
	return t
}

// maxIdleConns returns the number of idle connections that a transport may keep.
// A quarter of the open files leaves room for the requests in flight, for a
// second transport and for the files and connections of the program itself.
func maxIdleConns() int {
	if files, ok := maxOpenFiles(); ok && files < 4*maxIdle {
		return max(int(files/4), 1) // 0 would mean no limit
	}
	return maxIdle
}

// yielding returns a dial function that calls dial. If that fails because no more
// files can be opened, it calls closeIdle and dials again. One call frees all idle
// connections, but other dials that fail at the same time compete for them, and
// connections may become idle meanwhile: hence the second try.
func yielding(dial func(ctx context.Context, network, addr string) (net.Conn, error), closeIdle func()) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		for tries := 0; tries < 2 && err != nil && tooManyOpenFiles(err) && ctx.Err() == nil; tries++ {
			closeIdle()
			conn, err = dial(ctx, network, addr)
		}
		return conn, err
	}
}

// DialContext returns dial as one that obeys the end of the request it dials for. It is
// for the DialContext of an http.Transport of your own; [NewTransport] has it.
//
// net/http detaches a dial from its request. With DialContext, a request of a block that
// fails or is canceled ends what was begun for it:
//
//   - The context that dial is given ends. It also has the request's deadline, so that a
//     net.Dialer divides the time that the request has among the addresses of a host. It
//     ends as well when dial returns.
//   - A TLS handshake ends, and so does the negotiation with a SOCKS proxy or with one that
//     is asked to CONNECT: the connection is closed.
//
// A connection that may be in use by another request, or idle, is never closed. So a TLS
// handshake goes on, until the TLSHandshakeTimeout of the transport, if the request has
// begun another that succeeded on a connection which it doesn't use. A CONNECT goes on, for
// a minute at most, if the proxy itself is an https one and the handshake with it is done.
// And a dial goes on as long as dial doesn't obey its context. A request that succeeds ends
// nothing: what was begun for it is there for later requests.
//
// A connection to a proxy is wrapped, but for the methods of net.Conn and io.ReaderFrom. Any
// other is returned as dial returned it.
//
// A panic in dial becomes the error of the request, and cancels the block: see
// [parallel.Run]. dial runs on a goroutine of its own. A request of no block is dialed as
// dial does it.
//
// [parallel.Run]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Run
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return conns.DialContext(dial)
}

// shared returns the transport of clients without their own. It is made on first
// use, and is not a copy of http.DefaultTransport, which a program may have
// replaced by something else.
var shared = sync.OnceValue(NewTransport)

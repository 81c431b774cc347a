package client

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
)

// maxIdle is the maximum number of idle connections that a transport keeps, to
// all hosts together and to each of them.
const maxIdle = 1000

// A ping finds a dead HTTP/2 connection. NewTransport explains these times.
const (
	pingAfter   = 15 * time.Second // without a frame from the server
	pingTimeout = 15 * time.Second
)

// NewTransport returns a new transport with the settings of the one that
// clients without a Transport share. Use it to wrap the transport or to change
// it (TLSClientConfig, Proxy, ...). The caller owns it: its
// CloseIdleConnections closes the idle connections that it keeps. A Clone of it
// has the same settings.
//
// The settings differ from those of http.DefaultTransport as follows:
//
//   - MaxIdleConnsPerHost is 1,000 and not 2, so that rounds of parallel
//     requests to one host reuse their connections. MaxIdleConns is 1,000 and
//     not 100. On Unix both are at most a quarter of the process's limit of
//     open files.
//   - DialContext ends a dial and a TLS handshake when the request that they
//     are for fails or is canceled: see [DialContext]. If a dial fails because
//     no more files can be opened, it closes the idle connections of the
//     transport and dials again, at most twice. It does not close those of a
//     Clone. If you set DialContext yourself, nothing closes idle connections
//     for a dial.
//   - HTTP2 sends a ping on a connection on which nothing has come for 15
//     seconds. It closes the connection if no answer comes for 15 seconds more.
//     Without pings, a connection that a NAT or a load balancer has forgotten
//     takes all requests for minutes, and they time out.
//   - Proxy returns an error if HTTP_PROXY or HTTPS_PROXY is malformed, where
//     http.ProxyFromEnvironment may send the request without a proxy. As there,
//     the variables are read once, and localhost and loopback addresses have no
//     proxy. NO_PROXY does not make up for a malformed variable.
//   - OnProxyConnectResponse returns an error that names the proxy if the proxy
//     refuses a connection. The error is a *net.OpError with the Op
//     "proxyconnect", as for a proxy that cannot be reached. Its Addr is the
//     proxy, without a password. It wraps a [*pending.StatusError] with the
//     proxy's response, without a body.
//   - MaxResponseHeaderBytes is 1 MiB and not 10 MiB.
//
// The pings find a dead connection within half a minute. Shorter times would
// find it earlier, at a price. If a server is too busy to answer a ping in
// time, all requests on the connection fail, even those that it would have
// answered. And some servers close a connection after too many pings without
// data. gRPC servers allow two: as many as are sent here in the 30 seconds of a
// Client's Timeout. Until a dead connection is closed, an HTTP/2 request that
// times out leaves it in use: net/http cannot close it and spare the other
// requests. Over HTTP/1, a request that times out closes its connection, so the
// next one gets another. A connection that was closed stays in memory until its
// next ping would have been due (golang/go 80920): about 20 KiB for 15 seconds.
//
// Three things are as in any http.Transport:
//
//   - A server that requires a client certificate over TLS 1.3 says so only
//     after the handshake. Over HTTP/2, net/http then reports either the
//     server's alert ("certificate required") or the write that failed ("broken
//     pipe"), whichever comes first.
//   - Over HTTP/1 with TLS, a request that finds no idle connection starts a
//     dial, and then takes the connection that is ready first (golang/go
//     59017). If a server closes its connections often, that makes more dials
//     than needed. A smaller HostLimit helps: 3,000 requests to a server that
//     closes each connection after ten took 427 dials with 100 in flight, and
//     319 with 20, where 300 is the least. MaxConnsPerHost helps as much, but
//     its wait counts toward a request's Timeout.
//   - Over HTTP/2, net/http sends a request again, even a POST, if the server
//     resets its stream with PROTOCOL_ERROR (golang/go 42777, 47635). That is
//     right for a request that was not processed. A lighttpd 1.4 that reloads
//     also resets requests that it has passed to an application, which then
//     sees them twice. A request with a body is not sent again if an Option
//     sets its GetBody to nil. It then fails even after a GOAWAY, when sending
//     it again would have been safe.
//
// A transport decompresses gzip. A Client also decompresses x-gzip, which is
// the same, if its Transport is a *http.Transport that asked for gzip.
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

// maxIdleConns returns the number of idle connections that a transport may
// keep. A quarter of the open files leaves room for the requests in flight, for
// a second transport, and for the files and connections of the program itself.
func maxIdleConns() int {
	if files, ok := maxOpenFiles(); ok && files < 4*maxIdle {
		return max(int(files/4), 1) // 0 would mean no limit
	}
	return maxIdle
}

// yielding returns a dial function that calls dial. If that fails because no
// more files can be opened, it calls closeIdle and dials again, at most twice.
// One call closes all idle connections, but other dials that failed at the same
// time compete for their files, and more connections may become idle meanwhile.
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

// DialContext returns a dial function that calls dial. It ends the dials and
// handshakes of a request that fails or is canceled. Set it as the DialContext
// of an http.Transport of your own. [NewTransport] does so.
//
// net/http detaches a dial from its request. With DialContext, a request of a
// block that fails or is canceled ends
//
//   - the dial: the context that dial is called with ends. That context also
//     has the request's deadline, so that a net.Dialer divides the request's
//     time among the addresses of a host. The context also ends when dial
//     returns.
//   - a TLS handshake, and the negotiation with a SOCKS proxy or a CONNECT
//     proxy: the connection is closed.
//
// A connection that may be idle, or in use by another request, is never closed.
// Three things therefore continue:
//
//   - A TLS handshake, until the transport's TLSHandshakeTimeout, if another
//     one that was begun for the request succeeded, and the request uses a
//     different connection.
//   - A CONNECT, for at most a minute, if the proxy is an https one and the
//     handshake with the proxy is done.
//   - A dial, if dial does not honor its context.
//
// A request that succeeds ends nothing: later requests can use what was begun
// for it.
//
// A connection to a proxy is wrapped, so that it has only the methods of
// net.Conn and io.ReaderFrom. Any other connection is the one that dial
// returned.
//
// dial is called on a goroutine of its own. A panic in dial becomes the error
// of the request, and cancels the block: see [parallel.Run]. For a request that
// belongs to no block, DialContext only calls dial.
//
// [parallel.Run]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Run
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return conns.DialContext(dial)
}

// shared returns the transport of clients without their own, which its first
// call makes. It does not copy http.DefaultTransport, which a program may have
// replaced by something that is not a *http.Transport.
var shared = sync.OnceValue(NewTransport)

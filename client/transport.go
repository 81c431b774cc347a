package client

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/conns"
)

// NewTransport returns a new transport like the one that is shared by clients
// without their own, for those who wrap it or change it (TLSClientConfig, Proxy,
// ...). It is http.DefaultTransport's settings with three differences: it keeps up to
// 1,000 idle connections to one host, so that rounds of parallel requests reuse them; a
// request that fails or is canceled leaves no dial and no TLS handshake behind (see
// [DialContext]); and the headers of a response are limited to 1 MiB.
//
// The caller owns it; its CloseIdleConnections closes what it keeps.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            DialContext(dialer.DialContext),
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    1000,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// DialContext returns dial as one that obeys the end of the request it dials for. It is
// for the DialContext of an http.Transport of your own; [NewTransport] has it.
//
// net/http detaches a dial from its request's context. With DialContext, a request of a
// block that fails or is canceled ends the dial and the TLS handshake that were begun
// for it. (Through a CONNECT proxy, net/http shakes hands out of DialContext's sight.)
// The context that dial is given ends when dial returns. A request of no block is dialed
// as dial does it.
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return conns.DialContext(dial)
}

// shared is the transport of clients without their own, behind its gate. It is made on
// first use, and is not a copy of http.DefaultTransport, which a program may have
// replaced by something else.
var shared = sync.OnceValue(func() *gate { return &gate{next: NewTransport()} })

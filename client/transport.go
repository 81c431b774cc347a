package client

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

// NewTransport returns a new transport like the one that is shared by clients
// without their own, for those who wrap it or change it (TLSClientConfig, Proxy,
// ...). It is http.DefaultTransport's settings with three differences: it keeps up to
// 1,000 idle connections to one host, so that rounds of parallel requests reuse them; a
// request that fails or is cancelled leaves no dial and no TLS handshake behind (see
// parallel.DialContext); and the headers of a response are limited to 1 MiB.
//
// The caller owns it; its CloseIdleConnections closes what it keeps.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            parallel.DialContext(dialer.DialContext),
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    1000,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// shared is the transport of clients without their own, behind its gate. It is made on
// first use, and is not a copy of http.DefaultTransport, which a program may have
// replaced by something else.
var shared = sync.OnceValue(func() *gate { return &gate{next: NewTransport()} })

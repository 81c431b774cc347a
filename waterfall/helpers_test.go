package waterfall_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/abreast-go/abreast/internal/testnet"
)

// These are the times of the steps towards a connection on a network.
const (
	lookup    = 10 * time.Millisecond
	dial      = 20 * time.Millisecond
	handshake = 30 * time.Millisecond
)

// A network has one server, in fake time. It is reached under any name, except
// for the two names below.
type network struct {
	*testnet.Server
	certificate tls.Certificate
	secured     sync.WaitGroup // the goroutines of secure
}

// These hosts cannot be reached on a network.
const (
	refusing = "refusing.test"
	unknown  = "unknown.test"
)

// newNetwork must be called in a bubble, with a certificate made outside it.
func newNetwork(t testing.TB, cert tls.Certificate, h http.HandlerFunc) *network {
	n := &network{certificate: cert}
	t.Cleanup(n.secured.Wait) // after the server's connections are closed
	n.Server = testnet.New(t, h)
	n.Transport.DialContext = n.dial
	n.Transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return n
}

// certificate returns a certificate for newNetwork.
func certificate() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
}

// pass waits for d or until ctx ends.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dial reports the same steps as a net.Dialer, and takes time for them.
func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace.DNSStart == nil { // the request that this dial is for has got another connection
		return n.Dial(ctx, network, addr)
	}
	trace.DNSStart(httptrace.DNSStartInfo{Host: host})
	err = pass(ctx, lookup)
	if host == unknown {
		err = &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	trace.DNSDone(httptrace.DNSDoneInfo{Err: err})
	if err != nil {
		return nil, err
	}

	trace.ConnectStart(network, addr)
	var conn net.Conn
	if err = pass(ctx, dial); host == refusing {
		err = &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	} else if err == nil {
		conn, err = n.Dial(ctx, network, addr)
	}
	trace.ConnectDone(network, addr, err)
	if err != nil || port != "443" {
		return conn, err
	}
	return n.secure(conn), nil
}

// secure returns a connection that speaks TLS, and forwards everything to
// plain.
func (n *network) secure(plain net.Conn) net.Conn {
	client, server := net.Pipe()
	front := tls.Server(server, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		<-time.After(handshake)
		return &tls.Config{Certificates: []tls.Certificate{n.certificate}}, nil
	}})
	copy := func(to, from net.Conn) {
		io.Copy(to, from)
		to.Close()
		from.Close()
	}
	n.secured.Go(func() { copy(plain, front) })
	n.secured.Go(func() { copy(front, plain) })
	return client
}

// An answer sends its header after a while, and its body after another.
type answer struct {
	after, body time.Duration
	size        int
}

func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if pass(r.Context(), a.after) != nil {
		panic(http.ErrAbortHandler)
	}
	io.WriteString(w, " ")
	http.NewResponseController(w).Flush()
	if pass(r.Context(), a.body) != nil {
		panic(http.ErrAbortHandler)
	}
	w.Write(make([]byte, a.size-1))
}

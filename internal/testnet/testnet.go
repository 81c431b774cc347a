// Package testnet has networks for tests. [New] connects the real http.Server
// and http.Transport with pipes in memory, so that they run in the fake time of
// testing/synctest. [NewFaults] starts servers on loopback that fail in every
// way that a network can, with one fault for each path.
package testnet

import (
	"context"
	"errors"
	"go/build"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// A Server is an http.Server that its Transport reaches under any host name.
// Both belong to the test, and to the synctest bubble in which they were made.
type Server struct {
	// Transport dials this server for any address. A test may change it before
	// its first use.
	Transport *http.Transport

	listener *listener
	dials    atomic.Int64
	open     atomic.Int64
}

// New starts a server with the handler h. The server is closed when the test
// ends.
func New(t testing.TB, h http.Handler) *Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return newServer(t, h, protocols)
}

// NewHTTP2 starts a server like New, which speaks HTTP/2 without TLS. It skips
// the test before Go 1.26, whose HTTP/2 servers share channels: that ends a
// process with more than one synctest bubble.
func NewHTTP2(t testing.TB, h http.Handler) *Server {
	if !slices.Contains(build.Default.ReleaseTags, "go1.26") {
		t.Skip("HTTP/2 in fake time needs Go 1.26")
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return newServer(t, h, protocols)
}

func newServer(t testing.TB, h http.Handler, protocols *http.Protocols) *Server {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &Server{listener: l}
	s.Transport = &http.Transport{DialContext: s.Dial, MaxIdleConnsPerHost: 1000, Protocols: protocols}
	var conns sync.WaitGroup
	srv := &http.Server{Handler: h, Protocols: protocols, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
			conns.Done()
		}
	}}
	go srv.Serve(l)
	t.Cleanup(func() {
		s.Transport.CloseIdleConnections()
		srv.Close()
		conns.Wait() // the server takes time to close some, which must pass in the bubble
	})
	return s
}

// Client returns an http.Client with the server's Transport.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.Transport} }

// Dial returns a new connection to the server.
func (s *Server) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case s.listener.conns <- server:
		s.dials.Add(1)
		return client, nil
	case <-s.listener.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused: the server is closed")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dials returns the number of connections that were made.
func (s *Server) Dials() int { return int(s.dials.Load()) }

// Open returns the number of connections that the server has open.
func (s *Server) Open() int { return int(s.open.Load()) }

// Close stops accepting connections. The next dial fails as if it was refused.
func (s *Server) Close() { s.listener.Close() }

type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }

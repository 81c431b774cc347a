package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

// An upstream serves what was planted, on loopback.
type upstream struct {
	address string
	server  *http.Server
}

func startUpstream(plants []planted) (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /item/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(plants) {
			http.NotFound(w, r)
			return
		}
		plants[n].serve(w, r)
	})
	u := &upstream{
		address: l.Addr().String(),
		server:  &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)},
	}
	go u.server.Serve(l)
	return u, nil
}

func (u *upstream) close() { u.server.Close() }

// serve answers as planted.
func (p *planted) serve(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(p.latency):
	case <-r.Context().Done():
		return
	}
	switch p.kind {
	case kindTimeout:
		<-r.Context().Done()
	case kindReset:
		p.reset(w)
	case kindTooLarge:
		write(w, 2*p.bytes)
	default:
		w.Header().Set("Content-Length", strconv.FormatInt(p.bytes, 10))
		w.WriteHeader(p.status)
		write(w, p.bytes)
	}
}

// reset sends p.bytes of a body that is twice as long, and then no FIN but an RST.
func (p *planted) reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n", p.status, 2*p.bytes)
	write(conn, p.bytes)
	<-time.After(200 * time.Millisecond) // an RST may overtake what was sent
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// write writes n bytes of no interest, unless the reader goes away.
func write(w io.Writer, n int64) {
	io.CopyN(w, zeros{}, n)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

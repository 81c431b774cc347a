// Package upstream has a server on loopback for the examples. It answers as it
// is told, with faults, and counts its requests.
package upstream

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// An Item describes the answer of one URL.
type Item struct {
	Latency time.Duration // of the answer
	Status  int
	Bytes   int64 // of the body
	Fault   Fault
	Once    bool // only the first request meets the fault
}

// A Fault is a way in which an answer fails.
type Fault int

const (
	None       Fault = iota
	Busy             // status 503 and no body
	Silence          // no answer
	Reset            // half of the declared body, then an RST
	Undeclared       // a body without Content-Length
)

// An Upstream serves items.
type Upstream struct {
	Address string
	items   []Item
	asked   []atomic.Int64 // number of requests, by item
	server  *http.Server
}

// Start serves items on a TCP address. Port 0 means a free port.
func Start(address string, items []Item) (*Upstream, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	u := &Upstream{Address: l.Addr().String(), items: items, asked: make([]atomic.Int64, len(items))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /item/{n}", u.serve)
	u.server = &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	go u.server.Serve(l)
	return u, nil
}

// URL returns the URL of an item.
func (u *Upstream) URL(n int) string { return fmt.Sprintf("http://%s/item/%d", u.Address, n) }

// Asked returns how often an item was requested.
func (u *Upstream) Asked(n int) int64 { return u.asked[n].Load() }

func (u *Upstream) Close() { u.server.Close() }

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(u.items) {
		http.NotFound(w, r)
		return
	}
	item := u.items[n]
	if u.asked[n].Add(1) > 1 && item.Once {
		item.Fault = None
	}
	item.Serve(w, r)
}

// Serve answers as i says.
func (i Item) Serve(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(i.Latency):
	case <-r.Context().Done():
		return
	}
	switch i.Fault {
	case Busy:
		w.WriteHeader(http.StatusServiceUnavailable)
	case Silence:
		<-r.Context().Done()
	case Reset:
		i.reset(w)
	case Undeclared:
		w.WriteHeader(i.Status)
		write(w, i.Bytes)
	default:
		w.Header().Set("Content-Length", strconv.FormatInt(i.Bytes, 10))
		w.WriteHeader(i.Status)
		write(w, i.Bytes)
	}
}

func (i Item) reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n", i.Status, 2*i.Bytes)
	write(conn, i.Bytes)
	<-time.After(200 * time.Millisecond) // an RST may overtake the body
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// write writes n zeros, or until w fails.
func write(w io.Writer, n int64) {
	io.CopyN(w, zeros{}, n)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

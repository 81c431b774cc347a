// Package upstream is a server on loopback for the examples to fetch from. It
// answers as it was told to, faults included, and counts what it is asked for.
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

// An Item is how one URL is answered.
type Item struct {
	Latency time.Duration // of the answer
	Status  int
	Bytes   int64 // of the body
	Fault   Fault
	Once    bool // only the first request meets the fault
}

// A Fault is what an Item has in place of a good answer.
type Fault int

const (
	None       Fault = iota
	Busy             // status 503 and no body
	Silence          // no answer
	Reset            // a body that is declared twice as long, and then no FIN but an RST
	Undeclared       // a good answer, but for its length, which it doesn't declare
)

// An Upstream serves items.
type Upstream struct {
	Address string
	items   []Item
	asked   []atomic.Int64 // how often, by item
	server  *http.Server
}

// Start serves items on a TCP address; with port 0 that is a free one.
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

// URL is where an item is.
func (u *Upstream) URL(n int) string { return fmt.Sprintf("http://%s/item/%d", u.Address, n) }

// Asked is how often an item was asked for.
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

// Serve answers as told.
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

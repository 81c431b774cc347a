//go:build linux

package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// A backend is the application behind a server. It answers with the method, the
// id and the body of the request, and keeps its own accounts.
type backend struct {
	plain, tls *httptest.Server

	mu       sync.Mutex  // guards the fields below
	received map[int]int // how often each id has come
}

func newBackend(t *testing.T) *backend {
	b := &backend{received: map[int]int{}}
	b.plain, b.tls = httptest.NewUnstartedServer(b), httptest.NewUnstartedServer(b)
	b.tls.TLS = &tls.Config{Certificates: []tls.Certificate{certificates(t).pair(t, "good")}}
	b.tls.EnableHTTP2 = true
	b.plain.Start()
	b.tls.StartTLS()
	for _, srv := range []*httptest.Server{b.plain, b.tls} {
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	}
	t.Cleanup(b.close)
	return b
}

// close ends the backend and its connections.
func (b *backend) close() {
	for _, srv := range []*httptest.Server{b.plain, b.tls} {
		srv.CloseClientConnections()
		srv.Close()
	}
}

// url returns the URL of the backend itself.
func (b *backend) url(proto protocol) string {
	if proto.overTLS() {
		return b.tls.URL
	}
	return b.plain.URL
}

// ServeHTTP answers a request. A request for /slow is not answered before its
// client is gone.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.URL.Query().Get("id"))
	b.mu.Lock()
	if id >= 0 { // it is not awaitLog's
		b.received[id]++
	}
	b.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/slow" {
		<-r.Context().Done()
		return
	}
	fmt.Fprint(w, answerTo(r.Method, id, string(body)))
}

// answerTo returns the body of the answer to a request.
func answerTo(method string, id int, body string) string {
	return fmt.Sprintf("%s %d %s\n", method, id, body)
}

// times returns how often the request has come.
func (b *backend) times(id int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received[id]
}

// arrived returns how many requests have come.
func (b *backend) arrived() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.received)
}

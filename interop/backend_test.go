//go:build linux

package interop

import (
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A backend is the application behind a server. It answers with the method, the
// id and the body of the request, and keeps its own accounts.
type backend struct {
	plain, tls *httptest.Server

	mu       sync.Mutex // guards the fields below
	received accounts   // how often each id has come
}

func newBackend(t *testing.T) *backend {
	b := &backend{received: accounts{}}
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

// ServeHTTP answers a request, after the milliseconds that its query names.
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
	ms, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	if r.URL.Query().Has("encoding") {
		answerEncoded(w, id, r.URL.Query().Get("encoding"))
		return
	}
	fmt.Fprint(w, answerTo(r.Method, id, string(body)))
}

// answerEncoded answers with the id as JSON in an encoding: gzip, x-gzip, or one
// that nobody can read.
func answerEncoded(w http.ResponseWriter, id int, encoding string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", encoding)
	if !strings.Contains(encoding, "gzip") {
		fmt.Fprintf(w, "\x0f\x01\x80%d\x03", id)
		return
	}
	z := gzip.NewWriter(w)
	defer z.Close()
	fmt.Fprint(z, id)
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

// all returns how often each request has come.
func (b *backend) all() accounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.received)
}

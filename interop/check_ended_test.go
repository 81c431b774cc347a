//go:build linux

package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// checkEnded ends a block while 50 requests are in flight and 150 are queued.
// Nothing arrives afterward, and nothing is left of the connections, the
// goroutines and the descriptors.
func checkEnded(t *testing.T, s server, proto protocol) result {
	const n = 200
	limit := 50
	if s.seats > 0 {
		limit = s.seats
	}
	want := limit // requests that come to the application
	if s.oneByOne {
		want = 1
	}
	if proto == https2 && s.streams > 0 {
		want = s.streams
	}
	goroutines, descriptors := runtime.NumGoroutine(), openFiles(t)
	r := start(t, s, variation{})
	tr := r.transport(t, proto, false)
	c := client.Client{HTTP: &http.Client{Transport: tr.Transport}, Limit: limit}
	var handles []*pending.Pending
	c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for i := range n {
			handles = append(handles, r.hanging(p, proto, i))
		}
		if !eventually(func() bool { return len(r.came()) >= want }) {
			t.Errorf("%d requests came to the application; want %d", len(r.came()), want)
		}
		return nil
	})
	before := len(r.came())
	r.awaitNoConnections(t, tr, proto)
	tr.CloseIdleConnections()
	r.stop()
	logged, came := r.read(), r.came()
	for id, k := range logged {
		if id >= limit || k != 1 {
			t.Errorf("request %d is %d times in the log", id, k)
		}
	}
	for i, h := range handles {
		_, err := h.Response()
		if !errors.Is(err, parallel.ErrEnded) {
			t.Errorf("request %d: %v; want ErrEnded", i, err)
		}
		// A request that was in flight and did not come may have been sent, or
		// may not have had a connection yet.
		notSent := errors.Is(err, pending.ErrNotSent)
		if i >= limit && !notSent || (came[i] > 0 || logged[i] > 0) && notSent {
			t.Errorf("request %d, which came %d times: ErrNotSent is %v", i, came[i], notSent)
		}
	}
	after := len(came)
	if s.oneByOne || proto == https2 && s.streams > 0 {
		// The others wait: at the server, or for a stream, and the first that
		// is canceled leaves its stream to one that is about to be.
		before = after
	}
	if after != before || after < want || after > limit {
		t.Errorf("%d requests came before the end, %d afterward; want %d", before, after-before, want)
	}
	r.backend.close()
	if !eventually(func() bool { return runtime.NumGoroutine() <= goroutines && openFiles(t) <= descriptors }) {
		t.Errorf("%d goroutines and %d descriptors; before: %d and %d", runtime.NumGoroutine(), openFiles(t), goroutines, descriptors)
	}
	return result{}
}

// hanging makes a request that is not answered within a minute, in turns a GET
// and a POST. A server that answers at once gets an upload that does not end.
func (r *running) hanging(p *parallel.Parallel, proto protocol, id int) *pending.Pending {
	url := r.url(proto, fmt.Sprintf("/?id=%d&wait=60000", id))
	switch {
	case r.silent:
		body, _ := io.Pipe()
		return p.Post(url, parallel.Body("text/plain", body))
	case id%2 == 0:
		return p.Get(url)
	}
	return p.Post(url, parallel.Body("text/plain", strings.NewReader("body")))
}

// awaitNoConnections waits until no connection to the server is open.
func (r *running) awaitNoConnections(t *testing.T, tr *transport, proto protocol) {
	t.Helper()
	port := r.Port
	if proto.overTLS() && r.proxy == "" {
		port = r.TLSPort
	}
	gone := eventually(func() bool {
		// A canceled stream leaves its connection to others. So does a request
		// that ended before it had the connection that was opened for it.
		if proto == https2 || r.oneByOne {
			tr.CloseIdleConnections()
		}
		return connections(t, port) == 0
	})
	if !gone {
		t.Errorf("%d connections are left", connections(t, port))
	}
}

// eventually reports whether cond becomes true within some seconds. Other
// processes tell nobody when they are done.
func eventually(cond func() bool) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if cond() {
			return true
		}
	}
	return false
}

// openFiles returns the number of the open descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// connections returns how many connections to a port of this host are open.
func connections(t *testing.T, port int) int {
	t.Helper()
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// A line is: number, local address, remote address, state (01 is established), ...
		fields := strings.Fields(lines.Text())
		if len(fields) > 3 && fields[3] == "01" && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", port)) {
			n++
		}
	}
	return n
}

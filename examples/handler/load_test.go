package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// open is the shop as run opens it, on loopback, until the test ends.
func open(t *testing.T, services map[string]*http.Server) (_ *shop, url string) {
	t.Helper()
	catalogue, err := newCatalogue(filepath.Join(t.TempDir(), "catalogue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { catalogue.Close() })
	asked, stop, err := start(services)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	m := newMetrics()
	s := &shop{catalogue, m, client.Client{HTTP: asked, Observe: m.observe}, patience}
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	return s, web.URL
}

// inFlight is what the metrics say of all services.
func inFlight(s *shop) (n float64) {
	for name := range services() {
		n += testutil.ToFloat64(s.metrics.inFlight.WithLabelValues(name))
	}
	return n
}

const visitors = 200

// In fake time, so that a page's time is its own and not the machine's.
func TestLoad_everyVisitorAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := newShop(t, without("reviews", hangs))
		var all sync.WaitGroup
		for range visitors {
			all.Go(func() {
				page, took := get(t.Context(), s, "/product/7")
				if page.Code != http.StatusOK || took != patience || !strings.Contains(page.Body.String(), "The reviews are late") {
					t.Errorf("status %d after %v, want 200 after %v without the reviews", page.Code, took, patience)
				}
			})
		}
		<-time.After(patience / 2)
		synctest.Wait()
		if n := inFlight(s); n != visitors {
			t.Errorf("%v requests in flight, want one for each of %d visitors", n, visitors)
		}
		all.Wait()
		if n := inFlight(s); n != 0 {
			t.Errorf("%v requests in flight when every page is there", n)
		}
		synctest.Wait()
		if n := net.Open(); n != 2*visitors {
			t.Errorf("%d connections, want those to the two services that answered, kept", n)
		}
		net.Transport.CloseIdleConnections()
		synctest.Wait()
		if n := net.Open(); n != 0 {
			t.Errorf("%d connections are in use when every page is there", n)
		}
	})
}

// The same through real servers and connections, in real time.
func TestLoad_leavesNothingBehind(t *testing.T) {
	all, connections := without("reviews", hangs), new(counter)
	for _, srv := range all {
		srv.ConnState = connections.count
	}
	s, url := open(t, all)
	s.patience = 5 * time.Second // so that the database has its turn on any machine

	visitor := client.Client{BaseURL: url, Limit: visitors}
	err := visitor.Parallel(t.Context(), func(p *parallel.Parallel) error {
		pages := make([]*pending.Pending, visitors)
		for i := range pages {
			pages[i] = p.Get(fmt.Sprintf("/product/%d", 1+i%8))
		}
		for _, page := range pages {
			body, err := page.Bytes() // a status of 200, then
			if err != nil {
				return err
			}
			if !strings.Contains(string(body), "The reviews are late") {
				return fmt.Errorf("the page has reviews:\n%s", body)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := inFlight(s); n != 0 {
		t.Errorf("%v requests in flight when every page is there", n)
	}
	if connections.opened.Load() < visitors {
		t.Errorf("%d connections were counted, fewer than visitors", connections.opened.Load())
	}
	s.client.HTTP.CloseIdleConnections()
	connections.open.Wait() // the test's timeout says so if one is left
}

// A counter counts a server's connections.
type counter struct {
	opened atomic.Int64
	open   sync.WaitGroup
}

func (c *counter) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.opened.Add(1)
		c.open.Add(1)
	case http.StateClosed:
		c.open.Done()
	}
}

// Pages in progress are finished when the shop stops, and no new page is
// started.
func TestShutdown_finishesPages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, answer, closed := make(chan bool), make(chan bool), make(chan error, 1)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		fmt.Fprint(w, r.Context().Err())
	})
	ctx, end := context.WithCancel(t.Context())
	go func() { closed <- serve(ctx, l, slow) }()

	err = client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		page := p.Get("http://" + l.Addr().String())
		<-asked
		end()
		for { // until nobody listens
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				break
			}
			c.Close()
		}
		close(answer)
		body, err := page.Bytes()
		if string(body) != "<nil>" {
			t.Errorf("the page is %q, its context is to be as it was", body)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Errorf("serve: %v", err)
	}
}

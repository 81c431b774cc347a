package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// WARNINGS.md's facts about net/http's own limits.

// Two requests of 20 s each, to one host, one after the other.
func TestMaxConnsPerHost_waitUsesTimeout(t *testing.T) {
	type result struct {
		TimedOut bool
		After    time.Duration
	}
	const s = time.Second
	answered := func(after time.Duration) result { return result{false, after} }
	timedOut := func(after time.Duration) result { return result{true, after} }
	for name, tc := range map[string]struct {
		client   client.Client
		maxConns int           // the transport's MaxConnsPerHost
		timeout  time.Duration // http.Client's own
		want     []result
	}{
		"MaxConnsPerHost":                      {client.Client{}, 1, 0, []result{answered(20 * s), timedOut(30 * s)}},
		"HostLimit":                            {client.Client{HostLimit: 1}, 0, 0, []result{answered(20 * s), answered(40 * s)}},
		"MaxConnsPerHost, http.Client.Timeout": {client.Client{}, 1, 25 * s, []result{answered(20 * s), timedOut(25 * s)}},
		"HostLimit, http.Client.Timeout":       {client.Client{HostLimit: 1}, 0, 25 * s, []result{answered(20 * s), answered(40 * s)}},
		"http.Client.Timeout is the earlier":   {client.Client{HostLimit: 1}, 0, 5 * s, []result{timedOut(5 * s), timedOut(10 * s)}},
		"Client.Timeout is the earlier":        {client.Client{HostLimit: 1, Timeout: 5 * s}, 0, 60 * s, []result{timedOut(5 * s), timedOut(10 * s)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(20 * s):
					case <-r.Context().Done():
					}
				}))
				srv.Transport.MaxConnsPerHost = tc.maxConns
				tc.client.HTTP = &http.Client{Transport: srv.Transport, Timeout: tc.timeout}
				start := time.Now()
				var got []result
				tc.client.Parallel(t.Context(), func(p *parallel.Parallel) error {
					first := p.Get("http://h/")
					synctest.Wait()
					for _, h := range []*pending.Pending{first, p.Get("http://h/")} {
						_, err := h.Response()
						timeout, ok := err.(*url.Error)
						if err != nil && !(ok && timeout.Timeout() && errors.Is(err, context.DeadlineExceeded)) {
							t.Errorf("%v; want a timeout, whichever of the two it is", err)
						}
						got = append(got, result{err != nil, time.Since(start)})
					}
					return nil
				})
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("the two requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A request that never got a connection was not sent, and its error says so.
func TestMaxConnsPerHost_waitIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		s.Transport.MaxConnsPerHost = 1
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://h/", parallel.Timeout(-1))
			synctest.Wait()
			_, err := p.Get("http://h/").Response()
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%v; want a timeout that says ErrNotSent", err)
			}
			return nil
		})
	})
}

// Twenty requests are with the server at once, over the one connection that is
// allowed.
func TestMaxConnsPerHost_noLimitOnHTTP2(t *testing.T) {
	const requests = 20
	var arrived atomic.Int32
	together := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == requests {
			close(together)
		}
		select {
		case <-together:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, r.Proto)
	}))
	srv.EnableHTTP2 = true
	var connections atomic.Int32
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.StartTLS()
	defer srv.Close()

	transport := srv.Client().Transport.(*http.Transport)
	transport.MaxConnsPerHost = 1
	c := client.Client{HTTP: srv.Client()}
	err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for range requests {
			p.Get(srv.URL)
		}
		for h := range p.Arrivals() {
			if body, err := h.Bytes(); err != nil || string(body) != "HTTP/2.0" {
				t.Errorf("%s, %v", body, err)
			}
		}
		return nil
	})
	if err != nil || connections.Load() != 1 {
		t.Errorf("%v, over %d connections; want one", err, connections.Load())
	}
}

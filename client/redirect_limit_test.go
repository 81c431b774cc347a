package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// Promise 19: a redirect to another host counts there.

// A redirector redirects requests for all other hosts to the host "busy", with
// 307. It answers requests for "busy" after one second, and counts how many are
// there at a time.
type redirector struct {
	mu        sync.Mutex
	now, most int
}

func (s *redirector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "busy" {
		http.Redirect(w, r, "http://busy/", http.StatusTemporaryRedirect)
		return
	}
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-r.Context().Done():
	}
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
}

func TestHostLimit_holdsAlongRedirects(t *testing.T) {
	for _, test := range []struct {
		limit, hostLimit int
		most             int
		took             time.Duration
	}{
		{0, 0, 12, time.Second},
		{0, 1, 1, 12 * time.Second},
		{0, 4, 4, 3 * time.Second},
		{2, 4, 2, 6 * time.Second},
	} {
		t.Run(fmt.Sprintf("Limit %d, HostLimit %d", test.limit, test.hostLimit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s redirector
				c := client.Client{HTTP: testnet.New(t, &s).Client(), Limit: test.limit, HostLimit: test.hostLimit}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for i := range 12 {
						p.Get(fmt.Sprintf("http://link%d/", i))
					}
					for p.HasPending() {
						if _, err := p.Next(); err != nil {
							t.Error(err)
						}
					}
					return nil
				})
				if s.most != test.most || time.Since(start) != test.took {
					t.Errorf("at most %d requests at one host, %v in all; want %d and %v", s.most, time.Since(start), test.most, test.took)
				}
			})
		})
	}
}

// A hop that waits does not hold a place at its first host.
func TestHostLimit_hopLeavesItsFirstHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, new(redirector)).Client(), HostLimit: 1}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://busy/")
			p.Get("http://link/1")
			start := time.Now()
			second := p.Get("http://link/2", parallel.Timeout(time.Millisecond))
			if _, err := second.Response(); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Millisecond {
				t.Errorf("Response() = %v after %v; want it redirected at once, and out of time after 1ms", err, time.Since(start))
			}
			return nil
		})
	})
}

func TestHostLimit_waitingHopCanEnd(t *testing.T) {
	cause := errors.New("the caller's cause")
	for name, test := range map[string]struct {
		end  func(h *pending.Pending, cancel context.CancelCauseFunc)
		opts []parallel.Option
		want error
	}{
		"Cancel":           {end: func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() }, want: context.Canceled},
		"Timeout":          {opts: []parallel.Option{parallel.Timeout(time.Millisecond)}, want: context.DeadlineExceeded},
		"the caller's end": {end: func(_ *pending.Pending, cancel context.CancelCauseFunc) { cancel(cause) }, want: cause},
		"the block's end":  {want: parallel.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var sent hopBodies
				var h *pending.Pending
				c := client.Client{HTTP: testnet.New(t, new(redirector)).Client(), HostLimit: 1}
				start := time.Now()
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					p.Get("http://busy/")
					h = p.Post("http://link/", append(test.opts, func(r *parallel.Request) error {
						r.GetBody = sent.open
						var err error
						r.Body, err = sent.open()
						return err
					})...)
					synctest.Wait()
					switch {
					case test.end != nil:
						test.end(h, cancel)
						<-h.Done()
					case test.opts != nil:
						<-h.Done()
					}
					return nil
				})
				if took := time.Since(start); took > time.Millisecond {
					t.Errorf("the hop ended after %v, want at most 1ms", took)
				}
				_, err := h.Response()
				if !errors.Is(err, test.want) || errors.Is(err, pending.ErrNotSent) {
					t.Errorf("Response() = %v; want %v, and not ErrNotSent: the first host has answered", err, test.want)
				}
				if opened, closed := sent.opened.Load(), sent.closed.Load(); opened != closed {
					t.Errorf("%d bodies were opened, %d closed", opened, closed)
				}
			})
		})
	}
}

// Wait is called for each hop to another host, when it has a place at that
// host.
func TestWait_calledForHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var calls []string
		c := client.Client{HTTP: testnet.New(t, new(redirector)).Client(), HostLimit: 1, Wait: func(r *http.Request) error {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, fmt.Sprint(time.Since(start), " ", r.URL))
			if r.Body != nil {
				t.Error("Wait was given a body")
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			a, b := p.Post("http://a/", parallel.JSON(1)), p.Post("http://b/", parallel.JSON(1))
			_, err := pending.All(a, b)
			return err
		})
		slices.Sort(calls)
		want := []string{"0s http://a/", "0s http://b/", "0s http://busy/", "1s http://busy/"}
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("calls of Wait: -want +got\n%s", diff)
		}
	})
}

func TestWait_errorRefusesHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("not there")
		c := client.Client{HTTP: testnet.New(t, new(redirector)).Client(), Wait: func(r *http.Request) error {
			if r.URL.Host == "busy" {
				return refused
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://link/").Response()
			if !errors.Is(err, refused) || errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Response() = %v; want Wait's error, and not ErrNotSent: the first host has answered", err)
			}
			return nil
		})
	})
}

func TestWait_panicAtHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if r := recover(); r == nil {
				t.Error("the panic is not raised")
			}
		}()
		c := client.Client{HTTP: testnet.New(t, new(redirector)).Client(), Wait: func(r *http.Request) error {
			if r.URL.Host == "busy" {
				panic("in Wait")
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://link/").Response(); err == nil {
				t.Error("Response() succeeds, want an error")
			}
			return nil
		})
	})
}

// A hopBodies opens bodies, and counts those that are opened and closed.
type hopBodies struct{ opened, closed atomic.Int32 }

func (b *hopBodies) open() (io.ReadCloser, error) {
	b.opened.Add(1)
	return &hopBody{strings.NewReader("content"), b}, nil
}

type hopBody struct {
	io.Reader
	bodies *hopBodies
}

func (b *hopBody) Close() error {
	b.bodies.closed.Add(1)
	return nil
}

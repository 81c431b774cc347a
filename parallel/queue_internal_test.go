package parallel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// idle reports whether q has no request and no state of a host.
func idle(q *queue) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.slots.Idle()
}

// Promise 19: the state of a host is freed with its last request, however that
// request ends.
func TestQueue_idleHostsAreFreed(t *testing.T) {
	send := func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
		switch r.URL.Path {
		case "/error":
			return nil, errors.New("failed")
		case "/panic":
			panic("out")
		case "/goexit":
			runtime.Goexit()
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, r.Context().Err()
	}
	for _, path := range []string{"/", "/error", "/panic", "/goexit"} {
		for _, end := range []string{"all are done", "all are canceled", "their function ends", "the block ends"} {
			t.Run(path+", "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer func() {
						if r := recover(); r != nil && path != "/panic" {
							panic(r)
						}
					}()
					var q *queue
					defer func() {
						if !idle(q) {
							t.Error("the queue is not idle after the block")
						}
					}()
					Run(t.Context(), Config{Send: send, HostLimit: 2}, func(p *Parallel) error {
						q = p.queue
						var hs []*pending.Pending
						start := func(p *Parallel) {
							for _, n := range []int{1, 2, 3, 5} {
								for range n {
									hs = append(hs, p.Get(fmt.Sprintf("http://%d%s", n, path)))
								}
							}
							want := Stats{InFlight: 1 + 2 + 2 + 2, Queued: 1 + 3}
							if diff := cmp.Diff(want, p.Stats()); diff != "" {
								t.Errorf("Stats() (-want +got):\n%s", diff)
							}
						}
						if end == "their function ends" {
							p.Go(func(p *Parallel) (*http.Response, error) { start(p); return nil, nil }).Response()
						} else {
							start(p)
						}
						switch end {
						case "the block ends":
							return nil
						case "all are canceled":
							for _, h := range hs {
								h.Cancel()
							}
						}
						for _, h := range hs {
							h.Response()
						}
						if !idle(q) {
							t.Error("the queue is not idle once every request is done")
						}
						if n := p.waiting.Len(); n != 0 {
							t.Errorf("%d requests are listed as waiting, want 0", n)
						}
						return nil
					})
				})
			})
		}
	}
}

// When a handle is done, its slot is free and its request is counted.
func TestQueue_slotIsFreedBeforeDone(t *testing.T) {
	send := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}
	Run(t.Context(), Config{Send: send, Limit: 1, HostLimit: 1}, func(p *Parallel) error {
		h := p.Get("http://any/")
		var at Stats
		var free bool
		told := make(chan struct{})
		p.handles.Claim(h, 0, func(int) { // called when h is done
			at, free = p.Stats(), idle(p.queue)
			close(told)
		})
		<-told
		if at != (Stats{Done: 1}) || !free {
			t.Errorf("when the handle is done, Stats() = %+v, idle = %v; want one Done, true", at, free)
		}
		return nil
	})
}

// The request's own context may end after Link has looked at it, and before the
// request is listed. Nobody ends the request after that.
func TestEnqueue_contextHasJustEnded(t *testing.T) {
	Run(t.Context(), Config{}, func(p *Parallel) error {
		s := p.withOptions()
		s.Ask = ask.Get("http://h/", nil).Out(nil)
		s.request.After = time.Hour
		s.Doom(context.Canceled) // as the end of the context does
		s.makeHandle(nil)
		if got, want := p.Stats(), (Stats{Done: 1, Failed: 1}); got != want {
			t.Errorf("Stats() = %+v; want %+v", got, want)
		}
		return nil
	})
}

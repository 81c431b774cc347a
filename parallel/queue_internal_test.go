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

	"github.com/abreast-go/abreast/pending"
)

// hostsOf is what q keeps for hosts: requests in flight and set aside.
func hostsOf(q *queue) map[string][2]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	hosts := make(map[string][2]int)
	for name, h := range q.hosts {
		hosts[name] = [2]int{h.inFlight, h.aside.Len()}
	}
	return hosts
}

// Promise 19: what is kept for a host is gone with its last request, however that
// ended.
func TestNothingIsKeptForAHostWithoutRequests(t *testing.T) {
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
		for _, end := range []string{"all are waited for", "all are cancelled", "the function they are of is left", "the block is left"} {
			t.Run(path+", "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer func() {
						if r := recover(); r != nil && path != "/panic" {
							panic(r)
						}
					}()
					var q *queue
					defer func() {
						if got := hostsOf(q); len(got) != 0 || q.inFlight != 0 || q.ready.Len() != 0 {
							t.Errorf("after the block there are %v for hosts, %d in flight, %d ready; want nothing", got, q.inFlight, q.ready.Len())
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
							want := map[string][2]int{"1:80": {1, 0}, "2:80": {2, 0}, "3:80": {2, 1}, "5:80": {2, 3}}
							if diff := cmp.Diff(want, hostsOf(q)); diff != "" {
								t.Errorf("in flight and set aside: -want +got\n%s", diff)
							}
						}
						if end == "the function they are of is left" {
							p.Go(func(p *Parallel) (*http.Response, error) { start(p); return nil, nil }).Response()
						} else {
							start(p)
						}
						switch end {
						case "the block is left":
							return nil
						case "all are cancelled":
							for _, h := range hs {
								h.Cancel()
							}
						}
						for _, h := range hs {
							h.Response()
						}
						if got := hostsOf(q); len(got) != 0 {
							t.Errorf("with every request settled there are %v; want nothing", got)
						}
						if n := p.waiting.Len(); n != 0 {
							t.Errorf("%d are listed as waiting", n)
						}
						return nil
					})
				})
			})
		}
	}
}

// Promise 19: and not later, in a block that goes on.
func TestAHostIsForgottenWithItsLastRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := func(r *http.Request) (*http.Response, error) {
			<-time.After(time.Second)
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		}
		Run(context.Background(), Config{Send: send, Limit: 1, HostLimit: 1}, func(p *Parallel) error {
			for i := range 1000 {
				p.Get(fmt.Sprintf("http://%d/", i))
			}
			for i := 1; p.HasPending(); i++ {
				p.Next()
				if got := hostsOf(p.queue); len(got) > 1 {
					t.Fatalf("after %d answers there are %d hosts; want the one in flight", i, len(got))
				}
			}
			if got := hostsOf(p.queue); len(got) != 0 {
				t.Errorf("at the end there are %v; want nothing", got)
			}
			return nil
		})
	})
}

// Whoever waited for a handle finds its slot free and its request counted.
func TestAHandleSettlesOnceItsSlotIsFree(t *testing.T) {
	send := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}
	Run(t.Context(), Config{Send: send, Limit: 1, HostLimit: 1}, func(p *Parallel) error {
		h := p.Get("http://any/")
		var at Stats
		var hosts map[string][2]int
		told := make(chan struct{})
		pending.Claim(h, 0, func(int) { // called as it settles
			at, hosts = p.Stats(), hostsOf(p.queue)
			close(told)
		})
		<-told
		if at != (Stats{Done: 1}) || len(hosts) != 0 {
			t.Errorf("as the handle settles, Stats = %+v and there are %v for hosts; want one Done, and nothing", at, hosts)
		}
		return nil
	})
}

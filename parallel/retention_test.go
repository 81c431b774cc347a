package parallel_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A handle, a response or an error that a program keeps does not keep other
// requests of its block alive.
func TestHandle_retainsNoOtherRequest(t *testing.T) {
	cfg := parallel.Config{Send: func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/fails" {
			return nil, errRefused
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}}
	tests := []struct {
		name string
		keep func(p *parallel.Parallel) any
	}{
		{"a handle", func(p *parallel.Parallel) any {
			h := p.Get("http://h/")
			h.Response()
			return h
		}},
		{"a Race's handle", func(p *parallel.Parallel) any {
			h := pending.Race(p.Get("http://h/"))
			h.Response()
			return h
		}},
		{"a handle that was only waited for", func(p *parallel.Parallel) any {
			h := p.Get("http://h/")
			<-h.Done()
			return h
		}},
		{"a handle whose Request was called", func(p *parallel.Parallel) any {
			h := p.Post("http://h/", parallel.Body("", strings.NewReader("body")))
			return []any{h, h.Request()}
		}},
		{"a handle that is unclaimed and was not waited for", func(p *parallel.Parallel) any {
			return p.Get("http://h/")
		}},
		{"a canceled handle", func(p *parallel.Parallel) any {
			h := p.Get("http://h/", parallel.After(time.Hour))
			h.Cancel()
			return h
		}},
		{"a handle whose request has a context", func(p *parallel.Parallel) any {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, "GET", "http://h/", nil)
			h := p.Do(r)
			resp, _ := h.Response()
			return []any{h, resp}
		}},
		{"a racer that lost", func(p *parallel.Parallel) any {
			h := p.Get("http://h/", parallel.After(time.Hour))
			pending.Race(p.Get("http://h/"), h).Response()
			return h
		}},
		{"a race that is unclaimed", func(p *parallel.Parallel) any {
			h := pending.Race(p.Get("http://h/fails"), p.Get("http://h/fails"))
			<-h.Done()
			return h
		}},
		{"a handle of Go", func(p *parallel.Parallel) any {
			h := p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("http://h/").Response() })
			<-h.Done()
			return h
		}},
		{"a context", func(p *parallel.Parallel) any { return p.Context() }},
		{"a response", func(p *parallel.Parallel) any {
			resp, _ := p.Get("http://h/").Response()
			return resp
		}},
		{"an upload's response", func(p *parallel.Parallel) any {
			resp, _ := p.Post("http://h/", parallel.Body("", strings.NewReader("body"))).Response()
			return resp
		}},
		{"an error", func(p *parallel.Parallel) any {
			_, err := p.Post("http://h/fails", parallel.Body("", strings.NewReader("body"))).Response()
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var timers []*time.Timer // among so many, the runtime keeps a stopped timer
			var kept any
			var other weak.Pointer[pending.Pending]
			parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
				h := p.Get("http://h/other")
				<-h.Done() // it stays unclaimed
				other = weak.Make(h)
				for range 1000 {
					timers = append(timers, time.AfterFunc(time.Hour, func() {}))
				}
				kept = test.keep(p)
				return nil
			})
			if !collected(func() bool { return other.Value() == nil }) {
				t.Error("another request of the block is kept alive")
			}
			runtime.KeepAlive(kept)
			for _, timer := range timers {
				timer.Stop()
			}
		})
	}
}

// collected reports whether gone reports true after a collection. A goroutine
// that the block has joined may still be on its last instructions, with what it
// held on its stack, so there is more than one.
func collected(gone func() bool) bool {
	for range 100 {
		runtime.GC()
		if gone() {
			return true
		}
		runtime.Gosched()
	}
	return false
}

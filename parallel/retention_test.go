package parallel_test

import (
	"context"
	"net/http"
	"runtime"
	"slices"
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
	cfg := parallel.Config{
		Send: func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/fails" {
				return nil, errRefused
			}
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		},
		Wait: func(r *http.Request) error {
			if r.URL.Host == "paused" {
				return parallel.Later(time.Hour)
			}
			return nil
		},
	}
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
		{"the timer of a pause", func(p *parallel.Parallel) any {
			p.Get("http://paused/")
			for p.Stats().Queued == 0 {
				runtime.Gosched()
			}
			return nil
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
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the runtime has one list of timers then
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var timers []*time.Timer // among so many, the runtime keeps a stopped timer
			var kept []any
			for range 3 {
				var other weak.Pointer[pending.Pending]
				parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
					h := p.Get("http://h/other")
					<-h.Done() // it stays unclaimed
					other = weak.Make(h)
					for range 1000 {
						timers = append(timers, time.AfterFunc(time.Hour, func() {}))
					}
					kept = append(kept, test.keep(p))
					return nil
				})
				if !collected(func() bool { return other.Value() == nil }) {
					t.Error("another request of the block is kept alive")
				}
			}
			runtime.KeepAlive(kept)
			for _, timer := range timers {
				timer.Stop()
			}
		})
	}
}

// A handle of a block that has ended does not keep what is made later.
func TestHandle_retainsNothingMadeLater(t *testing.T) {
	cfg := parallel.Config{Send: func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}}
	for name, later := range map[string]func(p *parallel.Parallel, h *pending.Pending) *pending.Pending{
		"a request": func(p *parallel.Parallel, _ *pending.Pending) *pending.Pending { return p.Get("http://h/") },
		"a Race":    func(_ *parallel.Parallel, h *pending.Pending) *pending.Pending { return pending.Race(h) },
	} {
		t.Run(name, func(t *testing.T) {
			var kept *pending.Pending
			var made weak.Pointer[pending.Pending]
			func() {
				var block *parallel.Parallel
				parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
					block, kept = p, p.Get("http://h/")
					_, err := kept.Response()
					return err
				})
				h := later(block, kept)
				<-h.Done()
				made = weak.Make(h)
			}()
			if !collected(func() bool { return made.Value() == nil }) {
				t.Error("it is kept alive")
			}
			runtime.KeepAlive(kept)
		})
	}
}

// A request may begin after its block has ended. Its timeout then keeps nothing.
func TestBlock_retainsNoContext(t *testing.T) {
	cfg := parallel.Config{Timeout: time.Hour, Send: func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}}
	var values []weak.Pointer[[1 << 10]byte]
	for range 300 {
		func() {
			value := new([1 << 10]byte)
			values = append(values, weak.Make(value))
			parallel.Run(context.WithValue(t.Context(), valueKey{}, value), cfg, func(p *parallel.Parallel) error {
				p.Get("http://h/")
				return nil
			})
		}()
	}
	kept := func(w weak.Pointer[[1 << 10]byte]) bool { return w.Value() != nil }
	if !collected(func() bool { return !slices.ContainsFunc(values, kept) }) {
		t.Error("contexts of blocks that have ended are kept alive")
	}
}

type valueKey struct{}

// If a method of the caller's context ends the goroutine before the block has
// begun, the context keeps nothing of the block.
func TestRun_goexitInValue(t *testing.T) {
	long, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, skip := range map[string]int{"the first Value": 0, "the second": 1, "the third": 2, "the fourth": 3} {
		t.Run(name, func(t *testing.T) {
			var value weak.Pointer[[1 << 10]byte]
			done := make(chan struct{})
			go func() {
				defer close(done)
				big := new([1 << 10]byte)
				value = weak.Make(big)
				ctx := &exitsInValue{Context: context.WithValue(long, valueKey{}, big), skip: skip}
				parallel.Run(ctx, parallel.Config{Shared: parallel.NewLimits(1, 1)}, func(p *parallel.Parallel) error { return nil })
			}()
			<-done
			if !collected(func() bool { return value.Value() == nil }) {
				t.Error("the caller's context keeps the block")
			}
		})
	}
	runtime.KeepAlive(long)
}

// exitsInValue is a context whose Value ends the goroutine once, after some
// calls.
type exitsInValue struct {
	context.Context
	skip int
}

func (c *exitsInValue) Value(key any) any {
	c.skip--
	if c.skip == -1 {
		runtime.Goexit()
	}
	return c.Context.Value(key)
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

//go:debug panicnil=1

package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// misbehaviors are ways in which user code can end without returning. raised
// says whether the owner of the block panics.
var misbehaviors = []struct {
	name   string
	do     func()
	raised bool
}{
	{"panic", func() { panic("misbehaving") }, true},
	{"panic of nil", func() { panic(nil) }, true},
	{"panic of a nil Recovered", func() { panic((*panics.Recovered)(nil)) }, true},
	{"panic of a hostile error", func() { panic(&hostileError{do: func() { panic("again") }}) }, true},
	{"Goexit", runtime.Goexit, false},
	{"typed nil", func() { _ = (*hostileError)(nil).Unwrap() }, true},
}

// A hostileError misbehaves in each of its methods. Like most error types, it
// does not support a nil receiver.
type hostileError struct {
	do    func()
	cause error
}

func (e *hostileError) Error() string   { e.do(); return e.cause.Error() }
func (e *hostileError) Unwrap() error   { e.do(); return e.cause }
func (e *hostileError) Is(error) bool   { e.do(); return false }
func (e *hostileError) As(any) bool     { e.do(); return false }
func (e *hostileError) Timeout() bool   { e.do(); return false }
func (e *hostileError) Temporary() bool { e.do(); return false }

// A hostileContext misbehaves in one of its methods once it is armed.
type hostileContext struct {
	context.Context
	method string
	do     func()
}

func (c *hostileContext) misbehave(method string) {
	if c.method == method {
		c.do()
	}
}

func (c *hostileContext) Done() <-chan struct{} { c.misbehave("Done"); return c.Context.Done() }
func (c *hostileContext) Err() error            { c.misbehave("Err"); return c.Context.Err() }
func (c *hostileContext) Value(key any) any     { c.misbehave("Value"); return nil }
func (c *hostileContext) Deadline() (time.Time, bool) {
	c.misbehave("Deadline")
	return c.Context.Deadline()
}

type hostileBody struct {
	read, closed func()
}

func (b *hostileBody) Read([]byte) (int, error) { b.read(); return 0, io.EOF }
func (b *hostileBody) Close() error             { b.closed(); return nil }

type hostileWriter struct{ do func() }

func (w *hostileWriter) Write(p []byte) (int, error) { w.do(); return len(p), nil }

// If a method of an error that a Go function returned panicked, the block hung:
// a Race called the method without a guard. A panic of nil gave a handle with
// neither a response nor an error.
func TestGuard_userCodeOnGoroutines(t *testing.T) {
	nothing := func() {}
	answer := func(r *http.Request, body io.ReadCloser) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r, ContentLength: -1}, nil
	}
	ok := func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		return answer(r, io.NopCloser(strings.NewReader("body")))
	}
	sends := func(send func(do func(), r *http.Request) (*http.Response, error)) func(func(), *parallel.Config) {
		return func(do func(), cfg *parallel.Config) {
			cfg.Send = func(r *http.Request) (*http.Response, error) { return send(do, r) }
		}
	}
	get := func(_ func(), p *parallel.Parallel) *pending.Pending { return p.Get("http://h/") }
	withContext := func(method string) func(func(), *parallel.Parallel) *pending.Pending {
		return func(do func(), p *parallel.Parallel) *pending.Pending {
			armed := false
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			hostile := &hostileContext{ctx, method, func() {
				if armed {
					do()
				}
			}}
			r, _ := http.NewRequestWithContext(hostile, "GET", "http://h/", nil)
			armed = true
			return p.Do(r)
		}
	}
	fails := func(do func()) error { return &hostileError{do, errors.New("cause")} }
	places := []struct {
		name  string
		cfg   func(do func(), cfg *parallel.Config) // or nil
		start func(do func(), p *parallel.Parallel) *pending.Pending
		ok    bool // the handle may succeed
		mine  bool // it runs on the caller's goroutine
	}{
		{name: "Send", start: get,
			cfg: sends(func(do func(), r *http.Request) (*http.Response, error) { do(); return ok(r) })},
		{name: "Wait", start: get, cfg: func(do func(), cfg *parallel.Config) {
			cfg.Wait = func(*http.Request) error { do(); return nil }
		}},
		{name: "the error of Wait", start: get, cfg: func(do func(), cfg *parallel.Config) {
			cfg.Wait = func(*http.Request) error { return fails(do) }
		}},
		{name: "the error of Send", start: get,
			cfg: sends(func(do func(), r *http.Request) (*http.Response, error) { return nil, fails(do) })},
		{name: "a typed nil error of Send", start: get, ok: true,
			cfg: sends(func(do func(), r *http.Request) (*http.Response, error) {
				do()
				return nil, (*hostileError)(nil)
			})},
		{name: "Read of a response", start: get, cfg: sends(func(do func(), r *http.Request) (*http.Response, error) {
			return answer(r, &hostileBody{do, nothing})
		})},
		{name: "Close of a response", start: get, cfg: sends(func(do func(), r *http.Request) (*http.Response, error) {
			return answer(r, &hostileBody{nothing, do})
		})},
		{name: "Read and Close of a response", start: get, cfg: sends(func(do func(), r *http.Request) (*http.Response, error) {
			return answer(r, &hostileBody{do, do})
		})},
		{name: "Observe", mine: true, start: get, cfg: func(do func(), cfg *parallel.Config) {
			cfg.Observe = func(*http.Request) (context.Context, func(pending.Outcome)) { do(); return nil, nil }
		}},
		{name: "the function of Observe", start: get, cfg: func(do func(), cfg *parallel.Config) {
			cfg.Observe = func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(pending.Outcome) { do() }
			}
		}},
		{name: "To", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Get("http://h/", parallel.To(&hostileWriter{do}))
		}},
		{name: "Take", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Get("http://h/", parallel.Take(func(*http.Response) (io.Writer, error) { do(); return nil, errors.New("refused") }))
		}},
		{name: "the error of Take", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Get("http://h/", parallel.Take(func(*http.Response) (io.Writer, error) { return nil, fails(do) }))
		}},
		{name: "Write of the writer of Take", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Get("http://h/", parallel.Take(func(*http.Response) (io.Writer, error) { return &hostileWriter{do}, nil }))
		}},
		{name: "Read of a request", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", &hostileBody{do, nothing}))
		}},
		{name: "Close of a request", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", &hostileBody{nothing, do}))
		}},
		{name: "GetBody", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			r, _ := http.NewRequest("POST", "http://h/", strings.NewReader("body"))
			r.GetBody = func() (io.ReadCloser, error) { do(); return nil, nil }
			return p.Do(r)
		}},
		{name: "GetBody of a handle's request", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			r, _ := http.NewRequest("POST", "http://h/", strings.NewReader("body"))
			r.GetBody = func() (io.ReadCloser, error) { do(); return nil, nil }
			return p.Do(p.Do(r).Request())
		}},
		{name: "Go", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) { do(); return nil, nil })
		}},
		{name: "the error of Go", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, fails(do) })
		}},
		{name: "errors in a Race", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			bad := func(*parallel.Parallel) (*http.Response, error) { return nil, fails(do) }
			return pending.Race(p.Go(bad), pending.Race(p.Go(bad), p.Go(bad)))
		}},
		{name: "Read of the response of Go", start: func(do func(), p *parallel.Parallel) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) { return answer(nil, &hostileBody{do, do}) })
		}},
		{name: "Done of a context", mine: true, start: withContext("Done")},
		{name: "Err of a context", mine: true, start: withContext("Err")},
		{name: "Value of a context", mine: true, start: withContext("Value")},
		{name: "Deadline of a context", ok: true, mine: true, start: withContext("Deadline")},
	}
	for _, place := range places {
		for _, m := range misbehaviors {
			if m.name == "Goexit" && place.mine {
				continue // it would end the test's own goroutine
			}
			t.Run(place.name+"/"+m.name, func(t *testing.T) {
				cfg := parallel.Config{Send: ok}
				if place.cfg != nil {
					place.cfg(m.do, &cfg)
				}
				var h *pending.Pending
				var raised any
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { raised = recover() }()
					parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
						h = place.start(m.do, p)
						<-h.Done()
						return nil
					})
				}()
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Fatal("the block does not end")
				}
				if h == nil {
					t.Fatalf("the request has no handle; raised %.100v", fmt.Sprint(raised))
				}
				select {
				case <-h.Done():
				default:
					t.Fatal("the handle is not done")
				}
				defer func() {
					if v := recover(); v != nil {
						t.Errorf("Response() panicked: %v", v)
					}
				}()
				if resp, err := h.Response(); err == nil && !place.ok {
					t.Errorf("Response() = %v, nil; want an error", resp)
				}
				if m.raised && raised == nil && !place.ok {
					t.Error("nothing was raised")
				}
				if !m.raised && raised != nil && !place.ok {
					t.Errorf("raised %.100v", fmt.Sprint(raised))
				}
			})
		}
	}
}

// Each Goexit of an observer made one stack deeper, until a million of them
// ended the process.
func TestGoexit_manyNeedNoStack(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(4 << 20))
	cfg := parallel.Config{
		Limit: 1,
		Send: func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
			return nil, func(pending.Outcome) { runtime.Goexit() }
		},
	}
	var handles []*pending.Pending
	parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
		for range 20_000 {
			handles = append(handles, p.Get("http://h/"))
		}
		return nil
	})
	for i, h := range handles {
		if _, err := h.Response(); err == nil {
			t.Fatalf("Response() of handle %d has no error", i)
		}
	}
}

// If the Err of a user's context cannot be compared with ==, the block panicked
// without a guard.
func TestGuard_contextErrorNotComparable(t *testing.T) {
	ctx := &uncomparable{Context: t.Context(), done: make(chan struct{})}
	var h *pending.Pending
	parallel.Run(ctx, parallel.Config{Send: func(r *http.Request) (*http.Response, error) {
		close(ctx.done)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}, func(p *parallel.Parallel) error {
		h = p.Get("http://h/")
		<-h.Done()
		return nil
	})
	var want uncomparableError
	if _, err := h.Response(); !errors.As(err, &want) {
		t.Errorf("Response() error = %v; want the context's", err)
	}
}

type uncomparable struct {
	context.Context
	done chan struct{}
}

type uncomparableError []string

func (uncomparableError) Error() string { return "over" }

func (c *uncomparable) Done() <-chan struct{} { return c.done }
func (c *uncomparable) Value(key any) any     { return nil }
func (c *uncomparable) Err() error {
	select {
	case <-c.done:
		return uncomparableError{"over"}
	default:
		return nil
	}
}

// If a method of the request's own context ended the goroutine once the
// response was whole, the request succeeded, with a File without its file, and
// the observer was never told.
func TestGoexit_inContextIsNoSuccess(t *testing.T) {
	for _, with := range []string{"File", "Retry"} {
		for nth, ended := int32(1), true; ended; nth++ {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				told := 0
				c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(sendNew)).Client(), Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
					return nil, func(pending.Outcome) { told++ }
				}}
				option, left := parallel.File(filepath.Join(folder, "f")), 1
				if with == "Retry" {
					option, left = parallel.Retry(func(parallel.Attempt) (time.Duration, bool) { return 0, false }), 0
				}
				var h *pending.Pending
				var calls atomic.Int32
				depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						own := &hostileContext{t.Context(), "Err", func() {
							if calls.Add(1) == nth {
								runtime.Goexit()
							}
						}}
						req, err := http.NewRequestWithContext(own, "GET", "http://h/", nil)
						if err != nil {
							t.Fatal(err)
						}
						h = p.Do(req, option)
						<-h.Done()
						return nil
					})
				})
				if ended = calls.Load() >= nth; ended {
					left = 0
				}
				if h == nil { // it was this function's goroutine
					return
				}
				resp, err := h.Response()
				if got := len(files(t, folder)); (err != nil) != ended || got != left || told != 1 {
					t.Errorf("%s, Goexit in call %d: Response() = %v, %v, the observer was told %d times, and there are %d files, want %d", with, nth, resp, err, told, got, left)
				}
			})
		}
	}
}

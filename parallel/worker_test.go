package parallel_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promises 6, 17 and 25: a connection that is closed in its handshake may be
// the user's own, and its Close may panic.
func TestClose_guardedLikeTransport(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("in Close") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &http.Transport{DialContext: parallel.DialContext(func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go io.Copy(io.Discard, far)
					return &closedBy{Conn: near, end: end}, nil
				})}
				defer tr.CloseIdleConnections()
				var told, closed atomic.Int32
				cfg := parallel.Config{Send: (&http.Client{Transport: tr}).Do,
					Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
						return nil, func(pending.Outcome) { told.Add(1) }
					}}
				d := depart(func() error {
					return parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
						h := p.Post("https://h/", parallel.Body("", &onClose{func() { closed.Add(1) }}))
						synctest.Wait()
						h.Cancel()
						if _, err := h.Response(); err == nil || told.Load() != 1 || closed.Load() != 1 {
							t.Errorf("when the handle is done: error = %v, %d outcomes, the body closed %d times; want an error, 1, 1",
								err, told.Load(), closed.Load())
						}
						if ended := p.Context().Err() != nil; ended != (name == "panic") {
							t.Errorf("the block was canceled: %v, want it only after a panic", ended)
						}
						return nil
					})
				})
				if (d.raised != nil) != (name == "panic") {
					t.Errorf("raised %v, want the panic of Close", d.raised)
				}
			})
		})
	}
}

// A closedBy is a connection whose first Close calls a function.
type closedBy struct {
	net.Conn
	closed atomic.Bool
	end    func()
}

func (c *closedBy) Close() error {
	first := c.closed.CompareAndSwap(false, true) // before net/http sees the connection closed, and closes it as well
	c.Conn.Close()
	if first {
		c.end()
	}
	return nil
}

// An onClose is an empty body whose Close calls a function.
type onClose struct{ f func() }

func (*onClose) Read([]byte) (int, error) { return 0, io.EOF }
func (b *onClose) Close() error           { b.f(); return nil }

// respondWith returns a Send that responds with the body that body returns.
func respondWith(body func(*http.Request) io.ReadCloser) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body(r), ContentLength: -1, Request: r}, nil
	}
}

// A body is closed on its own goroutine only if the request is canceled,
// because its Read may block.
func TestUpload_closedOnWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stacks string
		body := &onClose{func() {
			synctest.Wait() // for any other goroutine that would close it
			b := make([]byte, 1<<20)
			stacks = string(b[:runtime.Stack(b, true)])
		}}
		cfg := parallel.Config{Timeout: time.Hour, Send: respondWith(func(*http.Request) io.ReadCloser { return http.NoBody })}
		parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
			_, err := p.Post("http://h/", parallel.Body("", body)).Response()
			return err
		})
		if n := strings.Count(stacks, "exchange.(*uploads).close("); n != 1 {
			t.Errorf("%d goroutines close the body, want 1", n)
		}
	})
}

// The context with which a request was sent has ended when its handle is done,
// with any result.
func TestRequest_contextEndsWithIt(t *testing.T) {
	ends := map[string]struct {
		send    func(*http.Request) (*http.Response, error)
		timeout time.Duration
		wait    func(*http.Request) error
	}{
		"a response":                 {respondWith(func(*http.Request) io.ReadCloser { return http.NoBody }), time.Hour, nil},
		"a response, after a Wait":   {respondWith(func(*http.Request) io.ReadCloser { return http.NoBody }), time.Hour, func(*http.Request) error { return nil }},
		"a response, no timeout":     {respondWith(func(*http.Request) io.ReadCloser { return http.NoBody }), 0, nil},
		"an error":                   {func(*http.Request) (*http.Response, error) { return nil, io.EOF }, time.Hour, nil},
		"a panic":                    {func(*http.Request) (*http.Response, error) { panic("in Send") }, time.Hour, nil},
		"a panic, after a Wait":      {func(*http.Request) (*http.Response, error) { panic("in Send") }, time.Hour, func(*http.Request) error { return nil }},
		"runtime.Goexit":             {func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }, time.Hour, nil},
		"runtime.Goexit, no timeout": {func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }, 0, nil},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent context.Context
				cfg := parallel.Config{Timeout: end.timeout, Wait: end.wait, Send: func(r *http.Request) (*http.Response, error) {
					sent = r.Context()
					return end.send(r)
				}}
				depart(func() error {
					return parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
						h := p.Get("http://h/")
						h.Response()
						if sent.Err() == nil {
							t.Error("the context has not ended when the handle is done")
						}
						return nil
					})
				})
			})
		})
	}
}

// A Read of a body that honors its context may run another Read in the
// background. That Read must not write into the memory of a later body.
func TestUpload_lateReadReachesNoOtherBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := bytes.Repeat([]byte("a"), 100<<10) // begins in the same memory as other bodies
		late, written := make(chan struct{}), make(chan struct{})
		cfg := parallel.Config{Limit: 1, Send: func(r *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(want)), Request: r}
			if r.URL.Path == "/hasty" {
				resp.Body = &hasty{r.Context(), late, written}
			} else {
				resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(want[:1000]),
					readerFunc(func([]byte) (int, error) { close(late); <-written; return 0, io.EOF }), bytes.NewReader(want[1000:])))
			}
			return resp, nil
		}}
		parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
			p.Get("http://h/hasty", parallel.Timeout(time.Second))
			got, err := p.Get("http://h/good").Bytes()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("Bytes() has %d of %d bytes from another body, %v", bytes.Count(got, []byte("x")), len(got), err)
			}
			return nil
		})
	})
}

type hasty struct {
	ctx           context.Context
	late, written chan struct{}
}

func (b *hasty) Read(p []byte) (int, error) {
	go func() {
		<-b.late
		for i := range p {
			p[i] = 'x'
		}
		close(b.written)
	}()
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (*hasty) Close() error { return nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Promise 15: a worker that never has to wait lets the loop consume a long body
// before it reads the next one.
func TestWorker_yieldsAfterLongBody(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // with more, the body might be consumed by chance
	const n, size = 20, 2 << 20
	var sent atomic.Int32
	cfg := parallel.Config{Limit: 1, Send: func(r *http.Request) (*http.Response, error) {
		sent.Add(1)
		return &http.Response{StatusCode: http.StatusOK, ContentLength: size, Request: r,
			Body: io.NopCloser(strings.NewReader(strings.Repeat("x", size)))}, nil
	}}
	var most, taken int32
	parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
		for range n {
			p.Get("http://h/")
		}
		for h := range p.Arrivals() {
			if b, err := h.Bytes(); err != nil || len(b) != size {
				t.Errorf("Bytes() = %d bytes, %v; want the body", len(b), err)
			}
			most = max(most, sent.Load()-taken)
			taken++
		}
		return nil
	})
	if most > 4 {
		t.Errorf("%d bodies were read and not consumed, want about 2", most)
	}
}

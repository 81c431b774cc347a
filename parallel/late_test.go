package parallel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests do things at the wrong moment: after the request has failed,
// after the body was closed, or twice at once.

// given runs a request for url with a transport that fails it, and returns the
// context that the transport got.
func given(t *testing.T, url string, transport func(ctx context.Context)) (ctx context.Context) {
	t.Helper()
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		transport(ctx)
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if err := failure(t, p.Get(url)); !errors.Is(err, errRefused) {
			t.Errorf("Response() error = %v, want %v", err, errRefused)
		}
		return nil
	})
	return ctx
}

// Promise 24: no dial begins for a request that has failed.
func TestDial_refusedOnceFailed(t *testing.T) {
	dials := 0
	dial := parallel.DialContext(func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, errors.New("dialled")
	})
	ctx := given(t, "http://h/", func(context.Context) {})
	conn, err := dial(context.WithoutCancel(ctx), "tcp", "h:80") // as net/http dials
	if conn != nil || !errors.Is(err, context.Canceled) || dials != 0 {
		t.Errorf("dial for a request that has failed = %v, %v after %d dials; want context.Canceled and 0", conn, err, dials)
	}
}

// Promise 24: no TLS handshake begins for a request that has failed.
func TestHandshake_refusedOnceFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		dial := parallel.DialContext(func(context.Context, string, string) (net.Conn, error) { return ours, nil })
		ctx := given(t, "https://h/", func(ctx context.Context) {
			if _, err := dial(context.WithoutCancel(ctx), "tcp", "h:443"); err != nil {
				t.Error(err)
			}
		})
		httptrace.ContextClientTrace(ctx).TLSHandshakeStart()
		if _, err := ours.Write([]byte("hello")); err != io.ErrClosedPipe {
			t.Errorf("Write for a handshake that began too late = %v, want %v", err, io.ErrClosedPipe)
		}
	})
}

// A moment is a context that ends right after the first call of Err, which
// returns nil.
type moment struct {
	context.Context
	end    context.CancelFunc
	called atomic.Bool
}

func (m *moment) Err() error {
	err := m.Context.Err()
	if !m.called.Swap(true) {
		m.end()
		synctest.Wait()
	}
	return err
}

// Promise 14: if a request's own context ends just as the request is queued, it
// does not wait for a slot.
func TestDo_contextEndsAsItIsQueued(t *testing.T) {
	inBlock(t, client.Client{Limit: 1}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		start := time.Now()
		p.Get("/1s")
		ctx, cancel := context.WithCancel(context.Background())
		own := &moment{Context: ctx, end: cancel}
		err := failure(t, p.Do(httpGet(own, "/1s")))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Response() error = %v, want context.Canceled and ErrNotSent", err)
		}
		took(t, "the handle was done", start, 0)
		drain(p)
		if n := came.Load(); n != 1 {
			t.Errorf("the server received %d requests, want 1", n)
		}
	})
}

// taking returns a client whose transport calls f with the body of each
// request, and then responds.
func taking(f func(io.ReadCloser)) client.Client {
	return client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		f(r.Body)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})}}
}

// A counted body counts the Reads that run at once, and its Closes. Close takes
// the given time.
type counted struct {
	io.Reader
	closeTakes time.Duration

	running, most, closes atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	c.most.Store(max(c.most.Load(), c.running.Add(1)))
	defer c.running.Add(-1)
	<-time.After(time.Second)
	return c.Reader.Read(b)
}

func (c *counted) Close() error {
	<-time.After(c.closeTakes)
	c.closes.Add(1)
	return nil
}

// Promise 17: a body that GetBody opens after its request was canceled is
// closed and not read.
func TestUpload_openedTooLateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &counted{Reader: strings.NewReader("content")}
		req := httpGet(context.Background(), "http://h/")
		req.Method, req.ContentLength, req.Body = http.MethodPost, 7, io.NopCloser(strings.NewReader("content"))
		req.GetBody = func() (io.ReadCloser, error) { <-time.After(time.Minute); return body, nil }
		read := func(b io.ReadCloser) {
			if n, err := b.Read(make([]byte, 10)); n != 0 || err != http.ErrBodyReadAfterClose {
				t.Errorf("Read of a body that was opened too late = %d, %v; want 0, %v", n, err, http.ErrBodyReadAfterClose)
			}
		}
		c := taking(read)
		c.Timeout = -1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Do(req)
			<-time.After(time.Second)
			h.Cancel()
			<-h.Done()
			return nil
		})
		if body.closes.Load() != 1 || body.most.Load() != 0 {
			t.Errorf("the body was closed %d times, with %d Reads; want 1, 0", body.closes.Load(), body.most.Load())
		}
	})
}

// Promises 10 and 17: one Read of a body runs at a time, with any transport. A
// Read that still waits when the body is closed does not run.
func TestUpload_oneReadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &counted{Reader: strings.NewReader("content")}
		c := taking(func(b io.ReadCloser) {
			for range 3 {
				go b.Read(make([]byte, 1))
			}
			<-time.After(1500 * time.Millisecond) // in the second Read
		})
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			<-p.Post("http://h/", parallel.Body("", body)).Done()
			took(t, "the handle was done, with the second of three Reads,", start, 2*time.Second)
			return nil
		})
		if body.most.Load() != 1 || body.closes.Load() != 1 {
			t.Errorf("%d Reads ran at once, and Close %d times; want 1 and 1", body.most.Load(), body.closes.Load())
		}
		synctest.Wait()
		if left, _ := io.ReadAll(body.Reader); string(left) != "ntent" {
			t.Errorf("the unread content = %q, want %q", left, "ntent")
		}
	})
}

// Promise 17: a handle is done only when its body is closed, even if the
// transport has begun to close it and does not wait.
func TestUpload_closedBeforeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &counted{closeTakes: time.Minute}
		c := taking(func(b io.ReadCloser) {
			go b.Close()
			<-time.After(time.Second)
		})
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			<-p.Post("http://h/", parallel.Body("", body)).Done()
			took(t, "the handle was done", start, time.Minute)
			return nil
		})
		if n := body.closes.Load(); n != 1 {
			t.Errorf("the body was closed %d times, want once", n)
		}
	})
}

// Promises 6 and 17: bodies are closed in reverse order. A Goexit in the first
// Close does not keep the others open, and nothing waits for them.
func TestGoexit_inFirstCloseClosesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &counted{Reader: strings.NewReader("content")}
		req := httpGet(context.Background(), "http://h/")
		req.Method, req.ContentLength, req.Body = http.MethodPost, 7, first
		req.GetBody = func() (io.ReadCloser, error) {
			return &stream{ReadCloser: io.NopCloser(strings.NewReader("content")), close: runtime.Goexit}, nil
		}
		c := taking(func(b io.ReadCloser) { b.Read(make([]byte, 1)) })
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			failure(t, p.Do(req))
			if n := first.closes.Load(); n != 1 {
				t.Errorf("the other body was closed %d times when its handle was done, want once", n)
			}
			return nil
		})
	})
}

// Promise 17: a body that GetBody of a response's Request opens, after the
// handle is done, belongs to the caller.
func TestUpload_getBodyOfResponseRequest(t *testing.T) {
	c := taking(func(io.ReadCloser) {})
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		resp, err := p.Post("http://h/", parallel.Body("", strings.NewReader("content"))).Response()
		if err != nil {
			t.Fatal(err)
		}
		body, err := resp.Request.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); string(b) != "content" || err != nil {
			t.Errorf("body of the response's Request = %q, %v; want the content", b, err)
		}
		return nil
	})
}

// Promises 6 and 17: a redirect that arrives after the request has ended, and
// before the handle is done, opens no body. It would be left to net/http.
func TestUpload_lateRedirectOpensNoBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int64
		var h *pending.Pending
		made := make(chan struct{})
		c := client.Client{HTTP: &http.Client{Timeout: time.Hour, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-made
			h.Cancel()
			synctest.Wait()
			return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"/b"}}, Body: http.NoBody, Request: r}, nil
		})}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			r, err := http.NewRequest(http.MethodPost, "http://h/", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			r.GetBody = func() (io.ReadCloser, error) {
				opened.Add(1)
				return io.NopCloser(strings.NewReader("body")), nil
			}
			h = p.Do(r)
			close(made)
			if err := failure(t, h); !errors.Is(err, context.Canceled) {
				t.Errorf("Response() error = %v, want context.Canceled", err)
			}
			return nil
		})
		if n := opened.Load(); n != 1 {
			t.Errorf("%d bodies were opened, want 1, which was sent first", n)
		}
	})
}

// Promises 15 and 18: if the body of a function's response ends without an
// error just as the handle is canceled, the response is not taken for whole.
func TestGo_bodyEndsAsItIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
			h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				r, w := io.Pipe()
				context.AfterFunc(p.Context(), func() { w.Close() })
				return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(r)}, nil
			})
			synctest.Wait()
			h.Cancel()
			if err := failure(t, h); !errors.Is(err, context.Canceled) {
				t.Errorf("Response() error = %v, want context.Canceled", err)
			}
			return nil
		})
	})
}

// Promise 21: the error of a request that was not sent matches ErrNotSent, even
// if closing its body panics.
func TestErrNotSent_staysTrue(t *testing.T) {
	depart(func() error {
		return client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Post("no base", parallel.Body("", panickingCloser{strings.NewReader("body")}))
			if err := failure(t, h); !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Response() error = %v, want ErrNotSent", err)
			}
			return nil
		})
	})
}

type panickingCloser struct{ io.Reader }

func (panickingCloser) Close() error { panic("close") }

// Promises 5, 10 and 11: a request that was canceled after it had got its slot,
// and before its goroutine ran, failed with the end of the block, which came
// later. And one that was canceled after the end of the context failed with the
// cancel.
func TestCancel_firstEndCounts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // no goroutine runs before fn waits
	errStop := errors.New("stop")
	c := client.Client{Limit: 1, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}}
	for name, tc := range map[string]struct {
		end  func(cancel context.CancelCauseFunc, hs ...*pending.Pending)
		want error
		not  error
	}{
		"Cancel, then the block's end": {func(_ context.CancelCauseFunc, hs ...*pending.Pending) {
			for _, h := range hs {
				h.Cancel()
			}
		}, context.Canceled, parallel.ErrEnded},
		"the context's end, then Cancel": {func(cancel context.CancelCauseFunc, hs ...*pending.Pending) {
			cancel(errStop)
			for _, h := range hs {
				h.Cancel()
			}
		}, errStop, parallel.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				ctx, cancel := context.WithCancelCause(t.Context())
				var hs []*pending.Pending
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					hs = []*pending.Pending{p.Get("http://h/"), p.Get("http://h/"), p.Get("http://h/", parallel.After(time.Hour))}
					tc.end(cancel, hs...)
					return nil
				})
				for i, h := range hs {
					if _, err := h.Response(); !errors.Is(err, tc.want) || errors.Is(err, tc.not) {
						t.Fatalf("request %d: %v; want %v, and not %v", i, err, tc.want, tc.not)
					}
				}
			}
		})
	}
}

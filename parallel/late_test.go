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

// What happens when something comes at the wrong moment: begun after its request has
// failed, done after it was closed, twice at once.

// given runs a request of url through a transport that keeps its context and then fails
// it, and returns that context.
func given(t *testing.T, url string, transport func(ctx context.Context)) (ctx context.Context) {
	t.Helper()
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		transport(ctx)
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if err := failure(t, p.Get(url)); !errors.Is(err, errRefused) {
			t.Errorf("Response = %v; want %v", err, errRefused)
		}
		return nil
	})
	return ctx
}

// Promise 24: a request that has failed begins no dial.
func TestDial_refusedOnceFailed(t *testing.T) {
	dials := 0
	dial := parallel.DialContext(func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, errors.New("dialled")
	})
	ctx := given(t, "http://h/", func(context.Context) {})
	conn, err := dial(context.WithoutCancel(ctx), "tcp", "h:80") // as net/http dials
	if conn != nil || !errors.Is(err, context.Canceled) || dials != 0 {
		t.Errorf("a dial for a request that has failed: %v, %v, after %d dials; want context.Canceled and none", conn, err, dials)
	}
}

// Promise 24: nor does a TLS handshake go on that begins when its request has failed.
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
			t.Errorf("the connection of a handshake that began too late: Write = %v; want %v", err, io.ErrClosedPipe)
		}
	})
}

// A moment is a context that is ended by the first who asks whether it has ended, right
// after the answer, and whose end has been told to all by then.
type moment struct {
	context.Context
	end   context.CancelFunc
	asked atomic.Bool
}

func (m *moment) Err() error {
	err := m.Context.Err()
	if !m.asked.Swap(true) {
		m.end()
		synctest.Wait()
	}
	return err
}

// Promise 14: the end of a request's own context is not missed in the moment in which
// it joins the queue: it does not wait there for a slot.
func TestDo_contextEndsAsItIsQueued(t *testing.T) {
	inBlock(t, client.Client{Limit: 1}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		start := time.Now()
		p.Get("/1s")
		ctx, cancel := context.WithCancel(context.Background())
		own := &moment{Context: ctx, end: cancel}
		err := failure(t, p.Do(httpGet(own, "/1s")))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Response = %v; want context.Canceled and ErrNotSent", err)
		}
		took(t, "the handle settled", start, 0)
		drain(p)
		if n := came.Load(); n != 1 {
			t.Errorf("%d requests came to the server, want 1", n)
		}
	})
}

// taking is a transport that has its requests' bodies used by f, and answers.
func taking(f func(io.ReadCloser)) client.Client {
	return client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		f(r.Body)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})}}
}

// A counted body counts its Reads that run and the times it was closed. Its Close takes
// as long as that says.
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

// Promise 17: a body that GetBody opens when its request has been canceled is closed,
// and not read.
func TestUpload_openedTooLateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &counted{Reader: strings.NewReader("content")}
		req := httpGet(context.Background(), "http://h/")
		req.Method, req.ContentLength, req.Body = http.MethodPost, 7, io.NopCloser(strings.NewReader("content"))
		req.GetBody = func() (io.ReadCloser, error) { <-time.After(time.Minute); return body, nil }
		read := func(b io.ReadCloser) {
			if n, err := b.Read(make([]byte, 10)); n != 0 || err != http.ErrBodyReadAfterClose {
				t.Errorf("Read of what was opened too late = %d, %v; want 0, %v", n, err, http.ErrBodyReadAfterClose)
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
			t.Errorf("the body was closed %d times, and read by %d; want 1, 0", body.closes.Load(), body.most.Load())
		}
	})
}

// Promises 10 and 17: a body is read by one at a time, whatever a transport does, and
// whoever waits for his turn has it no more once the body is closed.
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
			took(t, "the handle settled, with the second of three Reads,", start, 2*time.Second)
			return nil
		})
		if body.most.Load() != 1 || body.closes.Load() != 1 {
			t.Errorf("%d Reads ran at once, and %d Closes; want one of each", body.most.Load(), body.closes.Load())
		}
		synctest.Wait()
		if left, _ := io.ReadAll(body.Reader); string(left) != "ntent" {
			t.Errorf("what nobody has read is %q, want %q: two bytes were read", left, "ntent")
		}
	})
}

// Promise 17: a handle settles when its body is closed, also where the transport has
// begun to close it and not waited for that.
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
			took(t, "the handle settled", start, time.Minute)
			return nil
		})
		if n := body.closes.Load(); n != 1 {
			t.Errorf("the body was closed %d times, want once", n)
		}
	})
}

// Promises 6 and 17: a Goexit in the Close of the body that was opened last, which is
// closed first, leaves the one before it neither open nor waited for.
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
				t.Errorf("the other body was closed %d times by the time its handle settled, want once", n)
			}
			return nil
		})
	})
}

// Promise 17: what GetBody of a response's Request opens, when its handle has settled,
// belongs to who asked for it.
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
			t.Errorf("the body of the response's Request reads %q, %v", b, err)
		}
		return nil
	})
}

// Promises 6 and 17: what a redirect opens between a request's end and its settling is
// not opened at all, and so not left to net/http.
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
				t.Errorf("Response: %v, want context.Canceled", err)
			}
			return nil
		})
		if n := opened.Load(); n != 1 {
			t.Errorf("%d bodies were opened, want 1: that which was sent first", n)
		}
	})
}

// Promises 15 and 18: the body of a response that a function returned, and that ended
// well as its handle was canceled, is not taken for whole.
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
				t.Errorf("Response: %v, want context.Canceled", err)
			}
			return nil
		})
	})
}

// Promise 21: what was not sent stays so, whatever happens as its body is closed.
func TestErrNotSent_staysTrue(t *testing.T) {
	depart(func() error {
		return client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Post("no base", parallel.Body("", panickingCloser{strings.NewReader("body")}))
			if err := failure(t, h); !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("Response: %v, want ErrNotSent", err)
			}
			return nil
		})
	})
}

type panickingCloser struct{ io.Reader }

func (panickingCloser) Close() error { panic("close") }

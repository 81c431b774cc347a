package pending_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// Promise 10: each call returns its own response, whose body reads from the
// start.
func TestResponse_repeatable(t *testing.T) {
	var b block
	h := b.responded("/", 200, "the body")
	first, err := h.Response()
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(io.Discard, first.Body, 3)
	first.StatusCode = 500
	second, _ := h.Response()
	if second == first || second.StatusCode != 200 {
		t.Errorf("the second Response() shares the first one's value: status %d, want 200", second.StatusCode)
	}
	first.Body.Close()
	if got := read(second); got != "the body" {
		t.Errorf("the second body = %q, want %q", got, "the body")
	}
	if got := read(first); got != " body" {
		t.Errorf("the rest of the first body after Close = %q, want %q", got, " body")
	}

	failed := b.request("/")
	b.fail(failed, errBroken)
	for range 2 {
		if resp, err := failed.Response(); resp != nil || err != errBroken {
			t.Errorf("Response() = %v, %v; want nil, %v", resp, err, errBroken)
		}
	}
}

// Promise 10: many goroutines may read the result of one handle.
func TestPending_manyGoroutines(t *testing.T) {
	var b block
	h := b.request("/")
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			resp, err := h.Response()
			if err != nil || read(resp) != "the body" {
				t.Errorf("Response() = %v, %v; want the response", resp, err)
			}
			if body, err := h.Bytes(); err != nil || string(body) != "the body" {
				t.Errorf("Bytes() = %q, %v; want the body", body, err)
			}
			h.Cancel()
		})
	}
	b.respond(h, 200, "the body")
	asking.Wait()
}

func TestResponse_waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, ask := range map[string]func(*pending.Pending) error{
			"Response": func(h *pending.Pending) error { _, err := h.Response(); return err },
			"Bytes":    func(h *pending.Pending) error { _, err := h.Bytes(); return err },
			"JSON":     func(h *pending.Pending) error { return h.JSON(new(any)) },
		} {
			var b block
			h := b.request("/")
			got := make(chan error, 1)
			go func() { got <- ask(h) }()
			synctest.Wait()
			if len(got) != 0 || isDone(h) {
				t.Errorf("%s returned before the handle was done", name)
			}
			b.fail(h, errBroken)
			if err := <-got; err != errBroken || !isDone(h) {
				t.Errorf("%s() error = %v, want %v", name, err, errBroken)
			}
		}
	})
}

// Promise 10: a late Cancel does nothing. An earlier one may be called several
// times.
func TestCancel(t *testing.T) {
	var b block
	h := b.responded("/late", 200, "body")
	h.Cancel()
	wantBody(t, h, "body")

	open := b.request("/open")
	open.Cancel()
	open.Cancel()
	b.wantCanceled(t, "/open")
	if _, err := open.Response(); !errors.Is(err, context.Canceled) {
		t.Errorf("Response() = %v, want context.Canceled", err)
	}

	var calls int
	stubborn := b.Make(nil, func() { calls++ })
	stubborn.Cancel()
	stubborn.Cancel()
	if calls != 2 {
		t.Errorf("cancel was called %d times before the handle was done, want 2", calls)
	}
	b.Make(nil, nil).Cancel() // calls nothing
}

// A nil or zero handle is done, with an error that says so.
func TestPending_nilOrZero(t *testing.T) {
	for name, h := range map[string]*pending.Pending{"nil": nil, "zero": new(pending.Pending)} {
		t.Run(name, func(t *testing.T) {
			resp, err := h.Response()
			if resp != nil || err == nil || !strings.Contains(err.Error(), "nil or zero") {
				t.Errorf("Response() = %v, %v; want an error with \"nil or zero\"", resp, err)
			}
			if b, err := h.Bytes(); b != nil || err == nil {
				t.Errorf("Bytes() = %q, %v; want an error", b, err)
			}
			if err := h.JSON(new(any)); err == nil {
				t.Error("JSON() = nil, want an error")
			}
			if r := h.Request(); r != nil {
				t.Errorf("Request() = %v, want nil", r)
			}
			if !isDone(h) {
				t.Error("Done() is open, want it closed")
			}
			h.Cancel()
		})
	}
}

// Promise 14: Request returns a copy.
func TestRequest_copy(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "own")
	req, err := http.NewRequestWithContext(ctx, "PUT", "https://h/x?y=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", "1")
	var b block
	h := b.Make(req, nil)

	r := h.Request()
	if r.Method != "PUT" || r.URL.String() != "https://h/x?y=1" || r.Header.Get("X") != "1" || r.ContentLength != 4 {
		t.Errorf("Request() = %s %s with X %q and %d bytes; want PUT https://h/x?y=1 with X 1 and 4 bytes", r.Method, r.URL, r.Header.Get("X"), r.ContentLength)
	}
	if r.Context() != ctx {
		t.Error("Request().Context() is not the request's own context")
	}
	r.URL.Path, r.Method = "/changed", "GET"
	r.Header.Set("X", "2")
	for range 2 { // each has its own body
		r := h.Request()
		if r.URL.Path != "/x" || r.Method != "PUT" || r.Header.Get("X") != "1" {
			t.Errorf("Request() = %s %s with X %q after a copy was changed; want it unchanged", r.Method, r.URL, r.Header.Get("X"))
		}
		got, err := io.ReadAll(r.Body)
		if string(got) != "body" || err != nil {
			t.Errorf("body = %q, %v; want it from the start", got, err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("Read after Close = %d, %v; want %v", n, err, http.ErrBodyReadAfterClose)
		}
	}
	if b.Complete(h, ask.Answer{Err: errBroken}); h.Request() == nil {
		t.Error("Request() = nil once the handle is done")
	}
}

// Promise 14: GetBody is called at the first Read of a copy's body, and the
// body that it returns is closed once.
func TestRequest_opensBodyWhenRead(t *testing.T) {
	opened, closed := 0, 0
	req, _ := http.NewRequest("POST", "https://h/", io.NopCloser(strings.NewReader("")))
	req.GetBody = func() (io.ReadCloser, error) {
		opened++
		return &counted{strings.NewReader("fresh"), &closed}, nil
	}
	h := new(block).Make(req, nil)

	h.Request().Body.Close()
	if opened != 0 {
		t.Error("GetBody was called for a copy whose body was not read")
	}
	r := h.Request()
	if got, err := io.ReadAll(r.Body); string(got) != "fresh" || err != nil || opened != 1 {
		t.Errorf("body = %q, %v, opened %d times; want %q, opened once", got, err, opened, "fresh")
	}
	r.Body.Close()
	r.Body.Close()
	if closed != 1 {
		t.Errorf("the body was closed %d times, want once", closed)
	}

	req.GetBody = func() (io.ReadCloser, error) { return nil, errBroken }
	if _, err := io.ReadAll(new(block).Make(req, nil).Request().Body); err != errBroken {
		t.Errorf("Read = %v, want %v of GetBody", err, errBroken)
	}
	req.GetBody = nil
	_, err := io.ReadAll(new(block).Make(req, nil).Request().Body)
	if err == nil || !strings.Contains(err.Error(), "cannot be read again") {
		t.Errorf("Read = %v, want an error with \"cannot be read again\"", err)
	}
}

// counted counts how often it is closed.
type counted struct {
	io.Reader
	closed *int
}

func (c *counted) Close() error { *c.closed++; return nil }

func TestRequest_noRequestOrBody(t *testing.T) {
	var b block
	if r := b.Make(nil, nil).Request(); r != nil {
		t.Errorf("Request() = %v for a function, want nil", r)
	}
	r := b.Make(&http.Request{Body: http.NoBody}, nil).Request()
	if r.Body != http.NoBody {
		t.Errorf("Request().Body = %v, want http.NoBody, which net/http compares by identity", r.Body)
	}
	if r := b.request("/").Request(); r.Body != nil || r.Context() != context.Background() {
		t.Errorf("Request() has body %v and context %v; want nil and context.Background()", r.Body, r.Context())
	}
}

// A handle that returned its result a few nanoseconds before its channel was
// closed was not done.
func TestDone_closedWhenResponseReturns(t *testing.T) {
	var b block
	for range 100_000 {
		h := b.request("/")
		done := h.Done()
		b.Claim(h, 0, nil) // Response does not wait for a lock if the handle is claimed and done
		go b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: 200}})
		runtime.Gosched()
		h.Response()
		select {
		case <-done:
		default:
			t.Fatal("Response returned, and the handle is not done")
		}
	}
}

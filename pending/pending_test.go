package pending_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// Promise 10.
func TestResponse_repeatable(t *testing.T) {
	var b block
	h := b.answered("/", 200, "the body")
	first, err := h.Response()
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(io.Discard, first.Body, 3)
	first.StatusCode = 500
	second, _ := h.Response()
	if second == first || second.StatusCode != 200 {
		t.Errorf("the second Response is not one of its own: status %d, want 200", second.StatusCode)
	}
	first.Body.Close()
	if got := read(second); got != "the body" {
		t.Errorf("the second body = %q, want it from the start", got)
	}
	if got := read(first); got != " body" {
		t.Errorf("the rest of the first body = %q, want %q: Close has nothing to do", got, " body")
	}

	failed := b.request("/")
	b.fail(failed, errBroken)
	for range 2 {
		if resp, err := failed.Response(); resp != nil || err != errBroken {
			t.Errorf("Response() = %v, %v; want nil, %v", resp, err, errBroken)
		}
	}
}

// Promise 10.
func TestPending_manyGoroutines(t *testing.T) {
	var b block
	h := b.request("/")
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			resp, err := h.Response()
			if err != nil || read(resp) != "the body" {
				t.Errorf("Response() = %v, %v", resp, err)
			}
			if body, err := h.Bytes(); err != nil || string(body) != "the body" {
				t.Errorf("Bytes() = %q, %v", body, err)
			}
			h.Cancel()
		})
	}
	b.answer(h, 200, "the body")
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
			if len(got) != 0 || settled(h) {
				t.Errorf("%s returned before the handle settled", name)
			}
			b.fail(h, errBroken)
			if err := <-got; err != errBroken || !settled(h) {
				t.Errorf("%s: %v, want %v", name, err, errBroken)
			}
		}
	})
}

// Promise 10: a late Cancel does nothing. One in time may come several times.
func TestCancel(t *testing.T) {
	var b block
	h := b.answered("/late", 200, "body")
	h.Cancel()
	wantBody(t, h, "body")

	open := b.request("/open")
	open.Cancel()
	open.Cancel()
	b.wantCancelled(t, "/open")
	if _, err := open.Response(); !errors.Is(err, context.Canceled) {
		t.Errorf("Response() = %v, want context.Canceled", err)
	}

	var calls int
	stubborn := b.Make(nil, func() { calls++ })
	stubborn.Cancel()
	stubborn.Cancel()
	if calls != 2 {
		t.Errorf("cancel was called %d times while the handle was open, want 2", calls)
	}
	b.Make(nil, nil).Cancel() // there is nothing to call
}

// A handle that was never made is one that settled with an error saying so.
func TestPending_nilOrZero(t *testing.T) {
	for name, h := range map[string]*pending.Pending{"nil": nil, "zero": new(pending.Pending)} {
		t.Run(name, func(t *testing.T) {
			resp, err := h.Response()
			if resp != nil || err == nil || !strings.Contains(err.Error(), "nil or zero") {
				t.Errorf("Response() = %v, %v; want an error that says what is wrong", resp, err)
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
			if !settled(h) {
				t.Error("Done() is open")
			}
			h.Cancel()
		})
	}
}

// Promise 14: what Request gives is a copy.
func TestRequest_copy(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "own")
	asked, err := http.NewRequestWithContext(ctx, "PUT", "https://h/x?y=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	asked.Header.Set("X", "1")
	var b block
	h := b.Make(asked, nil)

	r := h.Request()
	if r.Method != "PUT" || r.URL.String() != "https://h/x?y=1" || r.Header.Get("X") != "1" || r.ContentLength != 4 {
		t.Errorf("Request() = %s %s with X %q and %d bytes", r.Method, r.URL, r.Header.Get("X"), r.ContentLength)
	}
	if r.Context() != ctx {
		t.Error("Request().Context() is not the caller's own")
	}
	r.URL.Path, r.Method = "/changed", "GET"
	r.Header.Set("X", "2")
	for range 2 { // each has a body of its own
		r := h.Request()
		if r.URL.Path != "/x" || r.Method != "PUT" || r.Header.Get("X") != "1" {
			t.Errorf("a change to a copy shows in the next: %s %s, X %q", r.Method, r.URL, r.Header.Get("X"))
		}
		got, err := io.ReadAll(r.Body)
		if string(got) != "body" || err != nil {
			t.Errorf("body = %q, %v; want it fresh", got, err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("Read after Close = %d, %v; want %v", n, err, http.ErrBodyReadAfterClose)
		}
	}
	if b.Complete(h, ask.Answer{Err: errBroken}); h.Request() == nil {
		t.Error("Request() = nil once the handle has settled")
	}
}

// Promise 14: a body that was never read again was never opened, and one that was
// is closed once.
func TestRequest_opensBodyWhenRead(t *testing.T) {
	opened, closed := 0, 0
	asked, _ := http.NewRequest("POST", "https://h/", io.NopCloser(strings.NewReader("")))
	asked.GetBody = func() (io.ReadCloser, error) {
		opened++
		return &counted{strings.NewReader("fresh"), &closed}, nil
	}
	h := new(block).Make(asked, nil)

	h.Request().Body.Close()
	if opened != 0 {
		t.Error("a copy that was only looked at opened a body")
	}
	r := h.Request()
	if got, err := io.ReadAll(r.Body); string(got) != "fresh" || err != nil || opened != 1 {
		t.Errorf("body = %q, %v, opened %d times; want it fresh, once", got, err, opened)
	}
	r.Body.Close()
	r.Body.Close()
	if closed != 1 {
		t.Errorf("the body was closed %d times, want once", closed)
	}

	asked.GetBody = func() (io.ReadCloser, error) { return nil, errBroken }
	if _, err := io.ReadAll(new(block).Make(asked, nil).Request().Body); err != errBroken {
		t.Errorf("Read = %v, want GetBody's error", err)
	}
	asked.GetBody = nil
	_, err := io.ReadAll(new(block).Make(asked, nil).Request().Body)
	if err == nil || !strings.Contains(err.Error(), "cannot be read again") {
		t.Errorf("Read = %v, want an error that says why there is none", err)
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
		t.Errorf("Request() = %v for what is no request, want nil", r)
	}
	r := b.Make(&http.Request{Body: http.NoBody}, nil).Request()
	if r.Body != http.NoBody {
		t.Errorf("Request().Body = %v, want http.NoBody: net/http knows it by identity", r.Body)
	}
	if r := b.request("/").Request(); r.Body != nil || r.Context() != context.Background() {
		t.Errorf("Request() has body %v and context %v; want none, and the background", r.Body, r.Context())
	}
}

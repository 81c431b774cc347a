package pending_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A block makes handles and settles them by hand. Cancel settles them, as that of a
// real block does.
type block struct {
	pending.Arrivals
	cancelled []string
}

// Make returns the handle of a request, which Cancel calls cancel for. Both may be nil.
func (b *block) Make(asked *http.Request, cancel func()) *pending.Pending {
	if cancel == nil {
		return b.Arrivals.Make(ask.Of(asked), nil)
	}
	return b.Arrivals.Make(ask.Of(asked), canceler(cancel))
}

type canceler func()

func (c canceler) Cancel() { c() }

func (c canceler) Withdraw() bool {
	c()
	return true
}

// request makes the handle of a GET of https://h and the path.
func (b *block) request(path string) *pending.Pending {
	asked := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "h", Path: path}}
	var h *pending.Pending
	h = b.Make(asked, func() {
		b.cancelled = append(b.cancelled, path)
		b.fail(h, context.Canceled)
	})
	return h
}

// answered makes the handle of a request that settled with a status and a body.
func (b *block) answered(path string, status int, body string) *pending.Pending {
	h := b.request(path)
	b.answer(h, status, body)
	return h
}

func (b *block) answer(h *pending.Pending, status int, body string) {
	b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: status}, Body: []byte(body)})
}

func (b *block) fail(h *pending.Pending, err error) {
	b.Complete(h, ask.Answer{Err: err, NotSent: errors.Is(err, pending.ErrNotSent)})
}

// wantCancelled checks which requests Cancel was called for while they were open.
func (b *block) wantCancelled(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(b.cancelled)
	if diff := cmp.Diff(want, b.cancelled); diff != "" {
		t.Errorf("cancelled (-want +got):\n%s", diff)
	}
}

// wantBody checks that h settled with a response that has the body.
func wantBody(t *testing.T, h *pending.Pending, want string) {
	t.Helper()
	if !settled(h) {
		t.Errorf("the handle has not settled; want body %q", want)
		return
	}
	resp, err := h.Response()
	if err != nil {
		t.Errorf("Response() = %v; want body %q", err, want)
		return
	}
	if got := read(resp); got != want {
		t.Errorf("body = %q, want %q", got, want)
	}
}

// read is the text of a response, "-" if there is none.
func read(resp *http.Response) string {
	if resp == nil {
		return "-"
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func settled(h *pending.Pending) bool {
	select {
	case <-h.Done():
		return true
	default:
		return false
	}
}

var errBroken = errors.New("broken")

// inBlock runs fn in a block, in fake time, whose requests go to a server of h.
func inBlock(t *testing.T, c client.Client, h http.HandlerFunc, fn func(t *testing.T, p *parallel.Parallel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.HTTP = testnet.New(t, h).Client()
		c.BaseURL = "http://h"
		if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error { fn(t, p); return nil }); err != nil {
			t.Error(err)
		}
	})
}

// slow answers after the time that its path ends in ("/a/300ms") with the path, or
// with the status that its query asks for ("?404").
func slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(path.Base(r.URL.Path))
	if err != nil {
		panic(err)
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
		return
	}
	status := http.StatusOK
	if q := r.URL.RawQuery; q != "" {
		fmt.Sscan(q, &status)
	}
	w.WriteHeader(status)
	io.WriteString(w, r.URL.Path)
}

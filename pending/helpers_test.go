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

// A block makes handles, which tests complete by hand. Cancel completes them
// with context.Canceled, as in a real block.
type block struct {
	pending.Arrivals
	left     pending.Left
	canceled []string
}

// End does what the end of a real block does.
func (b *block) End(err error) { b.Arrivals.End(err, &b.left) }

// Make returns the handle of a request. Cancel of the handle calls cancel. Both
// arguments may be nil.
func (b *block) Make(req *http.Request, cancel func()) *pending.Pending {
	if cancel == nil {
		return b.Arrivals.Make(ask.Of(req), nil, &b.left)
	}
	return b.Arrivals.Make(ask.Of(req), canceler(cancel), &b.left)
}

type canceler func()

func (c canceler) Cancel() { c() }

func (c canceler) Withdraw() bool {
	c()
	return true
}

// request returns the handle of a GET of https://h with the path.
func (b *block) request(path string) *pending.Pending {
	req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "h", Path: path}}
	var h *pending.Pending
	h = b.Make(req, func() {
		b.canceled = append(b.canceled, path)
		b.fail(h, context.Canceled)
	})
	return h
}

// responded returns the handle of a request that is done, with a status and a
// body.
func (b *block) responded(path string, status int, body string) *pending.Pending {
	h := b.request(path)
	b.respond(h, status, body)
	return h
}

func (b *block) respond(h *pending.Pending, status int, body string) {
	b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: status}, Body: []byte(body)})
}

func (b *block) fail(h *pending.Pending, err error) {
	b.Complete(h, ask.Answer{Err: err, NotSent: errors.Is(err, pending.ErrNotSent)})
}

// wantCanceled checks which requests were canceled before they were done.
func (b *block) wantCanceled(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(b.canceled)
	if diff := cmp.Diff(want, b.canceled); diff != "" {
		t.Errorf("canceled (-want +got):\n%s", diff)
	}
}

// wantBody checks that h is done, with a response that has the body.
func wantBody(t *testing.T, h *pending.Pending, want string) {
	t.Helper()
	if !isDone(h) {
		t.Errorf("the handle is not done, want body %q", want)
		return
	}
	resp, err := h.Response()
	if err != nil {
		t.Errorf("Response() error = %v, want body %q", err, want)
		return
	}
	if got := read(resp); got != want {
		t.Errorf("body = %q, want %q", got, want)
	}
}

// read returns the body of a response, or "-" if there is none.
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

func isDone(h *pending.Pending) bool {
	select {
	case <-h.Done():
		return true
	default:
		return false
	}
}

var errBroken = errors.New("broken")

// inBlock runs fn in a block, in fake time. The requests of the block go to a
// server with the handler h.
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

// slow responds after the time at the end of its path ("/a/300ms"). The body is
// the path, and the status is the one in the query ("?404").
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

package pending

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
)

// A Pending is a handle for the result of one request, of one function started
// with Go, or of one Race. It completes exactly once, with a response or an
// error, and its result never changes. It remains usable after its block has
// ended: by then it is done. Handles can be compared and used as keys of a map.
//
// Response, Bytes, JSON, As, All and Race claim the handle when they are
// called: Next and Arrivals of its block then skip it. All methods are safe for
// use by multiple goroutines. A nil or zero Pending is done, with an error that
// says so.
type Pending struct {
	// Not written to once the handle is made.
	home  *Arrivals // of the block; nil for a handle of no block
	asked ask.Ask

	// over says that the handle is done. It is set under home.mu, after the
	// result was written. A goroutine that loads true may therefore read the
	// result, and done, without the lock.
	over atomic.Bool

	raced   atomic.Bool // a race is among listeners; never false again
	claimed atomic.Bool // set under home.mu; never false again

	// The result. Written before over is set, never after.
	notSent bool           // err matches ErrNotSent
	resp    *http.Response // without its body
	body    []byte
	err     error

	// Guarded by home.mu.
	place     int           // among the arrived, if it is done and unclaimed
	done      chan struct{} // closed when done; made when first asked for
	cancel    canceler      // nil once done
	listeners listeners     // none once done
}

// A listener is notified once that a handle is done.
type listener struct {
	tell func(n int) // or:
	race *race
	n    int
}

func (l listener) isZero() bool { return l.race == nil && l.tell == nil }

// notify calls tell, or tells the race. It runs under the lock of the handle's
// block, so that handles are reported in the order in which they complete. It
// reports whether the race is to be completed once the lock is released.
func (l listener) notify() bool {
	if l.race != nil {
		return l.race.told(l.n)
	}
	if l.tell != nil {
		l.tell(l.n)
	}
	return false
}

// listeners holds the listeners of a handle. There is rarely more than one, and
// the first costs no allocation.
type listeners struct {
	first  listener
	others *[]listener // nil for none: a pointer, since each handle has one
}

func (ls *listeners) add(l listener) {
	if ls.first.isZero() {
		ls.first = l
		return
	}
	if ls.others == nil {
		ls.others = new([]listener)
	}
	*ls.others = append(*ls.others, l)
}

// all yields the listeners, in the order in which they were added.
func (ls *listeners) all(yield func(listener) bool) {
	if ls.first.isZero() || !yield(ls.first) || ls.others == nil {
		return
	}
	for _, l := range *ls.others {
		if !yield(l) {
			return
		}
	}
}

// none takes the place of a nil or zero Pending.
var none = failed(errors.New("nil or zero *Pending: handles come from the methods of a block"))

// failed returns a handle of no block that is done, with err.
func failed(err error) *Pending {
	h := &Pending{err: err}
	h.claimed.Store(true)
	h.over.Store(true)
	return h
}

// orNone returns h, or none if h is nil or zero.
func (h *Pending) orNone() *Pending {
	if h == nil || h.home == nil && h.err == nil {
		return none
	}
	return h
}

// closed is what Done returns for a handle that completed before its channel
// was made.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Response claims the handle, blocks until it is done, and returns its response
// or its error. It can be called any number of times, also by several
// goroutines at once.
//
// A status outside 2xx is not an error here; Bytes, JSON and As require 2xx.
// The body of the response is whole and in memory, and need not be closed. Each
// call returns an http.Response of its own, whose Body reads from the start.
// The maps in it (Header, Trailer) and its Request are shared and must not be
// modified.
//
// The error of a request is a *url.Error with the method and URL of the
// original request, without a password. The error of a function started with Go
// is returned unchanged. The error of a Race joins those of its racers.
//
// The error of a request that was canceled matches context.Canceled. So does
// that of a request that was not done when its block ended, which also matches
// parallel.ErrEnded. If the context that the block was opened with ended first,
// the error matches context.Cause of that context. The error of a timeout
// matches context.DeadlineExceeded, and its Timeout method returns true. Its
// text says which time ran out: Timeout, Stall, HTTP.Timeout, the deadline of
// the block's context or of the request's own, or a limit of the transport.
func (h *Pending) Response() (*http.Response, error) {
	h = h.orNone()
	h.wait()
	return h.response()
}

// response returns the result of h, which is done.
func (h *Pending) response() (*http.Response, error) {
	if h.err != nil {
		return nil, h.err
	}
	return readable(h.resp, h.body), nil
}

// readable returns a copy of resp whose Body reads body from the start.
func readable(resp *http.Response, body []byte) *http.Response {
	a := ask.Answer{Response: resp, Body: body}
	return a.Readable()
}

// Bytes claims the handle, blocks until it is done, and returns the body of its
// response. If the status is outside 2xx, it returns nil and a *[StatusError],
// whose Response has the body. Its other errors are those of Response.
//
// All callers share the bytes and must not modify them. They are empty if a
// writer (of Take, To or File) received the body.
func (h *Pending) Bytes() ([]byte, error) {
	h = h.orNone()
	h.wait()
	if h.err != nil {
		return nil, h.err
	}
	if err := statusError(h); err != nil {
		return nil, err
	}
	return h.body, nil
}

// JSON does what Bytes does, and decodes the body into v with json.Unmarshal.
// If the body does not decode, the error is a *url.Error that wraps the
// decoder's error, and v may have been written to. An empty body does not
// decode: a 204 has one, and so has a response whose body a writer received.
// JSON also fails for a value of parallel.Go: [As] returns that. If a function
// started with Go returned a response without a Request, the error wraps the
// decoder's error and is not a *url.Error.
//
// If the body is still encoded, the error names its Content-Encoding. That
// happens if the request sets Accept-Encoding itself, or if a server sends an
// encoding that was not asked for. If the body is not JSON and its Content-Type
// says so, as for a login page, the error names the Content-Type.
func (h *Pending) JSON(v any) error {
	b, err := h.Bytes()
	if err != nil {
		return err
	}
	h = h.orNone()
	if value, ok := ask.ValueOf(h.resp); ok {
		return fmt.Errorf("no JSON: the function returned %s: use pending.As", typeOf(value))
	}
	err = json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	err = fail.Redact(undecodable(h.resp, b, err))
	what := h.asked.Or(h.resp)
	if what.IsNone() {
		return fmt.Errorf("the response of a function: %w", err)
	}
	op, u := what.Name()
	return &url.Error{Op: op, URL: u, Err: err}
}

// undecodable returns an error that wraps err, which a decoder returned for the
// body of resp, and says what the response has instead of JSON: an encoding
// (br, zstd, ...), no body, or a body of another type. Otherwise it returns err
// itself.
func undecodable(resp *http.Response, body []byte, err error) error {
	var syntax *json.SyntaxError
	coding := coding(resp.Header)
	kind := resp.Header.Get("Content-Type")
	switch {
	case coding != "":
		return fmt.Errorf("the body has Content-Encoding %.40q, which was not decoded: %w", coding, err)
	case !errors.As(err, &syntax):
		return err // v is at fault
	case len(body) == 0:
		return fmt.Errorf("no body to decode (status %s): %w", status(resp), err)
	case kind != "" && !strings.Contains(strings.ToLower(kind), "json"):
		return fmt.Errorf("the body has Content-Type %.40q: %w", kind, err)
	}
	return err
}

// Request returns a copy of the original request, to be inspected or to be sent
// again with Do. The copy belongs to the caller. Its URL is absolute, and its
// context is the request's own (context.Background unless the request was made
// with Do).
//
// GetBody opens the body of the copy at the first Read. If the request has a
// body but no GetBody, the body of the copy is spent: a Read of it fails. If
// such a copy is passed to Do, the handle fails, and nothing is sent. The
// options Timeout, After, Retry, Take, To and File are not part of an
// http.Request: give them to Do again.
//
// After a redirect, the URL is not that of the page that was received. Resolve
// the links of a page with the Request.URL of the response.
//
// Request does not block and claims nothing. It returns a copy of the first
// racer's request for a Race, and nil for a function started with Go.
func (h *Pending) Request() *http.Request {
	return h.orNone().asked.Request()
}

// Done returns a channel that is closed when the handle is done. From then on
// Response, Bytes, JSON and As do not block. Every call returns the same
// channel, or one that is closed already. Done does not block and claims
// nothing.
//
// Completing the handle is the last step of a request. After the channel is
// closed, no Write to the writer of its Take or To runs, and no Read of the
// request's body begins. A Race is different: it is done as soon as it has a
// winner, and its losers may still be stopping.
func (h *Pending) Done() <-chan struct{} {
	h = h.orNone()
	if h.over.Load() {
		if h.done == nil {
			return closed
		}
		return h.done
	}
	h.home.mu.Lock()
	defer h.home.mu.Unlock()
	return h.doneLocked()
}

// doneLocked does what Done does. The caller holds home.mu.
func (h *Pending) doneLocked() <-chan struct{} {
	if h.done == nil {
		if h.over.Load() {
			return closed
		}
		h.done = make(chan struct{})
	}
	return h.done
}

// Cancel cancels this request and no other. A queued request is never sent. A
// request in flight is interrupted. Its handle completes, with an error that
// matches context.Canceled, once the transport has returned. Next yields it
// like any other.
//
// Cancel does not block and claims nothing. On a handle that is done it does
// nothing, and a second call does no harm. Canceling a function started with Go
// ends the function's Context; its handle completes when the function returns.
// Canceling a Race cancels every racer.
func (h *Pending) Cancel() {
	if c := h.orNone().canceler(); c != nil {
		c.Cancel()
	}
}

// canceler returns the canceler of h, or nil if h is done.
func (h *Pending) canceler() canceler {
	if h.over.Load() {
		return nil
	}
	h.home.mu.Lock()
	defer h.home.mu.Unlock()
	return h.cancel
}

// wait claims h and waits until it is done.
func (h *Pending) wait() {
	if h.claimed.Load() && h.over.Load() {
		if h.done != nil {
			<-h.done // finish may be about to close it
		}
		return
	}
	h.home.mu.Lock()
	h.home.claimLocked(h)
	done := h.doneLocked()
	h.home.mu.Unlock()
	<-done
}

// listen claims h and adds l to its listeners. If h is done, it notifies l at
// once, and reports whether l's race is to be completed.
func (h *Pending) listen(l listener) bool {
	if h.home == nil {
		return l.notify()
	}
	h.home.mu.Lock()
	defer h.home.mu.Unlock()
	h.home.claimLocked(h)
	if h.over.Load() {
		return l.notify()
	}
	if l.race != nil {
		h.raced.Store(true)
	}
	h.listeners.add(l)
	return false
}

// listening returns the listeners of h, or none if h is done.
func (h *Pending) listening() listeners {
	if h.over.Load() {
		return listeners{}
	}
	h.home.mu.Lock()
	defer h.home.mu.Unlock()
	ls := h.listeners // a copy: listeners that are added later are not in it
	if ls.others != nil {
		others := *ls.others
		ls.others = &others
	}
	return ls
}

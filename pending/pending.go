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

// A Pending is the handle of one request (or of a function started with Go, or
// of a Race): what will have come of it. It is made pending and settles exactly
// once, with a response or an error; what it settled with never changes. It may
// be kept after its block has ended: by then it has settled. Handles can be compared:
// keep what belongs to one in a map.
//
// Response, Bytes, JSON, All and Race claim the handle: the block's Next and
// Arrivals don't yield it any more. All methods are safe for many goroutines. A
// nil or zero Pending behaves as one that settled with an error saying so.
type Pending struct {
	// home is the block's Arrivals until the handle is done, nil from then on. It is
	// written under home.mu, after the result: who finds nil may read that, and done,
	// without the lock.
	home  atomic.Pointer[Arrivals]
	ref   *ref    // to home; nil for a handle of no block
	asked ask.Ask // not written to once the handle is made

	// The result. Written before home is nil, never after.
	resp    *http.Response // without its body
	body    []byte
	err     error
	notSent bool // err matches ErrNotSent

	raced atomic.Bool // a race is among listeners; never false again

	// Guarded by the mu of the block's Arrivals.
	claimed   atomic.Bool   // true may be read without the lock, and is final
	place     int           // among the arrived, if it is done and unclaimed
	done      chan struct{} // closed when done; made when first asked for
	cancel    canceler      // nil once done
	listeners listeners     // none once done
}

// A listener is told, once, that a handle is done.
type listener struct {
	tell func(n int) // or:
	race *race
	n    int
}

func (l listener) isZero() bool { return l.race == nil && l.tell == nil }

// notify is called under the lock of the handle's block, so that handles are told
// of in the order in which they complete. It reports whether the race is to be
// completed once the lock is released.
func (l listener) notify() bool {
	if l.race != nil {
		return l.race.told(l.n)
	}
	if l.tell != nil {
		l.tell(l.n)
	}
	return false
}

// listeners are those of a handle: rarely more than one, which costs no allocation.
type listeners struct {
	first  listener
	others []listener
}

func (ls *listeners) add(l listener) {
	if ls.first.isZero() {
		ls.first = l
	} else {
		ls.others = append(ls.others, l)
	}
}

// all yields the listeners, in the order in which they were added.
func (ls *listeners) all(yield func(listener) bool) {
	if ls.first.isZero() || !yield(ls.first) {
		return
	}
	for _, l := range ls.others {
		if !yield(l) {
			return
		}
	}
}

// none stands for a handle that was never made.
var none = failed(errors.New("a nil or zero *Pending was used: handles come from a block's methods"))

// failed is a handle of no block that has settled with err.
func failed(err error) *Pending {
	h := &Pending{err: err}
	h.claimed.Store(true)
	return h
}

func (h *Pending) orNone() *Pending {
	if h == nil || h.ref == nil && h.err == nil {
		return none
	}
	return h
}

// closed is the Done of handles that settled before anybody asked for it.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Response claims the handle, waits until it has settled and returns what it
// settled with. The error is a *url.Error with the method and URL asked for,
// except that of a Go function, which comes back as it was returned, and of a
// Race, which joins those of its racers.
//
// A response of any status is a success here: see Bytes and JSON for what judges
// it. Its Body is in memory, whole, and need not be closed. Each call returns an
// http.Response of its own whose Body reads from the start; the maps in it
// (Header, Trailer) and its Request are shared and not to be written to.
func (h *Pending) Response() (*http.Response, error) {
	h = h.orNone()
	h.wait()
	return h.response()
}

// response is Response for a handle that has settled.
func (h *Pending) response() (*http.Response, error) {
	if h.err != nil {
		return nil, h.err
	}
	return readable(h.resp, h.body), nil
}

// readable is a copy of resp whose Body reads body from the start.
func readable(resp *http.Response, body []byte) *http.Response {
	c := &struct {
		resp http.Response
		body ask.Memory
	}{resp: *resp}
	c.body.Set(body)
	c.resp.Body = &c.body
	return &c.resp
}

// Bytes claims the handle, waits until it has settled and returns the body of its
// response. A status outside 2xx is a *StatusError, and the bytes are nil then:
// the error's Response has them. Other errors are those of Response.
//
// The bytes are shared by all who ask for them: they are to be read only. (The
// body that parallel.To took is empty.)
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

// JSON is Bytes, decoded into v with json.Unmarshal. What doesn't decode, such as the
// empty body of a 204 or that which parallel.To took, is a *url.Error around the
// decoder's error; v may have been written to by then. The error names the body's
// Content-Encoding if the body is still in one, as after an Accept-Encoding of your
// own, or from a server that sends br to whoever asks.
func (h *Pending) JSON(v any) error {
	b, err := h.Bytes()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		h = h.orNone()
		op, u := h.named()
		return &url.Error{Op: op, URL: u, Err: fail.Redact(encoded(h.resp, err))}
	}
	return nil
}

// encoded returns err, which a decoder returned for the body of resp, or if the
// body is still in an encoding (br, zstd, ...), an error that names the encoding
// and wraps err. net/http removes the header when it decompresses a body.
func encoded(resp *http.Response, err error) error {
	coding := strings.Join(resp.Header.Values("Content-Encoding"), ", ")
	if coding == "" || strings.EqualFold(coding, "identity") {
		return err
	}
	return fmt.Errorf("the body has Content-Encoding %.40q, which was not decoded: %w", coding, err)
}

// named is how errors name the request: in net/http's way, by the method and the
// URL that were asked for, without a password. For what Go returned it is the
// request of the response, where that has one.
func (h *Pending) named() (op, u string) {
	return h.asked.Or(h.resp).Name()
}

// Request returns a copy of what was asked for: its URL is absolute, its context
// the caller's own (context.Background for Get and its likes). It may be changed,
// and passed to the Do of a block to be sent again.
//
// What is not part of an http.Request (To, Timeout, After) is not in it: pass these
// options to Do again. Its Body is a fresh one, opened with GetBody when first read.
// Where the body has no GetBody it is spent: reading the copy's is an error, and Do
// fails without sending anything.
//
// Request neither blocks nor claims. It is nil for Go, and for a Race its first
// racer's.
func (h *Pending) Request() *http.Request {
	return h.orNone().asked.Request()
}

// Done returns a channel that is closed once the handle has settled: from then
// on Response, Bytes and JSON don't block. Done claims nothing.
//
// A handle settles last: once Done is closed, nothing is written any more to what
// To named and no Read of the request's body begins. (A Race settles with its
// winner; its losers may still be ending.)
func (h *Pending) Done() <-chan struct{} {
	h = h.orNone()
	home := h.home.Load()
	if home == nil {
		if h.done == nil {
			return closed
		}
		return h.done
	}
	home.mu.Lock()
	defer home.mu.Unlock()
	return h.doneLocked()
}

// doneLocked is Done for one who holds home.mu.
func (h *Pending) doneLocked() <-chan struct{} {
	if h.done == nil {
		if h.home.Load() == nil {
			return closed
		}
		h.done = make(chan struct{})
	}
	return h.done
}

// Cancel ends this request alone. What is waiting to be sent is never sent; what
// is in flight is interrupted, and settles with an error that is context.Canceled as
// soon as its transport heeds that; Next yields it like any other. Cancel neither
// blocks nor claims; on a handle that has settled it does nothing.
//
// Cancelling a Go handle ends the Context of its function, with whose return it
// settles; cancelling a Race cancels every racer.
func (h *Pending) Cancel() {
	if c := h.orNone().canceler(); c != nil {
		c.Cancel()
	}
}

// canceler returns what cancels h, or nil if h is done.
func (h *Pending) canceler() canceler {
	home := h.home.Load()
	if home == nil {
		return nil
	}
	home.mu.Lock()
	defer home.mu.Unlock()
	return h.cancel
}

// arrivals returns the Arrivals that h belongs to, or nil if it is of none, or of
// one that is gone, and h done.
func (h *Pending) arrivals() *Arrivals {
	if home := h.home.Load(); home != nil || h.ref == nil {
		return home
	}
	return h.ref.at.Value()
}

// wait claims h and waits until it is done.
func (h *Pending) wait() {
	if h.claimed.Load() && h.home.Load() == nil {
		return
	}
	a := h.arrivals()
	if a == nil {
		return
	}
	a.mu.Lock()
	a.claimLocked(h)
	done := h.doneLocked()
	a.mu.Unlock()
	<-done
}

// listen claims h and has l notified when h is done, at once if it is. It reports
// whether l's race is to be completed.
func (h *Pending) listen(l listener) bool {
	a := h.arrivals()
	if a == nil {
		return l.notify()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claimLocked(h)
	if h.home.Load() == nil {
		return l.notify()
	}
	if l.race != nil {
		h.raced.Store(true)
	}
	h.listeners.add(l)
	return false
}

// listening returns the listeners of h, none if it is done.
func (h *Pending) listening() listeners {
	home := h.home.Load()
	if home == nil {
		return listeners{}
	}
	home.mu.Lock()
	defer home.mu.Unlock()
	return h.listeners // what is added later is not in this copy
}

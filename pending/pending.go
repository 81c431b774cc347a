package pending

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/abreast-go/abreast/internal/fifo"
	"github.com/abreast-go/abreast/internal/spent"
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
	// home is where its block has it; nil once it is settled and claimed, so that a
	// handle that is kept doesn't keep what else has arrived there. Who finds nil may
	// read all that is guarded by home.mu.
	home  atomic.Pointer[Arrivals]
	block *block // home's, for a Race that begins when home is nil
	asked asked  // not written to once the handle is made

	// Written before settled is, never after.
	resp *http.Response // without its body
	body []byte
	err  error

	// Guarded by home.mu.
	settled bool
	claimed bool
	done    chan struct{} // closed when settled; made when first asked for
	cancel  Canceler
	watches watches
	arrival fifo.Node[*Pending] // its place among the arrivals
}

// A watch is told, once, that a handle has settled.
type watch struct {
	tell func(n int) // or:
	race *race
	n    int
}

// settled is called under the lock of the handle's block, so that what is told is
// told in the order of settling. What it gives back, if anything, is to be done
// once the lock is released.
func (w watch) settled() (after func()) {
	if w.race != nil {
		return w.race.settled(w.n)
	}
	if w.tell != nil {
		w.tell(w.n)
	}
	return nil
}

// watches are those of a handle: rarely more than one.
type watches struct {
	first  watch
	others []watch
}

func (ws *watches) add(w watch) {
	if ws.first.race == nil && ws.first.tell == nil {
		ws.first = w
	} else {
		ws.others = append(ws.others, w)
	}
}

// settled is settled of each.
func (ws *watches) settled() (after []func()) {
	if f := ws.first.settled(); f != nil {
		after = append(after, f)
	}
	for _, w := range ws.others {
		if f := w.settled(); f != nil {
			after = append(after, f)
		}
	}
	return after
}

// none stands for a handle that was never made.
var none = failed(errors.New("a nil or zero *Pending was used: handles come from a block's methods"))

// failed is a handle of no block that has settled with err.
func failed(err error) *Pending { return &Pending{err: err, settled: true, claimed: true} }

func (h *Pending) orNone() *Pending {
	if h == nil || h.home.Load() == nil && !h.settled {
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
		body memory
	}{resp: *resp}
	c.body.Reset(body)
	c.body.all = body
	c.resp.Body = &c.body
	return &c.resp
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
	r := h.orNone().asked.again()
	switch {
	case r == nil || r.Body == nil || r.Body == http.NoBody:
	case r.GetBody == nil:
		r.Body = spent.Body{}
	default:
		r.Body = &freshBody{open: r.GetBody}
	}
	return r
}

// freshBody opens a request's body when it is first read, so that a copy made
// only to be looked at holds nothing open.
type freshBody struct {
	open func() (io.ReadCloser, error)

	mu     sync.Mutex
	body   io.ReadCloser
	closed bool
}

func (b *freshBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	if b.body == nil {
		body, err := b.open()
		if err != nil {
			b.mu.Unlock()
			return 0, err
		}
		b.body = body
	}
	body := b.body
	b.mu.Unlock()
	return body.Read(p)
}

func (b *freshBody) Close() error {
	b.mu.Lock()
	body, closed := b.body, b.closed
	b.closed = true
	b.mu.Unlock()
	if body == nil || closed {
		return nil
	}
	return body.Close()
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
		return closed
	}
	home.mu.Lock()
	defer home.mu.Unlock()
	return h.doneLocked()
}

// doneLocked is Done for one who holds home.mu.
func (h *Pending) doneLocked() <-chan struct{} {
	if h.done == nil {
		if h.settled {
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
	home := h.orNone().home.Load()
	if home == nil {
		return
	}
	home.mu.Lock()
	cancel := h.cancel
	home.mu.Unlock()
	if cancel != nil {
		cancel.Cancel()
	}
}

// wait claims h and waits until it has settled.
func (h *Pending) wait() {
	home := h.home.Load()
	if home == nil {
		return
	}
	home.mu.Lock()
	home.claim(h)
	done := h.doneLocked()
	home.mu.Unlock()
	<-done
}

// watch claims h and has w told when h has settled, at once if it has.
func (h *Pending) watch(w watch) {
	var after func()
	if home := h.home.Load(); home == nil {
		after = w.settled()
	} else {
		home.mu.Lock()
		home.claim(h)
		if h.settled {
			after = w.settled()
		} else {
			h.watches.add(w)
		}
		home.mu.Unlock()
	}
	if after != nil {
		after()
	}
}

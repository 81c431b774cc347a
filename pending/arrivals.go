package pending

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/abreast-go/abreast/internal/fifo"
)

// Arrivals is the writing end of the handles of one block: it makes them, settles
// them and keeps them in the order in which they did. It is for those who build a
// block, as package parallel does; users of handles have no need of it.
//
// The zero Arrivals is ready to use. Its methods are safe for many goroutines.
type Arrivals struct {
	mu sync.Mutex

	// Guarded by mu.
	unclaimed int                  // handles that nobody claimed, settled or not
	arrived   fifo.Queue[*Pending] // those of them that have settled, oldest first
	changed   *sync.Cond           // arrived grew, or unclaimed fell to zero; made by the first to wait
	races     fifo.Queue[*race]    // not settled yet
	self      *block               // made with the first handle
	ended     error                // what an open Race settles with, once the block ended
}

// A block is what a handle knows of its Arrivals without keeping them.
type block struct {
	at    weak.Pointer[Arrivals]
	ended atomic.Pointer[error]
}

// An Answer is what a handle settles with: either a response and its body, or an error.
// Response.Body is not used.
type Answer struct {
	Response *http.Response
	Body     []byte
	Err      error
}

// Make makes a handle that is pending. asked is what its Request gives copies of:
// it belongs to the handle from here on and may be nil. cancel is called by
// Cancel for as long as the handle has not settled, maybe several times; it must
// not block, and lead to a Settle.
func (a *Arrivals) Make(asked *http.Request, cancel func()) *Pending {
	if cancel == nil {
		return a.make(asks(asked), nil)
	}
	return a.make(asks(asked), cancelFunc(cancel))
}

// MakeGet is Make for what is asked for most, a GET of a URL and nothing else: until it
// is sent it needs no http.Request. The URL is u, which belongs to the handle from here
// on, or, if that is nil, text, which is absolute and can be parsed.
func (a *Arrivals) MakeGet(text string, u *url.URL, c Canceler) *Pending {
	return a.make(asked{url: u, text: text}, c)
}

// A Canceler is what the Cancel of a handle calls: see Make.
type Canceler interface{ Cancel() }

type cancelFunc func()

func (f cancelFunc) Cancel() { f() }

func (a *Arrivals) make(what asked, c Canceler) *Pending {
	h := &Pending{asked: what, cancel: c}
	h.home.Store(a)
	h.arrival.Item = h
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.self == nil {
		a.self = &block{at: weak.Make(a)}
	}
	h.block = a.self
	a.unclaimed++
	return h
}

// Settle settles h, which a made, with what it answered, and puts it among the
// arrivals unless somebody claimed it. Only the first call for a handle counts;
// Settle reports whether it was that.
func (a *Arrivals) Settle(h *Pending, with Answer) bool {
	a.mu.Lock()
	if h.settled {
		a.mu.Unlock()
		return false
	}
	h.settled = true
	h.resp, h.body, h.err = with.Response, with.Body, with.Err
	if h.done != nil {
		close(h.done)
	}
	if !h.claimed {
		a.arrived.Push(&h.arrival)
		if a.changed != nil {
			a.changed.Signal()
		}
	}
	if r, ok := h.cancel.(*race); ok {
		r.place.Remove()
	}
	if h.claimed {
		h.home.Store(nil)
	}
	then := h.watches.settled()
	h.cancel, h.watches = nil, watches{}
	a.mu.Unlock()
	for _, f := range then {
		f()
	}
	return true
}

// Next claims and returns the handle that settled first among those nobody
// claimed, waiting for one if need be. It returns nil at once when none is
// unclaimed, also when the last one is claimed while it waits.
func (a *Arrivals) Next() *Pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.arrived.Len() == 0 && a.unclaimed > 0 {
		if a.changed == nil {
			a.changed = sync.NewCond(&a.mu)
		}
		a.changed.Wait()
	}
	n := a.arrived.Pop()
	if n == nil {
		return nil
	}
	a.claim(n.Item)
	return n.Item
}

// Has reports whether a handle is unclaimed, settled or not.
func (a *Arrivals) Has() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unclaimed > 0
}

// End says that the block has ended, all its requests with it. A Race of the
// block that is still open, because it has racers elsewhere, settles with err and
// cancels them, and so does one made from here on.
func (a *Arrivals) End(err error) {
	a.mu.Lock()
	a.ended = err
	if a.self != nil {
		a.self.ended.Store(&err)
	}
	var open []*race
	for n := a.races.Pop(); n != nil; n = a.races.Pop() {
		open = append(open, n.Item)
	}
	a.mu.Unlock()
	for _, r := range open {
		r.end(err)
	}
}

// claim is called with a.mu held.
func (a *Arrivals) claim(h *Pending) {
	if h.claimed {
		return
	}
	h.claimed = true
	h.arrival.Remove()
	if h.settled {
		h.home.Store(nil)
	}
	a.unclaimed--
	if a.unclaimed == 0 && a.changed != nil {
		a.changed.Broadcast() // whoever waits now would wait for ever
	}
}

// Claim claims h and has tell called with n once h has settled, at once if it
// has. tell is called in the order in which the handles of a block settle, under
// a lock: it must neither block nor ask anything of a handle. A nil tell is
// allowed. Claim is for those who build a block.
func Claim(h *Pending, n int, tell func(n int)) {
	h.orNone().watch(watch{tell: tell, n: n})
}

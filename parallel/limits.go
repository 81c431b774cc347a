package parallel

import (
	"context"
	"sync"

	"github.com/abreast-go/abreast/internal/slots"
)

// Limits limits the requests in flight over all blocks of all clients that
// share it, in total and per host. A block's own Limit and HostLimit hold as
// well.
//
// Blocks that have a request waiting are served in turn, one request at a time.
// A block and the blocks of its Go functions take one turn together.
//
// A request may need another one before it can be sent: Auth may fetch a token
// through a client with the same Limits. If a block is opened with the context
// of a request that holds a slot, one request of that block at a time runs on
// that slot, and waits for none of these limits. So nothing waits for itself.
//
// The zero Limits has no limits. Limits must not be copied after the first use.
// All methods are safe for use by multiple goroutines, and do not block.
type Limits struct {
	mu sync.Mutex // guards the fields below, and the queues of all blocks that share the Limits

	group slots.Group[*sending]
	stats Stats
}

// NewLimits returns Limits with at most total requests in flight, and at most
// perHost for one host (name and port). 0 or negative means no limit.
func NewLimits(total, perHost int) *Limits {
	l := new(Limits)
	l.group.Set(total, perHost)
	return l
}

// Set changes the limits, at any time. 0 or negative means no limit. Requests
// in flight keep their slots: if a limit is lowered, slots are withdrawn as
// they become free.
func (l *Limits) Set(total, perHost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group.Set(total, perHost)
	for e := l.group.Take(); e != nil; e = l.group.Take() {
		e.Item.takenLocked()
		e.Item.workLocked()
	}
}

// Stats returns the number of requests in each state, over all blocks that have
// shared l. Blocks that have ended are included.
func (l *Limits) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// share opens q for a block with the context ctx that shares l.
func (l *Limits) share(q *queue, ctx context.Context, cfg *Config) {
	q.limits, q.mu = l, &l.mu
	var all []*holding // the innermost first
	for c, _ := ctx.Value(heldKey{l}).(*heldContext); c != nil; c, _ = c.Context.Value(heldKey{l}).(*heldContext) {
		all = append(all, c.held)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var lender *slots.Entry[*sending]
	for _, held := range all {
		if held.entry.Held() {
			lender = held.entry
			break
		}
	}
	q.slots = l.group.New(cfg.Limit, cfg.HostLimit, lender)
}

// A holding leads from the contexts of a request to its entry in the queue. A
// block that is opened with one of these contexts can then run on the request's
// slot. The mutex of the Limits guards it.
type holding struct {
	entry *slots.Entry[*sending] // nil once the request is done: its contexts may be kept
}

// A heldContext is the context of a request of a block with Limits.
type heldContext struct {
	context.Context
	limits *Limits
	held   *holding
}

type heldKey struct{ *Limits }

func (c *heldContext) Value(key any) any {
	if key == (heldKey{c.limits}) {
		return c
	}
	return c.Context.Value(key)
}

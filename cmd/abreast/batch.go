package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A batch holds the requests that were made but not yet reported. A function of
// the block makes them, so that a silent input holds up no result.
type batch struct {
	fetcher *fetcher
	in      *input
	done    *finished
	open    atomic.Int64 // requests that are not done
	waits   atomic.Bool  // feed waits for room; set before it looks, so that no wake-up is lost

	mu    sync.Mutex // guards the fields below
	room  sync.Cond  // there may be room for a request, or no more may be made
	sent  map[*pending.Pending]*fetch
	bytes int  // the lengths of their lines
	ended bool // no more may be made
}

// Requests are made ahead: twice as many as may be in flight. If a host pauses,
// or is at -host-limit, its lines should not hold back those of others. And a
// reader that pauses should not hold back the requests. So there may be
// aheadLines in all that are not yet reported, unless they are so long that they
// would fill the memory.
const (
	aheadLines = 1000
	aheadBytes = 8 << 20
)

func newBatch(f *fetcher, in *input, done *finished) *batch {
	b := &batch{fetcher: f, in: in, done: done, sent: make(map[*pending.Pending]*fetch)}
	b.room.L = &b.mu
	return b
}

// feed makes a request of each line, until there are no more lines or ctx is
// done.
func (b *batch) feed(ctx context.Context, p *parallel.Parallel) error {
	defer context.AfterFunc(ctx, b.end)()
	seq := 0
	for {
		select {
		case all, ok := <-b.in.next:
			if !ok {
				return b.in.err
			}
			for _, ln := range all {
				skip, err := b.done.skip(ln)
				if err != nil {
					return err
				}
				if skip {
					continue
				}
				if !b.make(p, ln, seq) {
					return nil
				}
				seq++
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *batch) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.room.Broadcast()
}

// make waits for room and makes the request of a line. It returns false if no
// more may be made.
func (b *batch) make(p *parallel.Parallel, ln line, seq int) bool {
	f := b.fetcher
	it := &fetch{Request: lines.Parse(ln.number, ln.text, maxLine), fetcher: f, seq: seq, length: len(ln.text)}
	switch {
	case it.Err != nil:
	case it.File != "" && f.folder == nil:
		it.Err = errors.New("a line with a file needs -dir")
	default:
		it.Err = f.folder.claim(it.Request)
	}
	b.mu.Lock() // take waits until the handle is in sent
	defer b.mu.Unlock()
	b.waits.Store(true)
	for !b.ended && b.fullLocked() {
		b.room.Wait()
	}
	b.waits.Store(false)
	if b.ended {
		return false
	}
	for _, u := range it.Unknown {
		f.unknown[u]++
	}
	b.bytes += it.length
	b.open.Add(1)
	f.making = it
	b.sent[p.Get(it.Address(), it.prepare)] = it
	return true
}

func (b *batch) fullLocked() bool {
	few := 2 * b.fetcher.opts.limit
	n, open := len(b.sent), int(b.open.Load())
	return n >= few && (n >= aheadLines || b.bytes >= aheadBytes || open >= few && !b.fetcher.holdsBack())
}

// settled notes that a request is done. Get may call it, within make.
func (b *batch) settled() {
	b.open.Add(-1)
	b.look()
}

// look makes feed look for room again.
func (b *batch) look() {
	if b.waits.Load() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.room.Signal()
	}
}

// take returns the fetch of a handle that is done.
func (b *batch) take(h *pending.Pending) *fetch {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.sent[h]
	delete(b.sent, h)
	b.bytes -= it.length
	b.room.Signal()
	return it
}

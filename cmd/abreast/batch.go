package main

import (
	"errors"
	"sync"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A batch has the requests that are made and not reported. A function of the
// block makes them, so that a silent input holds up no result.
type batch struct {
	fetcher *fetcher
	in      *input
	done    *finished
	room    chan struct{} // has an element for each request that is made and not reported

	mu   sync.Mutex // guards sent
	sent map[*pending.Pending]*fetch
}

// feed makes a request of each line, until there are no more lines or no
// further one may begin.
func (b *batch) feed(p *parallel.Parallel) error {
	seq := 0
	for {
		select {
		case all, ok := <-b.in.next:
			if !ok {
				return b.in.err
			}
			for _, ln := range all {
				if b.done.has(ln.number) {
					continue
				}
				select {
				case b.room <- struct{}{}:
				case <-b.fetcher.stop.Done():
					return nil
				}
				b.make(p, ln, seq)
				seq++
			}
		case <-b.fetcher.stop.Done():
			return nil
		}
	}
}

// make makes the request of a line.
func (b *batch) make(p *parallel.Parallel, ln line, seq int) {
	f := b.fetcher
	it := &fetch{Request: lines.Parse(ln.number, ln.text, maxLine), fetcher: f, seq: seq}
	if it.File != "" && f.folder == nil && it.Err == nil {
		it.Err = errors.New("a line with a file needs -dir")
	}
	b.mu.Lock() // take waits until the handle is in sent
	defer b.mu.Unlock()
	f.making = it
	b.sent[p.Get(it.Address(), it.prepare)] = it
}

// take returns the fetch of a handle that is done.
func (b *batch) take(h *pending.Pending) *fetch {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.sent[h]
	delete(b.sent, h)
	<-b.room
	return it
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// abreast is this library. A few requests have handles that are read one after
// the other; many requests use Each.
var abreast = contender{
	name: "abreast",
	open: func(w work) block { return w.with(w.client()) },
}

// abreastRecorded is abreast with a waterfall.Recorder, which keeps the last
// thousand requests.
var abreastRecorded = contender{
	name:  "abreast, recorded",
	rowOf: "S2",
	open: func(w work) block {
		c := w.client()
		c.Observe = new(waterfall.Recorder).Observe
		return w.with(c)
	},
}

// with returns a block that sends its requests with c.
func (w work) with(c *client.Client) block {
	return func(ctx context.Context, take func([]byte)) error {
		return c.Parallel(ctx, func(p *parallel.Parallel) error {
			if w.perBlock <= w.inFlight {
				return w.handles(p, take)
			}
			for _, h := range parallel.Each(p, w.each(), w.sender(p)) {
				body, err := h.Bytes()
				if err != nil {
					return err
				}
				take(body)
			}
			return nil
		})
	}
}

// abreastGet makes all requests at once, in any number, and takes them as they
// arrive.
var abreastGet = contender{
	name:  "abreast-get",
	rowOf: "S6",
	open: func(w work) block {
		c := w.client()
		return func(ctx context.Context, take func([]byte)) error {
			return c.Parallel(ctx, func(p *parallel.Parallel) error {
				for url := range w.each() {
					p.Get(url)
				}
				for h := range p.Arrivals() {
					body, err := h.Bytes()
					if err != nil {
						return err
					}
					take(body)
				}
				return nil
			})
		}
	},
	queued: heapOfQueued,
}

// client returns a client with the limit of the scenario, or with all defaults.
func (w work) client() *client.Client {
	if w.untuned {
		return new(client.Client)
	}
	return &client.Client{Limit: w.inFlight}
}

// handles makes all requests of a block and reads their handles in order.
func (w work) handles(p *parallel.Parallel, take func([]byte)) error {
	hs := make([]*pending.Pending, w.perBlock)
	send := w.sender(p)
	for i := range hs {
		hs[i] = send(w.url)
	}
	for _, h := range hs {
		body, err := h.Bytes()
		if err != nil {
			return err
		}
		take(body)
	}
	return nil
}

// sender returns a function that makes a request of the scenario.
func (w work) sender(p *parallel.Parallel) func(url string) *pending.Pending {
	if w.post {
		return func(url string) *pending.Pending { return p.Post(url, parallel.JSON(anOrder)) }
	}
	return func(url string) *pending.Pending { return p.Get(url) }
}

// heapOfQueued returns the growth of the heap for each request that waits for a
// slot, including the text of its URL.
func heapOfQueued(w work) (perRequest float64, err error) {
	held := client.Client{Limit: 1, HTTP: &http.Client{Transport: never{}}}
	err = held.Parallel(context.Background(), func(p *parallel.Parallel) error {
		before := heap()
		for i := range w.perBlock {
			_ = p.Get(fmt.Sprint(w.url, "&n=", i)) // stays in the queue
		}
		perRequest = (heap() - before) / float64(w.perBlock)
		return nil
	})
	return perRequest, err
}

// heap returns the number of bytes in use after a garbage collection.
func heap() float64 {
	runtime.GC()
	runtime.GC() // frees what only finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// never is a transport that never responds.
type never struct{}

func (never) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

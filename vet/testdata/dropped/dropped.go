package dropped

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func wrong(ctx context.Context, c client.Client, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, url := range urls {
			p.Post(url) // want `nothing waits for this POST: the block cancels it when it ends, usually before it is sent; keep the handle and call Bytes, or read p.Arrivals before the block returns`
		}
		return nil
	})
	client.Parallel(ctx, func(p *parallel.Parallel) error {
		user := p.Get(urls[0])
		p.Put(urls[1], parallel.Timeout(time.Second)) // want `this PUT`
		if len(urls) > 2 {
			p.Patch(urls[2]) // want `this PATCH`
			defer p.Delete(urls[2])
		}
		_, err := user.Bytes()
		return err
	})
	parallel.Run(ctx, parallel.Config{}, func(p *parallel.Parallel) error {
		p.Delete(urls[0]) // want `this DELETE`
		return p.Context().Err()
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			q.Post(urls[0]) // want `this POST`
			p.Post(urls[1]) // want `this POST`
			return nil, nil
		})
		get := func(url string) *pending.Pending {
			p.Post(url) // want `this POST`
			return p.Get(url)
		}
		for _, h := range parallel.Each(p, slices.Values(urls), get) {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		_, err := h.Response()
		return err
	})
	c.Parallel(ctx, named)
	fn := func(p *parallel.Parallel) error {
		p.Post("/") // want `this POST`
		return nil
	}
	c.Parallel(ctx, fn)
	c.Parallel(ctx, service{}.method)
}

func named(p *parallel.Parallel) error {
	p.Post("/") // want `this POST`
	return nil
}

type service struct{ p *parallel.Parallel }

func (service) method(p *parallel.Parallel) error {
	p.Post("/") // want `this POST`
	return nil
}

func helped(ctx context.Context, c client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		audit(p, "helped")
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		both(p)
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		both(p)
		return wait(p)
	})
}

// All its callers leave.
func audit(p *parallel.Parallel, name string) {
	p.Post("/audit/" + name) // want `this POST`
	if name != "" {
		audit(p, "")
	}
}

// One of its callers reads the arrivals.
func both(p *parallel.Parallel) {
	p.Post("/")
	bothToo(p)
}

func bothToo(p *parallel.Parallel) { p.Post("/") }

func right(ctx context.Context, c client.Client, urls []string, ch <-chan string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error { // it reads the arrivals
		for _, url := range urls {
			p.Post(url)
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // a function reads them
		p.Post("/")
		return wait(p)
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // somebody else may read them
		p.Post("/")
		keep(service{p})
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // a method value reads them
		p.Post("/")
		next := p.Next
		_, err := next()
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // the loop waits for a channel
		for url := range ch {
			p.Post(url)
		}
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // it waits for all, in a way of its own
		p.Post("/")
		for p.Stats().Done < 1 {
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // it waits for something else
		p.Post("/")
		var wg sync.WaitGroup
		wg.Go(func() { keep(service{}) })
		wg.Wait()
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // the block lasts as long as the server
		http.HandleFunc("/hook", func(http.ResponseWriter, *http.Request) { p.Post("/") })
		p.Post("/started")
		return http.ListenAndServe(":8080", nil)
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // a function waits
		p.Post("/start")
		return ready(ch)
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Post("/start")
		time.Sleep(time.Second)
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // the function may run at any time
		later(func() { p.Post("/") })
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // it may read the arrivals
		p.Post("/")
		anything(p)
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error { // on purpose
		_ = p.Post("/")
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		if _, err := p.Post("/").Bytes(); err != nil {
			return err
		}
		_, err := pending.All(p.Post("/a"), p.Post("/b"))
		return err
	})
}

// The caller may read the arrivals.
func helper(p *parallel.Parallel) { p.Post("/") }

func wait(p *parallel.Parallel) error {
	for p.HasPending() {
		if _, err := p.Next(); err != nil {
			return err
		}
	}
	return nil
}

func ready(ch <-chan string) error {
	<-ch
	return ready(ch)
}

func later(func()) {}

var anything func(*parallel.Parallel)

func keep(service) {}

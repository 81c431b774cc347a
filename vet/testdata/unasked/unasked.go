package unasked

import (
	"context"
	"net/http"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func wrong(ctx context.Context, c client.Client, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Get("/")                                                                             // want `the result of Parallel.Get is never asked for: the request is canceled when the block ends`
		p.Do(&http.Request{})                                                                  // want `the result of Parallel.Do`
		p.Go(func(p *parallel.Parallel) (*http.Response, error) { return nil, nil })           // want `the result of Parallel.Go is never asked for: the function is canceled`
		pending.Race(p.Get("/a"), p.Get("/b"))                                                 // want `the result of Race is never asked for: the race is canceled`
		pending.Race(p.Get("/a"), pending.Race(p.Get("/b"), p.Get("/c", parallel.Timeout(1)))) // want `the result of Race`
		parallel.Go(p, func(p *parallel.Parallel) (int, error) { return 7, nil })              // want `the result of Go is never asked for: the function is canceled`
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Post("/") // want `the result of Parallel.Post`
		defer h.Cancel()
		var r *pending.Pending
		r = p.Get("/") // want `the result of Parallel.Get`
		if r.Request() == nil {
			return http.ErrNoLocation
		}
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var hs []*pending.Pending
		byURL := make(map[string]*pending.Pending)
		two := [2]*pending.Pending{p.Get("/"), p.Post("/")} // want `Parallel.Get` `Parallel.Post`
		for i, url := range urls {
			hs = append(hs, p.Get(url)) // want `the result of Parallel.Get`
			hs[i] = make1(p, url)       // want `the result of make1`
			byURL[url] = p.Get(url)     // want `the result of Parallel.Get`
		}
		if len(hs) != len(byURL)+len(two) {
			return http.ErrNoLocation
		}
		for _, h := range hs {
			h.Cancel()
		}
		return nil
	})
}

func make1(p *parallel.Parallel, url string) *pending.Pending { return p.Get(url) }

type holder struct{ h *pending.Pending }

var global *pending.Pending

func right(ctx context.Context, c client.Client, urls []string) {
	var kept *pending.Pending
	ch := make(chan *pending.Pending, 10)
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		kept = p.Get("/")
		global = p.Get("/")
		x := holder{p.Get("/")}
		x.h = p.Get("/")
		ch <- p.Get("/")
		use(p.Get("/"))
		f := p.Get("/").Bytes
		names := map[*pending.Pending]string{p.Get("/"): "a"}
		h := p.Get("/")
		asked := func() error { _, err := h.Bytes(); return err }
		address(&h)
		q := p.Get("/")
		if q == kept {
			return asked()
		}
		_ = p.Get("/")
		r := p.Get("/")
		_ = r
		done := p.Get("/").Done()
		_, err := f()
		use(x, names, done)
		return err
	})
	use(kept)
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var hs, all []*pending.Pending
		for _, url := range urls {
			hs = append(hs, p.Get(url))
		}
		all = append(all, hs...)
		for i := range all {
			if _, err := all[i].Response(); err != nil {
				return err
			}
		}
		m := map[string][]*pending.Pending{}
		m["a"] = append(m["a"], p.Get("/"))
		for _, hs := range m {
			for _, h := range hs {
				if _, err := h.Response(); err != nil {
					return err
				}
			}
		}
		<-p.Get("/").Done()
		seven := parallel.Go(p, func(p *parallel.Parallel) (int, error) { return 7, nil })
		if n, err := pending.As[int](seven); n != 7 {
			return err
		}
		return nil
	})
	get(ctx, c)
}

func get(ctx context.Context, c client.Client) (h *pending.Pending, err error) {
	err = c.Parallel(ctx, func(p *parallel.Parallel) error {
		h = p.Get("/")
		return nil
	})
	return h, err
}

func address(**pending.Pending) {}

func use(...any) {}

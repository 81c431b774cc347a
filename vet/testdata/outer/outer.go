package outer

import (
	"context"
	"net/http"
	"slices"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func wrong(ctx context.Context, c client.Client, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			if _, err := p.Get("/token").Bytes(); err != nil { // want `p.Get belongs to the outer block, and goes on when this function ends or is canceled; use the function's own \*parallel.Parallel`
				return nil, err
			}
			a := p.Get("/a")                          // want `p.Get belongs to the outer block`
			b := pending.Race(a, q.Get("/b"))         //
			if err := work(p.Context()); err != nil { // want `p.Context belongs to the outer block`
				return nil, err
			}
			for _, h := range parallel.Each(p, slices.Values(urls), func(url string) *pending.Pending { // want `parallel.Each belongs to the outer block`
				return p.Get(url) // want `p.Get belongs to the outer block`
			}) {
				if _, err := h.Bytes(); err != nil {
					return nil, err
				}
			}
			if _, err := request(p, "/c").Bytes(); err != nil { // want `request belongs to the outer block`
				return nil, err
			}
			return b.Response()
		})
		_, err := h.Response()
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		_, err := p.Go(func(_ *parallel.Parallel) (*http.Response, error) {
			resps, err := pending.All(p.Get("/a"), p.Get("/b")) // want `p.Get belongs to` `p.Get belongs to`
			if err != nil {
				return nil, err
			}
			return resps[0], p.Context().Err() // want `p.Context belongs to`
		}).Response()
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		_, err := p.Go(func(*parallel.Parallel) (*http.Response, error) {
			return p.Get("/a").Response() // want `p.Get belongs to`
		}).Response()
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		row := parallel.Go(p, func(_ *parallel.Parallel) (string, error) {
			return query(p.Context()) // want `p.Context belongs to the outer block`
		})
		all := parallel.Go(p, func(q *parallel.Parallel) (n int, err error) {
			for _, h := range parallel.Each(p, slices.Values(urls), p.Get) { // want `parallel.Each belongs to the outer block`
				if _, err := h.Bytes(); err != nil {
					return 0, err
				}
			}
			return len(urls), nil
		})
		_, err := pending.All(row, all)
		return err
	})
	// The inner block is not used at all.
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		return client.Parallel(p.Context(), func(q *parallel.Parallel) error {
			return p.Get("/").JSON(nil) // want `p.Get belongs to the outer block, and goes on when this block ends`
		})
	})
}

// Reported, without a certain correction.
func unfixed(ctx context.Context, c client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			if _, err := q.Get("/a").Response(); err != nil {
				return nil, err
			}
			{
				q := "/b"
				return p.Get(q).Response() // want `p.Get belongs to`
			}
		})
		p.Go(func(_ *parallel.Parallel) (*http.Response, error) {
			p.Get("/c")                   // for the outer block
			return p.Get("/d").Response() // want `p.Get belongs to`
		})
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		_, err := h.Response()
		return err
	})
}

func right(ctx context.Context, c, d client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
			with := func(r *parallel.Parallel) (*http.Response, error) { return r.Get("/a").Response() }
			return with(p)
		})
		p.Go(func(q *parallel.Parallel) (*http.Response, error) { // what it finds is left to the outer block
			resp, err := q.Get("/page").Response()
			if err != nil {
				return nil, err
			}
			p.Get(resp.Header.Get("Link"))
			return resp, nil
		})
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		_, err := h.Response()
		return err
	})
	var found []*pending.Pending
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		_, err := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			found = append(found, p.Get("/a")) // asked outside
			return q.Get("/b").Response()
		}).Response()
		if err != nil {
			return err
		}
		_, err = pending.All(found...)
		return err
	})
	// Two clients beside each other.
	c.Parallel(ctx, func(users *parallel.Parallel) error {
		return d.Parallel(users.Context(), func(orders *parallel.Parallel) error {
			_, err := pending.All(users.Get("/7"), orders.Get("/7"))
			return err
		})
	})
}

func request(p *parallel.Parallel, path string) *pending.Pending { return p.Get(path) }

func helper(p *parallel.Parallel) *pending.Pending {
	return p.Go(func(q *parallel.Parallel) (*http.Response, error) {
		return p.Get("/").Response() // want `p.Get belongs to`
	})
}

func query(context.Context) (string, error) { return "", nil }

func work(context.Context) error { return nil }

package drain

import (
	"context"
	"net/http"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

func wrong(ctx context.Context, c client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			for p.HasPending() { // want `this loop waits for the function that it is in, which is among the arrivals of p, and never ends; read the arrivals of p outside of Go, or make the requests on the function's own block`
				if _, err := p.Next(); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		p.Get("/")
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			q.Go(func(r *parallel.Parallel) (*http.Response, error) { // want `the result of Parallel.Go is never asked for`
				for h := range p.Arrivals() { // want `this loop waits for the function`
					if _, err := h.Bytes(); err != nil {
						continue
					}
				}
				return nil, nil
			})
			return nil, nil
		})
		defer h.Cancel()
		return nil
	})
}

func typed(ctx context.Context, c client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		parallel.Go(p, func(q *parallel.Parallel) (n int, err error) {
			for range p.Arrivals() { // want `this loop waits for the function`
				n++
			}
			return n, nil
		})
		return nil
	})
}

func right(ctx context.Context, c client.Client) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			for h := range p.Arrivals() { // h is claimed below, and is not among them
				if _, err := h.Bytes(); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		p.Get("/")
		_, err := h.Response()
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Go(func(p *parallel.Parallel) (*http.Response, error) {
			p.Get("/")
			for h := range p.Arrivals() { // its own
				if _, err := h.Bytes(); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		p.Go(func(*parallel.Parallel) (*http.Response, error) {
			n := 0
			for h := range p.Arrivals() {
				if _, err := h.Bytes(); err != nil {
					return nil, err
				}
				if n++; n == 3 {
					break
				}
			}
			return nil, nil
		})
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
}

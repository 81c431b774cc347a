package main

import (
	"context"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// withAbreast posts n orders, and calls each with every result: as they come, or in
// order.
func withAbreast(ctx context.Context, base string, n int, inOrder bool, each func(n int, r reply, err error)) error {
	api := client.Client{BaseURL: base, Limit: 50, Retry: parallel.Retries(4), Ahead: 5_000}
	return api.Parallel(ctx, func(p *parallel.Parallel) error {
		loop := parallel.Each[int, func(int) *pending.Pending]
		if inOrder {
			loop = parallel.Ordered[int]
		}
		post := func(n int) *pending.Pending { return p.Post("/orders", parallel.JSON(order{n})) }
		for n, h := range loop(p, numbers(n), post) {
			var r reply
			err := h.JSON(&r)
			each(n, r, err)
		}
		return nil
	})
}

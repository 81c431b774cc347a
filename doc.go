// Package abreast is the documentation of a library that sends HTTP requests side
// by side inside a block. A block is a function: every request that is made in it
// has ended when the function's caller goes on. Leaving it cancels what is still
// pending, and waits only for that to have stopped; it does not wait for
// completion. Fifty Posts and "return nil" send nothing. This loop waits for
// everything:
//
//	err := client.Parallel(ctx, func(p *parallel.Parallel) error {
//		for _, order := range orders {
//			p.Post(url, parallel.JSON(order))
//		}
//		for p.HasPending() {
//			resp, err := p.Next()
//			...
//		}
//		return nil
//	})
package abreast

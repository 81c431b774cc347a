package main

import (
	"context"
	"net/http"

	"github.com/sourcegraph/conc/pool"
)

// concPool keeps every body until the last one has arrived, and then returns
// them all.
var concPool = contender{
	name: "conc ResultContextPool",
	peer: true,
	open: func(w work) block {
		hc := http.DefaultClient
		if !w.untuned {
			hc = tunedClient(w)
			hc.Timeout = timeout
		}
		return func(ctx context.Context, take func([]byte)) error {
			p := pool.NewWithResults[[]byte]().WithMaxGoroutines(w.inFlight).WithContext(ctx).WithCancelOnError()
			for url := range w.each() {
				p.Go(func(ctx context.Context) ([]byte, error) { return getAll(ctx, hc, url) })
			}
			bodies, err := p.Wait()
			for _, body := range bodies {
				take(body)
			}
			return err
		}
	},
}

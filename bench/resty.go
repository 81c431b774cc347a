package main

import (
	"context"
	"fmt"

	"github.com/go-resty/resty/v2"
	"golang.org/x/sync/errgroup"
)

// restyClient sends from an errgroup: resty has no way of its own to send side by side.
var restyClient = contender{
	name: "resty",
	peer: true,
	open: func(w work) block {
		c := resty.New()
		if !w.untuned {
			c.SetTransport(tunedClient(w).Transport).SetTimeout(timeout)
		}
		return func(ctx context.Context, take func([]byte)) error {
			g, ctx := errgroup.WithContext(ctx)
			g.SetLimit(w.inFlight)
			for url := range w.each() {
				g.Go(func() error {
					resp, err := c.R().SetContext(ctx).Get(url)
					if err != nil {
						return err
					}
					if resp.IsError() {
						return fmt.Errorf("GET %s: %s", url, resp.Status())
					}
					take(resp.Body())
					return nil
				})
			}
			return g.Wait()
		}
	},
}

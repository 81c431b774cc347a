package main

import (
	"context"
	"fmt"

	"github.com/go-resty/resty/v2"
)

// restyClient sends from an errgroup, because resty has no way of its own to
// send concurrently.
var restyClient = contender{
	name: "resty",
	peer: true,
	open: func(w work) block {
		c := resty.New()
		if !w.untuned {
			c.SetTransport(tunedClient(w).Transport).SetTimeout(timeout)
		}
		return w.inGroup(func(ctx context.Context, url string) ([]byte, error) {
			resp, err := c.R().SetContext(ctx).Get(url)
			if err != nil {
				return nil, err
			}
			if resp.IsError() {
				return nil, fmt.Errorf("GET %s: %s", url, resp.Status())
			}
			return resp.Body(), nil
		})
	},
}

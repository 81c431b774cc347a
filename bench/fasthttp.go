package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
)

// fasthttpClient is another design: no net/http, HTTP/1.1 alone, no context, requests
// and responses from a pool. The body is copied, because the pool wants its buffer back.
var fasthttpClient = contender{
	name: "fasthttp",
	cannot: func(s scenario) string {
		if s.tls {
			return "it has no HTTP/2"
		}
		return ""
	},
	open: func(w work) block {
		c := new(fasthttp.Client)
		if !w.untuned {
			c.MaxConnsPerHost = w.inFlight
		}
		return func(ctx context.Context, take func([]byte)) error {
			g, ctx := errgroup.WithContext(ctx)
			var sent atomic.Int64
			for range w.inFlight {
				g.Go(func() error {
					for ctx.Err() == nil && sent.Add(1) <= int64(w.perBlock) {
						body, err := getPooled(c, w.url)
						if err != nil {
							return err
						}
						take(body)
					}
					return nil
				})
			}
			return g.Wait()
		}
	},
}

func getPooled(c *fasthttp.Client, url string) ([]byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(url)
	if err := c.DoTimeout(req, resp, timeout); err != nil {
		return nil, err
	}
	if code := resp.StatusCode(); code/100 != 2 {
		return nil, fmt.Errorf("GET %s: status %d", url, code)
	}
	return bytes.Clone(resp.Body()), nil
}

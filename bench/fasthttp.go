package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/valyala/fasthttp"
)

// fasthttpClient is another design: it does without net/http, HTTP/2 and
// contexts, and pools requests and responses. The body is copied, because the
// buffer goes back to the pool.
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
		return w.inWorkers(func(ctx context.Context) ([]byte, error) {
			if err := ctx.Err(); err != nil { // fasthttp does not know contexts
				return nil, err
			}
			return getPooled(c, w.url)
		})
	},
}

// getPooled returns the body of url.
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

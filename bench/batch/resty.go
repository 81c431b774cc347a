package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-resty/resty/v2"
	"golang.org/x/sync/errgroup"
)

// withResty posts n orders from an errgroup, and calls each with every result: as they
// come, or in order. An error of a status ends a request's retries after the fourth.
func withResty(ctx context.Context, base string, n int, inOrder bool, each func(n int, r reply, err error)) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 50
	defer transport.CloseIdleConnections()
	api := resty.New().SetBaseURL(base).SetTransport(transport).SetTimeout(30 * time.Second).
		SetRetryCount(4).SetRetryMaxWaitTime(time.Minute).
		AddRetryCondition(func(r *resty.Response, err error) bool {
			return err != nil || r.StatusCode() == http.StatusTooManyRequests || r.StatusCode() == http.StatusServiceUnavailable
		}).
		SetRetryAfter(func(_ *resty.Client, r *resty.Response) (time.Duration, error) {
			seconds, err := strconv.Atoi(r.Header().Get("Retry-After"))
			return time.Duration(seconds) * time.Second, err
		})

	type result struct {
		n   int
		r   reply
		err error
	}
	results := make(chan result)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(50)
	go func() {
		defer close(results)
		for n := range numbers(n) {
			group.Go(func() error {
				var r reply
				resp, err := api.R().SetContext(ctx).SetBody(order{n}).SetResult(&r).Post("/orders")
				if err == nil && resp.IsError() {
					err = fmt.Errorf("POST /orders: %s", resp.Status())
				}
				results <- result{n, r, err}
				return nil
			})
		}
		group.Wait()
	}()
	early := make(map[int]result)
	next := 0
	for r := range results {
		if !inOrder {
			each(r.n, r.r, r.err)
			continue
		}
		for early[r.n] = r; ; next++ {
			r, ok := early[next]
			if !ok {
				break
			}
			delete(early, next)
			each(r.n, r.r, r.err)
		}
	}
	return nil
}

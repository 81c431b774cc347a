package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// handtuned is the baseline: net/http as an expert uses it. Each block has a
// few workers and no channel. The client keeps an idle connection for each
// worker. Each request has a timeout, and a buffer of exactly the declared
// length, unless that is too long.
var handtuned = contender{
	name: "handtuned",
	open: func(w work) block { return w.byHand(timeout) },
}

// bare is handtuned without a timeout: a server that does not answer blocks a
// worker forever. The difference between the two is the cost of a deadline in
// net/http.
var bare = contender{
	name: "handtuned, no timeout",
	open: func(w work) block { return w.byHand(0) },
}

// byHand returns a block that sends its requests with net/http.
func (w work) byHand(timeout time.Duration) block {
	hc := tunedClient(w)
	return w.inWorkers(func(ctx context.Context) ([]byte, error) { return w.getSized(ctx, hc, timeout) })
}

// inWorkers returns a block whose workers call get until all requests are sent.
func (w work) inWorkers(get func(context.Context) ([]byte, error)) block {
	return func(ctx context.Context, take func([]byte)) error {
		g, ctx := errgroup.WithContext(ctx)
		var sent atomic.Int64
		one := func() error {
			body, err := get(ctx)
			if err == nil {
				take(body)
			}
			return err
		}
		if w.tls { // then the others can share its connection
			sent.Add(1)
			if err := one(); err != nil {
				return err
			}
		}
		for range w.inFlight {
			g.Go(func() error {
				for sent.Add(1) <= int64(w.perBlock) {
					if err := one(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return g.Wait()
	}
}

// tunedClient returns a copy of http.DefaultClient that keeps more idle
// connections.
func tunedClient(w work) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = w.inFlight, w.inFlight
	return &http.Client{Transport: t}
}

// getSized reads a body of declared length into a new buffer.
func (w work) getSized(ctx context.Context, hc *http.Client, timeout time.Duration) ([]byte, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	req, err := w.request(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s", req.Method, w.url, resp.Status)
	}
	if resp.ContentLength < 0 || resp.ContentLength > maxBody {
		return nil, fmt.Errorf("%s %s: invalid length %d", req.Method, w.url, resp.ContentLength)
	}
	body := make([]byte, resp.ContentLength)
	if _, err := io.ReadFull(resp.Body, body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, w.url, err)
	}
	return body, nil
}

// request returns a new request of the scenario.
func (w work) request(ctx context.Context) (*http.Request, error) {
	if !w.post {
		return http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	}
	body, err := json.Marshal(anOrder)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

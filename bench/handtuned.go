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

// handtuned is the baseline: net/http as somebody uses it who knows it well. A few
// workers for each block, no channel, an idle connection kept for each worker, a
// timeout for each request, and a buffer of exactly the declared length, if that is
// not too long.
var handtuned = contender{
	name: "handtuned",
	open: func(w work) block { return w.byHand(timeout) },
}

// bare is handtuned without a timeout: a server that doesn't answer holds a worker for
// ever. What is between the two is what net/http asks for a deadline.
var bare = contender{
	name: "handtuned, no timeout",
	open: func(w work) block { return w.byHand(0) },
}

func (w work) byHand(timeout time.Duration) block {
	hc := tunedClient(w)
	return func(ctx context.Context, take func([]byte)) error {
		g, ctx := errgroup.WithContext(ctx)
		var sent atomic.Int64
		one := func() error {
			body, err := w.getSized(ctx, hc, timeout)
			if err == nil {
				take(body)
			}
			return err
		}
		if w.tls { // so that the others find a connection that takes them all
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

// tunedClient is http.DefaultClient, but for the idle connections that it keeps.
func tunedClient(w work) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = w.inFlight, w.inFlight
	return &http.Client{Transport: t}
}

// getSized reads a body of declared length into a buffer of its own.
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
		return nil, fmt.Errorf("%s %s: a length of %d", req.Method, w.url, resp.ContentLength)
	}
	body := make([]byte, resp.ContentLength)
	if _, err := io.ReadFull(resp.Body, body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, w.url, err)
	}
	return body, nil
}

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

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// errgroupDefault is the code that people usually write.
var errgroupDefault = contender{
	name: "errgroup, DefaultClient",
	peer: true,
	open: func(w work) block { return w.inGroup(getter(http.DefaultClient)) },
}

// errgroupTuned is the code of people who know about the default's two idle
// connections and its missing timeout.
var errgroupTuned = contender{
	name:   "errgroup, tuned",
	peer:   true,
	cannot: tunedOnly,
	open: func(w work) block {
		hc := tunedClient(w)
		hc.Timeout = timeout
		return w.inGroup(getter(hc))
	},
}

// tunedOnly excludes scenarios in which each contender has its defaults.
func tunedOnly(s scenario) string {
	if s.untuned {
		return "nothing is tuned in this scenario"
	}
	return ""
}

// inGroup returns a block that calls get on a goroutine for each request.
func (w work) inGroup(get func(ctx context.Context, url string) ([]byte, error)) block {
	return func(ctx context.Context, take func([]byte)) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(w.inFlight)
		for url := range w.each() {
			g.Go(func() error {
				body, err := get(ctx, url)
				if err != nil {
					return err
				}
				take(body)
				return nil
			})
		}
		return g.Wait()
	}
}

// getter returns a function that gets a body with hc.
func getter(hc *http.Client) func(ctx context.Context, url string) ([]byte, error) {
	return func(ctx context.Context, url string) ([]byte, error) { return getAll(ctx, hc, url) }
}

// getAll returns the body of url.
func getAll(ctx context.Context, hc *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

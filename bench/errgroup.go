package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// errgroupDefault is what people write.
var errgroupDefault = contender{
	name: "errgroup, DefaultClient",
	peer: true,
	open: func(w work) block { return inGroup(w, http.DefaultClient) },
}

// errgroupTuned is what those write who have met the default's two idle connections,
// and the missing timeout.
var errgroupTuned = contender{
	name:   "errgroup, tuned",
	peer:   true,
	cannot: tunedOnly,
	open: func(w work) block {
		hc := tunedClient(w)
		hc.Timeout = timeout
		return inGroup(w, hc)
	},
}

func tunedOnly(s scenario) string {
	if s.untuned {
		return "nothing is tuned here"
	}
	return ""
}

func inGroup(w work, hc *http.Client) block {
	return func(ctx context.Context, take func([]byte)) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(w.inFlight)
		for url := range w.each() {
			g.Go(func() error {
				body, err := getAll(ctx, hc, url)
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

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

const (
	abreast  = "abreast"
	errGroup = "errgroup, DefaultClient"
)

var clients = []string{abreast, errGroup}

// inFlight is the number of requests in flight. It is the default of abreast.
const inFlight = 100

// work is what one client does.
type work struct {
	Client, Scheme    string
	Port, Hosts, Each int
}

// A result is what came of it.
type result struct {
	Failed  int64
	Err     string // the first error
	WallNS  int64
	PeakRSS int64 // bytes

	connections, most int64 // that the server accepted, and had open at once
}

// urls yields the requests to one host after the other.
func (w work) urls() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range w.Hosts {
			for n := range w.Each {
				if !yield(fmt.Sprintf("%s://127.1.%d.%d:%d/%d", w.Scheme, i/250, i%250+1, w.Port, n)) {
					return
				}
			}
		}
	}
}

// do sends all requests and reads their bodies.
func (w work) do(ctx context.Context) (r result, err error) {
	var mu sync.Mutex
	note := func(body []byte, err error) {
		if err == nil && string(body) != greeting {
			err = errors.New("the body is not what the server sent")
		}
		if err == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if r.Failed++; r.Err == "" {
			r.Err = err.Error()
		}
	}
	// Later there may be no room for another open file.
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return r, err
	}
	defer status.Close()
	start := time.Now()
	switch w.Client {
	case abreast:
		err = client.Parallel(ctx, func(p *parallel.Parallel) error {
			for _, h := range parallel.Each(p, w.urls(), p.Get) {
				note(h.Bytes())
			}
			return nil
		})
	case errGroup:
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(inFlight)
		for url := range w.urls() {
			g.Go(func() error {
				note(get(ctx, url))
				return nil
			})
		}
		err = g.Wait()
	default:
		err = fmt.Errorf("no client %q", w.Client)
	}
	if err != nil {
		return r, err
	}
	r.WallNS = int64(time.Since(start))
	r.PeakRSS, err = peakRSS(status)
	return r, err
}

// get returns the body of url.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// peakRSS returns the peak memory of this process, from its /proc/self/status.
func peakRSS(status io.Reader) (rss int64, err error) {
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &rss); n == 1 {
			return rss << 10, nil
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

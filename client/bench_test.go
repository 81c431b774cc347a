package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The benchmarks measure the library itself, on a transport that answers at
// once, and beside it the same work written by hand with a WaitGroup and
// channels. For the cost of real requests, see bench/.
//
//	go test ./client -run xxx -bench . -benchmem

// A canned answers every request with 1 KiB.
type canned struct{}

var kibibyte = make([]byte, 1<<10)

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, ContentLength: 1 << 10,
		Body: io.NopCloser(bytes.NewReader(kibibyte)), Request: r}, nil
}

var cannedClient = client.Client{HTTP: &http.Client{Transport: canned{}}}

// byHand returns the body of a response of cannedClient's transport. It has a
// timeout, as the library has.
func byHand(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cannedTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://h/", nil)
	if err != nil {
		return nil, err
	}
	return doByHand(req)
}

// doByHand sends req and reads the response.
func doByHand(req *http.Request) ([]byte, error) {
	resp, err := cannedClient.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := make([]byte, resp.ContentLength)
	_, err = io.ReadFull(resp.Body, body)
	return body, err
}

const cannedTimeout = 30 * time.Second // the default

// postByHand posts value as JSON, and is otherwise like byHand.
func postByHand(ctx context.Context, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cannedTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h/", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return doByHand(req)
}

// BenchmarkPost sends POSTs of 100 bytes of JSON, one after the other.
func BenchmarkPost(b *testing.B) {
	value := struct{ Name, Text string }{"somebody", strings.Repeat("a", 70)}
	b.Run("abreast", func(b *testing.B) {
		b.ReportAllocs()
		if err := cannedClient.Parallel(b.Context(), func(p *parallel.Parallel) error {
			for b.Loop() {
				if _, err := p.Post("http://h/", parallel.JSON(value)).Bytes(); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		var wg sync.WaitGroup
		for b.Loop() {
			var err error
			wg.Go(func() { _, err = postByHand(b.Context(), value) })
			wg.Wait()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBlock measures n requests in one block. They should cost n times one
// request.
func BenchmarkBlock(b *testing.B) {
	for _, n := range []int{1, 3, 100} {
		b.Run(fmt.Sprintf("requests=%d/abreast", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := cannedClient.Parallel(b.Context(), func(p *parallel.Parallel) error {
					hs := make([]*pending.Pending, n)
					for i := range hs {
						hs[i] = p.Get("http://h/")
					}
					for _, h := range hs {
						if _, err := h.Bytes(); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("requests=%d/by-hand", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				var wg sync.WaitGroup
				errs := make([]error, n)
				bodies := make([][]byte, n)
				for i := range n {
					wg.Go(func() { bodies[i], errs[i] = byHand(ctx) })
				}
				wg.Wait()
				cancel()
				for _, err := range errs {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkEmptyBlock(b *testing.B) {
	b.Run("abreast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			cannedClient.Parallel(b.Context(), func(p *parallel.Parallel) error { return nil })
		}
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var wg sync.WaitGroup
			_, cancel := context.WithCancel(b.Context())
			cancel()
			wg.Wait()
		}
	})
}

// A stuck answers no request until the request's context ends.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// BenchmarkCancelQueued measures the end of a block with one request in flight
// and 10,000 queued. By hand, each is a goroutine that waits for a semaphore.
// The time includes making the requests.
func BenchmarkCancelQueued(b *testing.B) {
	const queued = 10_000
	b.Run("abreast", func(b *testing.B) {
		b.ReportAllocs()
		c := client.Client{HTTP: &http.Client{Transport: stuck{}}, Limit: 1}
		for b.Loop() {
			c.Parallel(b.Context(), func(p *parallel.Parallel) error {
				for range queued + 1 {
					p.Get("http://h/")
				}
				return nil
			})
		}
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		hc := &http.Client{Transport: stuck{}}
		for b.Loop() {
			ctx, cancel := context.WithCancel(b.Context())
			slots := make(chan struct{}, 1)
			var wg sync.WaitGroup
			for range queued + 1 {
				wg.Go(func() {
					req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://h/", nil)
					if err != nil {
						return
					}
					select {
					case slots <- struct{}{}:
						hc.Do(req)
						<-slots
					case <-ctx.Done():
					}
				})
			}
			cancel()
			wg.Wait()
		}
	})
}

// BenchmarkEach measures one request of a long series with 100 in flight. By
// hand, fixed workers and two channels do that.
func BenchmarkEach(b *testing.B) {
	b.Run("abreast", func(b *testing.B) {
		b.ReportAllocs()
		err := cannedClient.Parallel(b.Context(), func(p *parallel.Parallel) error {
			items := func(yield func(int) bool) {
				for b.Loop() {
					if !yield(0) {
						return
					}
				}
			}
			for _, h := range parallel.Each(p, items, func(int) *pending.Pending { return p.Get("http://h/") }) {
				if _, err := h.Bytes(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		type result struct {
			body []byte
			err  error
		}
		work, results := make(chan int), make(chan result)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range work {
					body, err := byHand(b.Context())
					results <- result{body, err}
				}
			})
		}
		go func() {
			defer func() {
				close(work)
				wg.Wait()
				close(results)
			}()
			for b.Loop() {
				work <- 0
			}
		}()
		for r := range results {
			if r.err != nil {
				b.Error(r.err)
			}
		}
	})
}

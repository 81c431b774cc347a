package channel

import (
	"context"
	"iter"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type queue struct{ urls chan string }

func (q queue) all(yield func(string) bool) {
	for url := range q.urls {
		if !yield(url) {
			return
		}
	}
}

func values[T any](ch <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range ch {
			if !yield(v) {
				return
			}
		}
	}
}

func wrong(ctx context.Context, c client.Client, urls <-chan string, q queue) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		use(parallel.Each(p, func(yield func(string) bool) { // want `this sequence waits for a channel, and the end of the block's context does not wake it: the block may never end; select on p.Context\(\).Done\(\) beside the channel`
			for url := range urls {
				if !yield(url) {
					return
				}
			}
		}, get))
		seq := func(yield func(string) bool) {
			for {
				url, ok := <-urls
				if !ok || !yield(url) {
					return
				}
			}
		}
		use(parallel.Ordered(p, seq, get))                  // want `this sequence waits for a channel`
		use(parallel.Each(p, iter.Seq[string](seq), get))   // want `this sequence waits for a channel`
		use(parallel.Each(p, values(urls), get))            // want `this sequence waits for a channel`
		use(parallel.Each(p, values[string](typed()), get)) // want `this sequence waits for a channel`
		use(parallel.Each(p, q.all, get))                   // want `this sequence waits for a channel`
		return nil
	})
}

func right(ctx context.Context, c client.Client, urls <-chan string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		use(parallel.Each(p, func(yield func(string) bool) {
			for {
				select {
				case url, ok := <-urls:
					if !ok || !yield(url) {
						return
					}
				case <-p.Context().Done():
					return
				}
			}
		}, get))
		use(parallel.Each(p, until(p.Context(), urls), get))
		// A tick comes by itself.
		use(parallel.Each(p, func(yield func(string) bool) {
			for range time.Tick(time.Minute) {
				if !yield("/") {
					return
				}
			}
		}, get))
		// The program feeds the channel itself.
		own := make(chan string, 3)
		own <- "/a"
		close(own)
		use(parallel.Each(p, values(own), get))
		use(parallel.Each(p, values(typedUntil(ctx)), get))
		fed := typedUntil(p.Context())
		use(parallel.Each(p, func(yield func(string) bool) {
			for url := range fed {
				if !yield(url) {
					return
				}
			}
		}, get))
		return nil
	})
}

// The program closes the channels itself.
type feed struct{ urls chan string }

func (f feed) all(yield func(string) bool) {
	for url := range f.urls {
		if !yield(url) {
			return
		}
	}
}

func fed(ctx context.Context, c client.Client, f feed) {
	urls := make(chan string)
	go func() {
		defer close(urls)
		defer close(f.urls)
		for ctx.Err() == nil {
			urls <- "/"
		}
	}()
	worker(ctx, c, f, urls)
}

func worker(ctx context.Context, c client.Client, f feed, urls <-chan string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		use(parallel.Each(p, f.all, get))
		use(parallel.Each(p, values(urls), get))
		return nil
	})
}

// Recursion ends, also that of a check.
func again(n int, urls <-chan string) iter.Seq[string] {
	if n > 0 {
		return again(n-1, urls)
	}
	return values(urls)
}

func workers(ctx context.Context, c client.Client, n int, urls <-chan string) {
	if n > 0 {
		workers(ctx, c, n-1, urls)
	}
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		use(parallel.Each(p, again(3, urls), get))
		use(parallel.Each(p, values(urls), get)) // want `this sequence waits`
		return nil
	})
}

func until(ctx context.Context, urls <-chan string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for url := range urls {
			if ctx.Err() != nil || !yield(url) {
				return
			}
		}
	}
}

func typed() <-chan string                     { return nil }
func typedUntil(context.Context) <-chan string { return nil }

func use(iter.Seq2[string, *pending.Pending]) {}

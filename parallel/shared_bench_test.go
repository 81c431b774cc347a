package parallel_test

import (
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// BenchmarkLimits measures what it costs that blocks share Limits, which have
// one lock. An operation is one request, answered at once and without a
// network, so that the lock shows as much as it can. Compare "shared" with
// "own": without Limits each block has a queue and a lock of its own.
func BenchmarkLimits(b *testing.B) {
	for _, blocks := range []int{1, 10, 100} {
		for _, shared := range []bool{false, true} {
			name := fmt.Sprintf("blocks=%d/own", blocks)
			if shared {
				name = fmt.Sprintf("blocks=%d/shared", blocks)
			}
			b.Run(name, func(b *testing.B) {
				cfg := parallel.Config{Limit: 8, Send: func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
				}}
				if shared {
					cfg.Shared = parallel.NewLimits(8*blocks, 0) // as many in flight as without
				}
				b.ReportAllocs()
				var all sync.WaitGroup
				for i := range blocks {
					n := b.N / blocks
					if i < b.N%blocks {
						n++
					}
					all.Go(func() {
						parallel.Run(b.Context(), cfg, func(p *parallel.Parallel) error {
							get := func(int) *pending.Pending { return p.Get("http://h/") }
							for _, h := range parallel.Each(p, count(n), get) {
								if _, err := h.Bytes(); err != nil {
									b.Error(err)
								}
							}
							return nil
						})
					})
				}
				all.Wait()
			})
		}
	}
}

// count yields 0 to n-1.
func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

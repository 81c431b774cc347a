package pending_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// The cost of a handle beside n others. Each benchmark has the same result for
// ten and for ten thousand.
//
//	go test ./pending -run xxx -bench . -benchmem

// among runs f among n handles that are not done.
func among(b *testing.B, f func(b *testing.B, others *block)) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) {
			var a block
			for range n {
				a.Make(nil, nil)
			}
			b.ReportAllocs()
			f(b, &a)
		})
	}
}

var ok = ask.Answer{Response: &http.Response{StatusCode: http.StatusOK}}

func BenchmarkComplete(b *testing.B) {
	among(b, func(b *testing.B, a *block) {
		for b.Loop() {
			h := a.Make(nil, nil)
			a.Complete(h, ok)
			a.Next()
		}
	})
}

// Next among handles that are done and unclaimed. Each handle that it returns
// is replaced by another.
func BenchmarkNext(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("arrived=%d", n), func(b *testing.B) {
			var a block
			for range n {
				a.Complete(a.Make(nil, nil), ok)
			}
			b.ReportAllocs()
			for b.Loop() {
				if a.Next() == nil {
					b.Fatal("Next() = nil, want an arrival")
				}
				a.Complete(a.Make(nil, nil), ok)
			}
		})
	}
	b.Run("by-hand", func(b *testing.B) { // a buffered channel of results
		type result struct {
			resp *http.Response
			err  error
		}
		results := make(chan *result, 10_001)
		for range 10_000 {
			results <- new(result)
		}
		b.ReportAllocs()
		for b.Loop() {
			<-results
			results <- &result{resp: ok.Response, err: nil}
		}
	})
}

func BenchmarkHas(b *testing.B) {
	among(b, func(b *testing.B, a *block) {
		for b.Loop() {
			if !a.Has() {
				b.Fatal("Has() = false, want true")
			}
		}
	})
}

// A handle is made, completed, and claimed by Bytes. By hand, each result has a
// channel of its own.
func BenchmarkClaim(b *testing.B) {
	among(b, func(b *testing.B, a *block) {
		for b.Loop() {
			h := a.Make(nil, nil)
			a.Complete(h, ok)
			if _, err := h.Bytes(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			result := make(chan *http.Response, 1)
			result <- ok.Response
			<-result
		}
	})
}

// A handle is made and canceled.
func BenchmarkCancel(b *testing.B) {
	among(b, func(b *testing.B, a *block) {
		for b.Loop() {
			var h *pending.Pending
			h = a.Make(nil, func() { a.Complete(h, ask.Answer{Err: pending.ErrNotSent}) })
			h.Cancel()
			a.Next()
		}
	})
}

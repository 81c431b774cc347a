package main

import (
	"slices"
	"testing"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// BenchmarkMessage is what a message costs, with the engine in the same
// process: one by one, as a result is stored that nothing else happens beside,
// and a thousand of which the last is answered, as a list is fed.
func BenchmarkMessage(b *testing.B) {
	j := jobWithin(b, options{ackWait: time.Minute})
	var stored, fed uint64
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			stored++
			if err := j.store(b.Context(), stored, result{Result: lines.Result{URL: "http://127.0.0.1:12345/item/12345", Status: 200}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("a thousand in one go", func(b *testing.B) {
		urls := slices.Repeat([]string{"http://127.0.0.1:12345/item/12345"}, 1000)
		for b.Loop() {
			if err := j.put(b.Context(), fed+1, urls); err != nil {
				b.Fatal(err)
			}
			fed += uint64(len(urls))
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(urls)), "µs/message")
	})
}

package client_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These benchmarks put the library under load, on loopback. Each is one round
// of work:
//
//	go test ./client -run xxx -bench Load -benchtime 1x

// loadServer returns a server, and the number of connections that it has open.
func loadServer(b *testing.B, h http.HandlerFunc) (srv *httptest.Server, open *atomic.Int64) {
	open = new(atomic.Int64)
	srv = httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	srv.Start()
	b.Cleanup(srv.Close)
	return srv, open
}

// heap returns the size of the heap after a collection.
func heap() uint64 {
	for range 3 { // the second frees what a sync.Pool holds
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const mib = 1 << 20

// BenchmarkLoadMillion sends a million requests through Each, or ten thousand
// that each write a file. The heap should be as large at the end as after the
// first hundredth.
func BenchmarkLoadMillion(b *testing.B) {
	folder := b.TempDir()
	memory := parallel.Take(func(*http.Response) (io.Writer, error) { return nil, nil })
	drop := parallel.Take(func(*http.Response) (io.Writer, error) { return io.Discard, nil })
	for _, load := range []struct {
		name  string
		total int
		opts  func(i int) []parallel.Option
	}{
		{"plain", 1_000_000, func(int) []parallel.Option { return nil }},
		{"Take=memory", 1_000_000, func(int) []parallel.Option { return []parallel.Option{memory} }},
		{"Take=writer", 1_000_000, func(int) []parallel.Option { return []parallel.Option{drop} }},
		{"File", 10_000, func(i int) []parallel.Option {
			return []parallel.Option{parallel.File(filepath.Join(folder, strconv.Itoa(i)))}
		}},
	} {
		b.Run(load.name, func(b *testing.B) { loadThroughEach(b, load.total, load.opts) })
	}
}

// loadThroughEach sends total requests through Each, with the options that opts
// returns for each.
func loadThroughEach(b *testing.B, total int, opts func(i int) []parallel.Option) {
	srv, open := loadServer(b, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") })
	tr := client.NewTransport()
	defer tr.CloseIdleConnections()
	c := client.Client{HTTP: &http.Client{Transport: tr}}
	numbers := func(yield func(int) bool) {
		for i := range total {
			if !yield(i) {
				return
			}
		}
	}
	for b.Loop() {
		var done int
		var early, late uint64
		c.Parallel(b.Context(), func(p *parallel.Parallel) error {
			start := func(i int) *pending.Pending { return p.Get(srv.URL, opts(i)...) }
			for _, h := range parallel.Each(p, numbers, start) {
				if _, err := h.Bytes(); err != nil {
					b.Fatal(err)
				}
				switch done++; done {
				case total / 100:
					early = heap()
				case total:
					late = heap()
				}
			}
			return nil
		})
		if done != total {
			b.Fatalf("%d requests are done, want %d", done, total)
		}
		b.ReportMetric(float64(early)/mib, "MiB-heap-at-1%")
		b.ReportMetric(float64(late)/mib, "MiB-heap-at-the-end")
		b.ReportMetric(float64(late)/float64(early), "end/1%")
		b.ReportMetric(float64(open.Load()), "connections")
	}
}

// BenchmarkLoadTenThousandInFlight has ten thousand requests in flight at once:
// the server answers none before all have come. The connections are pipes in
// memory, because most systems do not let a process open both ends of so many
// sockets.
func BenchmarkLoadTenThousandInFlight(b *testing.B) {
	const total = 10_000
	var there atomic.Int64
	all, answer := make(chan struct{}), make(chan struct{})
	srv := testnet.New(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if there.Add(1) == total {
			close(all)
		}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	}))
	for b.Loop() {
		there.Store(0)
		all, answer = make(chan struct{}), make(chan struct{})
		c := client.Client{HTTP: srv.Client(), Limit: -1, Timeout: 2 * time.Minute}
		before := heap()
		err := c.Parallel(b.Context(), func(p *parallel.Parallel) error {
			hs := make([]*pending.Pending, total)
			for i := range hs {
				hs[i] = p.Get("http://any/")
			}
			<-all
			b.ReportMetric(float64(p.Stats().InFlight), "in-flight")
			b.ReportMetric(float64(srv.Dials()), "connections")
			b.ReportMetric(float64(heap()-before)/total/1024, "KiB-each,-both-sides")
			close(answer)
			_, err := pending.All(hs...)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadBlocks runs a thousand blocks at once, of ten requests each,
// again and again for a minute. Half of the blocks end early. Afterward, the
// numbers of goroutines and connections and the heap should be what they were
// before. It is also meant for the race detector. The connections are pipes in
// memory, as above.
func BenchmarkLoadBlocks(b *testing.B) {
	srv := testnet.New(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(len(r.URL.Path)) * time.Millisecond):
			fmt.Fprint(w, r.URL.Path)
		case <-r.Context().Done():
		}
	}))
	c := client.Client{HTTP: srv.Client(), BaseURL: "http://any"}
	var blocks, left, failed atomic.Int64
	goroutines := runtime.NumGoroutine()
	round := func(d time.Duration) {
		end := time.Now().Add(d)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				for n := i; time.Now().Before(end); n++ {
					blocks.Add(1)
					c.Parallel(b.Context(), func(p *parallel.Parallel) error {
						for k := range 10 {
							p.Get(fmt.Sprintf("/%0*d", 1+k, k))
						}
						for h := range p.Arrivals() {
							if _, err := h.Response(); err != nil {
								failed.Add(1)
							}
							if n%2 == 0 {
								left.Add(1)
								break
							}
						}
						return nil
					})
				}
			})
		}
		wg.Wait()
		srv.Transport.CloseIdleConnections()
		// A block does not wait for goroutines of the transport and the server
		// that are still ending.
		for n := 0; n < 1000 && (runtime.NumGoroutine() > goroutines || srv.Open() > 0); n++ {
			<-time.After(10 * time.Millisecond)
		}
	}
	// The runtime never frees its descriptors of goroutines, some 50,000 here.
	// This round allocates them before anything is measured.
	round(15 * time.Second)
	for b.Loop() {
		blocks.Store(0)
		left.Store(0)
		failed.Store(0)
		before := heap()
		round(time.Minute)
		b.ReportMetric(float64(blocks.Load()), "blocks")
		b.ReportMetric(float64(left.Load()), "left-early")
		b.ReportMetric(float64(failed.Load()), "failed")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines-more")
		b.ReportMetric(float64(srv.Open()), "connections-open")
		b.ReportMetric((float64(heap())-float64(before))/mib, "MiB-heap-more")
	}
}

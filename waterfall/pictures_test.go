package waterfall_test

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

var update = flag.Bool("update", false, "rewrite the pictures in testdata")

const ms = time.Millisecond

// pictures has the pictures for the documentation. Each is a block in fake
// time, so it looks the same on every machine.
var pictures = map[string]struct {
	client  client.Client
	answers map[string]answer
	block   func(p *parallel.Parallel) error
}{
	"hedge": {
		client:  client.Client{BaseURL: "https://api.test"},
		answers: map[string]answer{"/stuck": {2 * time.Second, 0, 1}, "/stock/7": {60 * ms, 10 * ms, 40}},
		block: func(p *parallel.Parallel) error {
			// The server of the first attempt is stuck.
			stuck := func(r *parallel.Request) error { r.URL.RawQuery = "stuck"; return nil }
			first := p.Get("/stock/7", stuck)
			_, err := pending.Race(first, p.Get("/stock/7", parallel.After(100*ms))).Bytes()
			<-first.Done() // canceled by the race, and not by the end of the block
			return err
		},
	},
	"limit": {
		client:  client.Client{BaseURL: "http://shop.test", Limit: 3},
		answers: map[string]answer{"/": {0, 30 * ms, 9_000}},
		block: func(p *parallel.Parallel) error {
			for n := range 9 {
				p.Get(fmt.Sprintf("/items/%d?wait=%d", n+1, 80+(n*37)%100))
			}
			return drain(p)
		},
	},
	"retries": {
		client:  client.Client{BaseURL: "http://api.test", Limit: 2, Retry: afterPauses},
		answers: map[string]answer{"/": {40 * ms, 10 * ms, 900}},
		block: func(p *parallel.Parallel) error {
			p.Get("/orders/1?busy=2") // answered with 503 twice
			p.Get("/orders/2")
			p.Get("/orders/3?busy=1")
			p.Get("/orders/4")
			return drain(p)
		},
	},
	"failures": {
		answers: map[string]answer{"/": {120 * ms, 20 * ms, 1_500}},
		block: func(p *parallel.Parallel) error {
			p.Get("https://good.test/prices")
			p.Get("http://" + refusing + "/prices")
			p.Get("http://" + unknown + "/prices")
			p.Get("http://good.test/prices?cut")
			p.Get("http://good.test/prices?missing")
			p.Get("http://good.test/prices", parallel.Timeout(100*ms))
			p.Get("prices")
			err := drain(p)
			p.Get("http://good.test/prices?again", parallel.After(time.Hour))
			return err
		},
	},
}

// afterPauses sends a request again after 503, with longer pauses each time.
func afterPauses(a parallel.Attempt) (time.Duration, bool) {
	return time.Duration(a.N) * 50 * ms, a.Response != nil && a.Response.StatusCode == http.StatusServiceUnavailable
}

// drain reads all results of p.
func drain(p *parallel.Parallel) error {
	for p.HasPending() {
		p.Next()
	}
	return nil
}

// record runs a picture's block.
func record(t *testing.T, name string, cert tls.Certificate, rec *waterfall.Recorder) {
	tt := pictures[name]
	var mu sync.Mutex
	came := make(map[string]int)
	n := newNetwork(t, cert, func(w http.ResponseWriter, r *http.Request) {
		a, ok := tt.answers[r.URL.Path]
		if !ok {
			a = tt.answers["/"]
		}
		if wait := r.URL.Query().Get("wait"); wait != "" {
			fmt.Sscan(wait, &a.after)
			a.after *= ms
		}
		if busy := r.URL.Query().Get("busy"); busy != "" {
			mu.Lock()
			came[r.URL.Path]++
			n := came[r.URL.Path]
			mu.Unlock()
			if fmt.Sprint(n) <= busy {
				<-time.After(30 * ms)
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
		}
		switch r.URL.RawQuery {
		case "stuck":
			a = tt.answers["/stuck"]
		case "missing":
			<-time.After(70 * ms)
			http.NotFound(w, r)
			return
		case "cut":
			w.Header().Set("Content-Length", "9000")
		}
		a.ServeHTTP(w, r)
	})
	c := tt.client
	c.HTTP, c.Observe = n.Client(), rec.Observe
	if err := c.Parallel(t.Context(), tt.block); err != nil {
		t.Error(err)
	}
}

func TestPictures(t *testing.T) {
	cert := certificate()
	for name := range pictures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec waterfall.Recorder
				record(t, name, cert, &rec)
				for ext, write := range map[string]func(*bytes.Buffer) error{
					".txt": func(b *bytes.Buffer) error { return rec.Text(b, 100) },
					".svg": func(b *bytes.Buffer) error { return rec.SVG(b) },
				} {
					var got bytes.Buffer
					if err := write(&got); err != nil {
						t.Fatal(err)
					}
					file := filepath.Join("testdata", name+ext)
					if *update {
						if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
							t.Fatal(err)
						}
					}
					want, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(string(want), got.String()); diff != "" {
						t.Errorf("%s differs from the picture; -update rewrites it (-want +got):\n%s", file, diff)
					}
				}
			})
		})
	}
}

package waterfall_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/waterfall"
)

// BenchmarkRequest measures what a Recorder adds to a request on a kept
// loopback connection.
func BenchmarkRequest(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	defer srv.Close()
	get := func(b *testing.B, c client.Client) {
		c.BaseURL = srv.URL
		b.ReportAllocs()
		err := c.Parallel(b.Context(), func(p *parallel.Parallel) error {
			for b.Loop() {
				if _, err := p.Get("/").Bytes(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("unseen", func(b *testing.B) { get(b, client.Client{}) })
	b.Run("recorded", func(b *testing.B) {
		var rec waterfall.Recorder
		get(b, client.Client{Observe: rec.Observe})
	})
	b.Run("recorded with Transport", func(b *testing.B) {
		rec := waterfall.Recorder{Bodies: 1 << 10}
		hc := &http.Client{Transport: rec.Transport(client.NewTransport())}
		get(b, client.Client{HTTP: hc, Observe: rec.Observe})
		hc.CloseIdleConnections()
	})
}

// BenchmarkThousand measures how long it takes to write a thousand requests.
func BenchmarkThousand(b *testing.B) {
	var rec waterfall.Recorder
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	defer srv.Close()
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	c.Parallel(b.Context(), func(p *parallel.Parallel) error {
		for range 1000 {
			p.Get("/")
		}
		return drain(p)
	})
	for name, write := range map[string]func(io.Writer) error{
		"Text": func(w io.Writer) error { return rec.Text(w, 100) }, "SVG": rec.SVG, "HAR": rec.HAR,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := write(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

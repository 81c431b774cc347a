package shared

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func writers(ctx context.Context, c client.Client, w http.ResponseWriter, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var b bytes.Buffer
		x := p.Get("/a", parallel.To(&b))
		y := p.Get("/b", parallel.To(&b)) // want `several requests write to b, and their bodies are mixed up; give each request a writer of its own, or call Bytes before the next request is made`
		_, err := pending.All(x, y)
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var hs []*pending.Pending
		for _, url := range urls {
			hs = append(hs, p.Get(url, parallel.To(w))) // want `several requests write to w`
		}
		_, err := pending.All(hs...)
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var s strings.Builder
		get := func(url string) *pending.Pending { return p.Get(url, parallel.To(&s)) } // want `several requests write to s`
		for _, h := range parallel.Each(p, slices.Values(urls), get) {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		_, err := pending.Race(p.Get("/a", parallel.To(os.Stdout)), p.Get("/b", parallel.To(os.Stdout))).Bytes() // want `several requests write to Stdout`
		return err
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		to := parallel.To(new(counter))
		opts := []parallel.Option{parallel.Query("a", "b"), parallel.To(new(counter))}
		_, err := pending.All(p.Get("/a", to), p.Get("/b", to)) // want `several requests use the option To in to, and only the first may; give each request a To with a writer of its own`
		if err != nil {
			return err
		}
		for _, url := range urls {
			if _, err := p.Get(url, opts...).Bytes(); err != nil { // want `several requests use the option To in opts`
				return err
			}
		}
		return nil
	})
}

func rightWriters(ctx context.Context, c client.Client, unknown io.Writer, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var all bytes.Buffer
		for _, url := range urls { // one after the other
			if _, err := p.Get(url, parallel.To(&all)).Bytes(); err != nil {
				return err
			}
		}
		for _, url := range urls {
			h := p.Get(url, parallel.To(os.Stdout))
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		for _, url := range urls {
			p.Get(url, parallel.To(os.Stderr))
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		var hs []*pending.Pending
		files := make([]bytes.Buffer, len(urls))
		for i, url := range urls { // a writer for each
			var b bytes.Buffer
			f, err := os.Create(url)
			if err != nil {
				return err
			}
			hs = append(hs, p.Get(url, parallel.To(&b)), p.Get(url, parallel.To(f)), p.Get(url, parallel.To(&files[i])))
			hs = append(hs, p.Get(url, parallel.To(io.Discard)), p.Get(url, parallel.To(new(counter))), p.Get(url, parallel.To(unknown)))
		}
		discard := parallel.To(io.Discard)
		hs = append(hs, p.Get("/", discard), p.Get("/", discard))
		var either bytes.Buffer
		if len(urls) == 0 {
			hs = append(hs, p.Get("/a", parallel.To(&either)))
		} else {
			hs = append(hs, p.Get("/b", parallel.To(&either)))
		}
		first, err := os.Create("first")
		if err != nil {
			return err
		}
		hs = append(hs, p.Get("/c", parallel.To(first)))
		if first, err = os.Create("second"); err != nil {
			return err
		}
		hs = append(hs, p.Get("/d", parallel.To(first)))
		_, err = pending.All(hs...)
		return err
	})
}

func readers(ctx context.Context, c client.Client, r *http.Request, f *os.File, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		a := p.Put("/a", parallel.Body("text/plain", f))
		if _, err := a.Bytes(); err != nil {
			return err
		}
		b := p.Put("/b", parallel.Body("text/plain", f)) // want `several requests use the reader of Body in f: the first reads and closes it, and the others fail or send nothing; give each request a bytes.Reader or a file of its own`
		var hs []*pending.Pending
		for _, url := range urls {
			hs = append(hs, p.Post(url, parallel.Body("text/plain", r.Body))) // want `several requests use the reader of Body in r.Body`
		}
		body := parallel.Body("text/plain", f)
		for _, url := range urls {
			hs = append(hs, p.Post(url, body)) // want `several requests use the reader of Body in body`
		}
		_, err := pending.All(append(hs, b)...)
		return err
	})
}

func rightReaders(ctx context.Context, c client.Client, r *http.Request, unknown io.Reader, urls []string) {
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		var hs []*pending.Pending
		text := strings.NewReader("text")
		option := parallel.Body("text/plain", text)
		for _, url := range urls {
			f, err := os.Open(url)
			if err != nil {
				return err
			}
			hs = append(hs, p.Post(url, parallel.Body("text/plain", f)), p.Post(url, option))
			hs = append(hs, p.Post(url, parallel.Body("text/plain", text)), p.Post(url, parallel.Body("text/plain", unknown)))
		}
		buffered := bufio.NewReader(unknown)
		for _, url := range urls { // another content each time
			hs = append(hs, p.Post(url, parallel.Body("text/plain", buffered)))
			buffered.Reset(strings.NewReader(url))
		}
		copied, err := os.Create("copied")
		if err != nil {
			return err
		}
		hs = append(hs, p.Get("/", parallel.To(copied)))
		hs = append(hs, p.Put("/", parallel.Body("text/plain", copied))) // another mistake, if at all
		for _, url := range urls {                                       // only the first
			hs = append(hs, p.Post(url, parallel.Body("text/plain", r.Body)))
			break
		}
		_, err = pending.All(hs...)
		return err
	})
}

type counter int

func (n *counter) Write(b []byte) (int, error) {
	*n += counter(len(b))
	return len(b), nil
}

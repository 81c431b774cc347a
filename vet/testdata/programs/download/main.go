// Download gets files from a server that wants a token.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// save downloads each URL to a file of its own.
func save(ctx context.Context, c *client.Client, urls []string) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		files := make(map[string]*os.File)
		get := func(u string) *pending.Pending {
			f, err := os.Create(path.Base(u))
			if err != nil {
				return p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, err })
			}
			files[u] = f
			return p.Get(u, parallel.To(f), parallel.Timeout(-1))
		}
		for u, h := range parallel.Each(p, slices.Values(urls), get) {
			_, err := h.Bytes()
			if f := files[u]; f != nil {
				f.Close()
			}
			if err != nil {
				os.Remove(path.Base(u))
				log.Print(err)
			}
		}
		return nil
	})
}

// join downloads the parts of a file into one.
func join(ctx context.Context, c *client.Client, name string, parts []string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	err = c.Parallel(ctx, func(p *parallel.Parallel) error {
		var handles []*pending.Pending
		for _, part := range parts {
			handles = append(handles, p.Get(part, parallel.To(out))) // want `several requests write to out`
		}
		_, err := pending.All(handles...)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// joinInOrder does it right.
func joinInOrder(ctx context.Context, c *client.Client, w io.Writer, parts []string) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(part string) *pending.Pending { return p.Get(part) }
		for _, h := range parallel.Ordered(p, slices.Values(parts), get) {
			b, err := h.Bytes()
			if err != nil {
				return err
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// token adds a token that the server itself hands out.
func token(base string) client.Client {
	var block *parallel.Parallel
	c := client.Client{BaseURL: base}
	c.Auth = func(r *http.Request) error {
		t, err := block.Get("/token").Bytes() // want `Auth holds the slot`
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+string(t))
		return nil
	}
	c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		block = p
		b, err := p.Get("/whoami").Bytes()
		fmt.Printf("%s %v\n", b, err)
		return nil
	})
	return c
}

// list reads URLs from r as they are typed.
func list(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- strings.TrimSpace(s.Text())
		}
	}()
	return lines
}

func all(ch <-chan string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for s := range ch {
			if !yield(s) {
				return
			}
		}
	}
}

// sizes prints the size of each URL.
func sizes(ctx context.Context, c *client.Client) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		head := func(u string) *pending.Pending { return p.Head(u) }
		for u, h := range parallel.Each(p, all(list(os.Stdin)), head) { // want `this sequence waits for a channel`
			resp, err := h.Response()
			if err != nil {
				log.Print(err)
			}
			fmt.Println(u, resp.ContentLength) // missed: resp is nil after an error
		}
		return nil
	})
}

func main() {
	c := token(os.Getenv("FILES_URL"))
	ctx := context.Background()
	if err := save(ctx, &c, os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	if err := join(ctx, &c, os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	if err := joinInOrder(ctx, &c, os.Stdout, os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	if err := sizes(ctx, &c); err != nil {
		log.Fatal(err)
	}
}

// Crawler prints the broken links of a site.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"sync"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

var href = regexp.MustCompile(`href="([^"#]+)`)

// crawler visits every page below root once.
type crawler struct {
	root *url.URL
	c    client.Client

	mu     sync.Mutex
	seen   map[string]bool
	broken []string
}

// unseen reports whether nobody has visited the link before.
func (cr *crawler) unseen(link string) bool {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if cr.seen[link] {
		return false
	}
	cr.seen[link] = true
	return true
}

func (cr *crawler) links(resp *http.Response) []string {
	var b bytes.Buffer
	b.ReadFrom(resp.Body)
	var out []string
	for _, m := range href.FindAllStringSubmatch(b.String(), -1) {
		u, err := resp.Request.URL.Parse(m[1])
		if err == nil && u.Host == cr.root.Host && cr.unseen(u.String()) {
			out = append(out, u.String())
		}
	}
	return out
}

// run crawls with the arrivals of one block.
func (cr *crawler) run(ctx context.Context) error {
	return cr.c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Get(cr.root.String())
		for h := range p.Arrivals() {
			resp, err := h.Response()
			if err != nil || resp.StatusCode >= 400 {
				cr.broken = append(cr.broken, h.Request().URL.String())
				continue
			}
			for _, link := range cr.links(resp) {
				p.Get(link)
			}
		}
		return nil
	})
}

// runWithGo parses the pages in functions of their own.
func (cr *crawler) runWithGo(ctx context.Context) error {
	return cr.c.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Go(func(_ *parallel.Parallel) (*http.Response, error) {
			for p.HasPending() { // want `this loop waits for the function that it is in`
				resp, err := p.Next()
				if err != nil {
					return nil, err
				}
				for _, link := range cr.links(resp) {
					p.Get(link)
				}
			}
			return nil, nil
		})
		p.Get(cr.root.String())
		return nil
	})
}

// runWithWorkers feeds links through a channel.
func (cr *crawler) runWithWorkers(ctx context.Context, links <-chan string, found chan<- string) error {
	return cr.c.Parallel(ctx, func(p *parallel.Parallel) error {
		todo := func(yield func(string) bool) {
			for link := range links {
				if !yield(link) {
					return
				}
			}
		}
		get := func(link string) *pending.Pending { return p.Get(link) }
		for link, h := range parallel.Each(p, todo, get) { // want `this sequence waits for a channel`
			resp, err := h.Response()
			if err != nil {
				log.Print(link, ": ", err)
				continue
			}
			for _, l := range cr.links(resp) {
				select {
				case found <- l:
				case <-p.Context().Done():
					return p.Context().Err()
				}
			}
		}
		return nil
	})
}

// exists asks for the head of each link, and returns how many are there.
func (cr *crawler) exists(ctx context.Context, links []string) (n int, err error) {
	err = cr.c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, link := range links {
			p.Head(link)
		}
		for p.HasPending() {
			resp, _ := p.Next() // want `the error of Parallel.Next is ignored`
			if resp.StatusCode == http.StatusOK {
				n++
			}
		}
		return nil
	})
	return n, err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := url.Parse(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	cr := &crawler{root: root, c: client.Client{HostLimit: 8}, seen: make(map[string]bool)}
	if err := cr.run(ctx); err != nil {
		log.Fatal(err)
	}
	for _, link := range cr.broken {
		fmt.Println(link)
	}
}

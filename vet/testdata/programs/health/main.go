// Health asks services whether they are well, again and again.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type checker struct {
	c        client.Client
	services []string
	hook     string // is told of what is down
}

// check asks each service once.
func (ch *checker) check(ctx context.Context) (down []string, err error) {
	err = ch.c.Parallel(ctx, func(p *parallel.Parallel) error {
		handles := make(map[string]*pending.Pending)
		for _, s := range ch.services {
			handles[s] = p.Get(s+"/healthz", parallel.Timeout(2*time.Second))
		}
		for s, h := range handles {
			if _, err := h.Bytes(); err != nil {
				log.Print(err)
				down = append(down, s)
			}
		}
		if len(down) > 0 {
			p.Post(ch.hook, parallel.JSON(down)) // want `nothing waits for this POST`
		}
		return nil
	})
	slices.Sort(down)
	return down, err
}

// deep asks each service for its dependencies too.
func (ch *checker) deep(ctx context.Context) error {
	return ch.c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, s := range ch.services {
			p.Go(func(*parallel.Parallel) (*http.Response, error) {
				if _, err := p.Get(s + "/healthz").Bytes(); err != nil { // want `p.Get belongs to the outer block`
					return nil, err
				}
				return p.Get(s + "/dependencies").Response() // want `p.Get belongs to the outer block`
			})
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
}

// print shows the status pages of all services.
func (ch *checker) print(ctx context.Context, w io.Writer) error {
	return ch.c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(s string) *pending.Pending { return p.Get(s+"/status", parallel.To(os.Stdout)) } // want `several requests write to Stdout`
		for s, h := range parallel.Ordered(p, slices.Values(ch.services), get) {
			if _, err := h.Bytes(); err != nil {
				fmt.Fprintln(w, s, err)
			}
		}
		return nil
	})
}

// fastest returns the first of the mirrors that is well.
func (ch *checker) fastest(ctx context.Context) (string, error) {
	var best string
	err := ch.c.Parallel(ctx, func(p *parallel.Parallel) error {
		var mirrors []*pending.Pending
		for _, s := range ch.services {
			mirrors = append(mirrors, p.Head(s))
		}
		resp, err := pending.Race(mirrors...).Response()
		if err != nil {
			return err
		}
		best = resp.Request.URL.Host
		return nil
	})
	return best, err
}

// versions returns the version of each service.
func (ch *checker) versions(ctx context.Context) (map[string]string, error) {
	versions := make(map[string]string)
	err := ch.c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, s := range ch.services {
			h := p.Get(s + "/version")
			v, err := h.Bytes() // one after the other, but right
			if err != nil {
				return err
			}
			versions[s] = strings.TrimSpace(string(v))
		}
		return nil
	})
	return versions, err
}

// block gives a check the time that it may take.
func (ch *checker) block(ctx context.Context, fn func(*parallel.Parallel) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ch.c.Parallel(ctx, fn)
}

// goodbye tells the hook that nobody checks any more.
func (ch *checker) goodbye(ctx context.Context) error {
	return ch.block(ctx, func(p *parallel.Parallel) error {
		p.Post(ch.hook, parallel.JSON("goodbye")) // want `nothing waits for this POST`
		return nil
	})
}

func main() {
	every := flag.Duration("every", 10*time.Second, "time between two checks")
	hook := flag.String("hook", "", "URL that is told")
	flag.Parse()
	ch := &checker{c: client.Client{Limit: 20}, services: flag.Args(), hook: *hook}
	for range time.Tick(*every) {
		ctx, cancel := context.WithTimeout(context.Background(), *every)
		down, err := ch.check(ctx)
		cancel()
		fmt.Println("down:", down, err)
	}
}

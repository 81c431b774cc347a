package unchecked

import (
	"context"
	"fmt"
	"log"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func wrong(ctx context.Context, c client.Client) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		var v struct{ Name string }
		p.Get("/").JSON(&v)    // want `the error of Pending.JSON is ignored: a request that failed is not noticed; check the error, or assign it to _ if failures don't matter`
		p.Post("/").Response() // want `the error of Pending.Response is ignored`
		p.Post("/").Bytes()    // want `the error of Pending.Bytes is ignored`
		h := p.Get("/")
		pending.All(h, h) // want `the error of All is ignored`
		for p.HasPending() {
			p.Next() // want `the error of Parallel.Next is ignored`
		}

		resp, _ := h.Response() // want `the error of Pending.Response is ignored, but the result is used: after a failure it is a nil response; check the error`
		fmt.Println(resp.Status)
		next, _ := p.Next() // want `the error of Parallel.Next is ignored, but the result is used`
		defer next.Body.Close()
		b, _ := h.Bytes() // want `after a failure it is nil, and a status outside 2xx is a failure`
		log.Print(string(b))
		n, _ := pending.As[int](h) // want `after a failure it is the zero value`
		log.Print("length ", n)
		pending.As[string](h)      // want `the error of As is ignored`
		resps, _ := pending.All(h) // want `a slice in which responses are nil`
		for _, r := range resps {
			log.Print(r.Status)
		}
		return nil
	})
}

func right(ctx context.Context, c client.Client) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		h := p.Get("/")
		defer p.Post("/").Bytes()
		defer func() { p.Delete("/").Bytes() }()
		_, _ = p.Get("/").Bytes()
		_ = p.Get("/").JSON(nil)
		if resp, _ := p.Get("/").Response(); resp != nil {
			log.Print(resp.Status)
		}
		if b, _ := p.Get("/").Bytes(); len(b) > 0 {
			log.Printf("%s", b)
		}
		if _, err := h.Response(); err != nil {
			return err
		}
		if _, err := h.Bytes(); err == nil {
			resp, _ := h.Response() // it does not fail either
			log.Print(resp.Header)
		}
		a, b := p.Get("/a"), p.Get("/b")
		a.Response() // waits; the error is asked for below
		b.Response()
		if err := a.JSON(nil); err != nil {
			return err
		}
		hs := []*pending.Pending{b}
		if _, err := pending.All(hs...); err != nil {
			return err
		}
		for _, h := range hs {
			resp, _ := h.Response()
			log.Print(resp.Status)
		}
		var status *pending.StatusError
		if status != nil {
			return status
		}
		return h.JSON(nil)
	})
}

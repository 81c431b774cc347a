package slot

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

func wrong(ctx context.Context) {
	var block *parallel.Parallel
	c := client.Client{
		Auth: func(r *http.Request) error {
			_, err := block.Get("/token").Bytes() // want `Auth holds the slot of its own request while it waits for this one: if all slots are held like that, the block waits forever; make this request before, or in a block of its own`
			return err
		},
	}
	c.Wait = func(r *http.Request) error {
		h := block.Get("/ready") // want `Wait holds the slot`
		return h.JSON(nil)
	}
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		block = p
		c.Retry = func(a parallel.Attempt) (time.Duration, bool) {
			_, err := p.Get("/again").Bytes() // want `Retry holds the slot`
			return 0, err == nil
		}
		ask := parallel.Retry(func(a parallel.Attempt) (time.Duration, bool) {
			_, err := p.Get("/again").Bytes() // want `Retry holds the slot`
			return 0, err == nil
		})
		take := parallel.Take(func(r *http.Response) (io.Writer, error) {
			<-p.Get("/ready").Done()             // want `Take holds the slot`
			return nil, p.Get("/name").JSON(nil) // want `Take holds the slot`
		})
		opts := []parallel.Option{parallel.Take(func(r *http.Response) (io.Writer, error) {
			name, err := pending.As[string](p.Get("/name")) // want `Take holds the slot`
			if err != nil {
				return nil, err
			}
			return os.Create(name)
		})}
		p.Get("/", opts...)
		_, err := p.Get("/", ask, take).Response()
		return err
	})
	parallel.Run(ctx, parallel.Config{Wait: func(r *http.Request) error {
		_, err := block.Get("/ready").Bytes() // want `Wait holds the slot`
		return err
	}}, func(p *parallel.Parallel) error {
		block = p
		return nil
	})
	pointer := &client.Client{Auth: func(r *http.Request) error {
		return block.Get("/token").JSON(nil) // want `Auth holds the slot`
	}}
	pointer.Parallel(ctx, func(p *parallel.Parallel) error {
		block = p
		return nil
	})
	cfg := parallel.Config{Wait: func(r *http.Request) error {
		return block.Get("/ready").JSON(nil) // want `Wait holds the slot`
	}}
	parallel.Run(ctx, cfg, func(p *parallel.Parallel) error {
		block = p
		return nil
	})
}

func right(ctx context.Context, c client.Client) {
	c.Auth = func(r *http.Request) error { // a block of its own
		return client.Parallel(r.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("https://id.example/token").Bytes()
			return err
		})
	}
	c.Retry = func(a parallel.Attempt) (again time.Duration, ok bool) {
		return 0, c.Parallel(ctx, func(p *parallel.Parallel) error {
			_, err := p.Get("/again").Bytes()
			return err
		}) == nil
	}
	c.Parallel(ctx, func(p *parallel.Parallel) error { // Take makes a request, and does not wait for it
		p.Get("/", parallel.Take(func(r *http.Response) (io.Writer, error) {
			p.Get(r.Header.Get("Link"))
			return nil, nil
		}))
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
	c.Parallel(ctx, func(p *parallel.Parallel) error {
		d := client.Client{Auth: func(r *http.Request) error { // another block's requests call it
			_, err := p.Get("/token").Bytes()
			return err
		}}
		return d.Parallel(ctx, func(q *parallel.Parallel) error {
			again := parallel.Retry(func(a parallel.Attempt) (time.Duration, bool) {
				_, err := p.Get("/again").Bytes()
				return 0, err == nil
			})
			_, err := q.Get("/", again, option(func(r *parallel.Request) error {
				return p.Get("/made").JSON(nil) // an Option runs before there is a slot
			})).Response()
			return err
		})
	})
}

func option(f func(*parallel.Request) error) parallel.Option { return f }

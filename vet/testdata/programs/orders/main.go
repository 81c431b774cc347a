// Orders reads orders from a file, one JSON value a line, and posts them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type order struct {
	ID    string `json:"id"`
	Items []item `json:"items"`
}

type item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

func read(name string) (orders []order, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	return orders, lines.Err()
}

func post(p *parallel.Parallel, o order) *pending.Pending {
	return p.Post("/orders", parallel.JSON(o), parallel.Header("Idempotency-Key", o.ID))
}

// sendAll posts all orders at once.
func sendAll(ctx context.Context, c *client.Client, orders []order) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, o := range orders {
			p.Post("/orders", parallel.JSON(o)) // want `nothing waits for this POST`
		}
		return nil
	})
}

// sendBatch posts all orders and collects the handles.
func sendBatch(ctx context.Context, c *client.Client, orders []order) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		var hs []*pending.Pending
		for _, o := range orders {
			hs = append(hs, post(p, o)) // want `the result of post is never asked for`
		}
		log.Print("sent ", len(hs), " orders")
		return nil
	})
}

// sendChecked posts all orders, and returns those that the server refused.
func sendChecked(ctx context.Context, c *client.Client, orders []order) (refused []order, err error) {
	err = c.Parallel(ctx, func(p *parallel.Parallel) error {
		byHandle := make(map[*pending.Pending]order)
		for _, o := range orders {
			byHandle[post(p, o)] = o
		}
		for h := range p.Arrivals() {
			_, err := h.Bytes()
			var status *pending.StatusError
			switch {
			case err == nil:
			case errors.As(err, &status) && status.Response.StatusCode == http.StatusUnprocessableEntity:
				refused = append(refused, byHandle[h])
			default:
				return err
			}
		}
		return nil
	})
	return refused, err
}

// cancelAll takes back what was posted before.
func cancelAll(ctx context.Context, c *client.Client, orders []order) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, o := range orders {
			p.Delete("/orders/" + o.ID)
		}
		for p.HasPending() {
			p.Next() // want `the error of Parallel.Next is ignored`
		}
		return nil
	})
}

// upload sends the file itself, for the archive and for the accounts.
func upload(ctx context.Context, c *client.Client, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		archive := p.Put("/archive", parallel.Body("application/jsonl", f))
		accounts := p.Put("/accounts", parallel.Body("application/jsonl", f)) // want `several requests use the reader of Body in f`
		_, err := pending.All(archive, accounts)
		return err
	})
}

func main() {
	orders, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	c := client.Client{BaseURL: os.Getenv("SHOP_URL"), Limit: 20, Timeout: 10 * time.Second, Retry: parallel.Retries(3)}
	refused, err := sendChecked(context.Background(), &c, orders)
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range refused {
		fmt.Println("refused:", o.ID)
	}
}

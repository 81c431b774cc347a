package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type nap struct{ Slept string }

func main() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.URL.Path[1:])
		time.Sleep(d)
		fmt.Fprintf(w, `{"slept": %q}`, d)
	}))
	defer srv.Close()

	c := client.Client{BaseURL: srv.URL}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Get("/300ms") // returns a handle at once
		p.Get("/100ms")
		p.Get("/200ms")
		for h := range p.Arrivals() { // each handle as its request is done
			n, err := pending.As[nap](h) // decodes the JSON
			if err != nil {
				return err // cancels the requests still running
			}
			fmt.Println("slept", n.Slept)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

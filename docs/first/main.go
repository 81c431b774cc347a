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
)

func main() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.URL.Path[1:])
		time.Sleep(d)
		fmt.Fprintln(w, "slept", d)
	}))
	defer srv.Close()

	c := client.Client{BaseURL: srv.URL}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Get("/300ms") // returns a handle at once
		p.Get("/100ms")
		p.Get("/200ms")
		for h := range p.Arrivals() { // each handle as its request is done
			body, err := h.Bytes()
			if err != nil {
				return err // cancels the requests still running
			}
			fmt.Printf("%s", body)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

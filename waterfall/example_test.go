package waterfall_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// service starts a server that answers everything but /stuck.
func service() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stuck" {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "an answer")
	}))
}

// To record one block of an existing client, copy the client and give the copy
// a Recorder.
func ExampleRecorder() {
	srv := service()
	defer srv.Close()
	shared := client.Client{BaseURL: srv.URL}

	var rec waterfall.Recorder
	c := shared
	c.Observe = rec.Observe
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := pending.All(p.Get("/user"), p.Get("/cart"))
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	var picture strings.Builder
	rec.Text(&picture, 100) // into a log, or os.Stderr
	title, _, _ := strings.Cut(picture.String(), " in ")
	fmt.Println(title)
	// Output:
	// 2 requests
}

// If you have an observer of your own, call the Recorder's Observe from it.
// Return the context that Observe returns, and pass on how the request ended.
func ExampleRecorder_Observe() {
	srv := service()
	defer srv.Close()

	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
		ctx, done := rec.Observe(r)
		return ctx, func(o pending.Outcome) {
			done(o)
			fmt.Println(r.Method, r.URL.Path, o.Err)
		}
	}}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/user").Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// GET /user <nil>
}

// This example prints the picture of a block to standard error. Its times
// differ from run to run, so it has no output to compare.
func ExampleRecorder_Text() {
	srv := service()
	defer srv.Close()

	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := pending.Race(p.Get("/stuck"), p.Get("/user")).Bytes()
		return err
	})
	if err != nil {
		log.Print(err)
	}
	if err := rec.Text(os.Stderr, 100); err != nil {
		log.Print(err)
	}
	// It looks like this:
	//
	//	2 requests in 1.2ms, http://127.0.0.1:39265
	//	            0s            500µs          1ms
	//	GET /stuck |:ddddddd--------------------------x|  1.2ms  canceled           new
	//	GET /user  |:dddddddd---------------------====|  1.2ms  200 OK     9 B  HTTP/1.1 new
	//	: held  d dial  - wait for the first byte  = body  x failed, timed out, canceled
}

// A picture is one element, so you can write it into a page.
func ExampleRecorder_SVG() {
	srv := service()
	defer srv.Close()

	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<!doctype html><h1>What this page requested</h1>\n")
		rec.SVG(w)
	})

	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/user").Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	_, svg, _ := strings.Cut(w.Body.String(), "\n")
	fmt.Println(svg[:4], strings.Contains(svg, "GET /user"))
	// Output:
	// <svg true
}

// HAR writes a file for the network panel of a browser ("Import HAR file"). The
// file shows that credentials were sent, without their values.
func ExampleRecorder_HAR() {
	srv := service()
	defer srv.Close()

	rec := waterfall.Recorder{Redact: []string{"X-Api-Key"}, RedactQuery: true}
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/user", parallel.Header("X-Api-Key", "k-1234"), parallel.Query("session", "s-5678")).Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	var file bytes.Buffer // or os.Create("block.har")
	if err := rec.HAR(&file); err != nil {
		fmt.Println(err)
	}
	for _, text := range []string{"X-Api-Key", "k-1234", "session", "s-5678"} {
		fmt.Println(text, strings.Contains(file.String(), text))
	}
	// Output:
	// X-Api-Key true
	// k-1234 false
	// session true
	// s-5678 false
}

// Bodies are kept if they pass through Transport, up to the number of bytes in
// Bodies.
func ExampleRecorder_Transport() {
	srv := service()
	defer srv.Close()

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	rec := waterfall.Recorder{Bodies: 64 << 10}
	c := client.Client{
		BaseURL: srv.URL,
		HTTP:    &http.Client{Transport: rec.Transport(transport)},
		Observe: rec.Observe,
	}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/user").Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	var file bytes.Buffer
	if err := rec.HAR(&file); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Contains(file.String(), `"text": "an answer"`))
	// Output:
	// true
}

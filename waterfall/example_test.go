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

// service answers everything but /stuck.
func service() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stuck" {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "an answer")
	}))
}

// A block of a client that is there already gets a Recorder of its own by a copy of
// the client.
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

// An observer of one's own calls the Recorder's, returns the context that it gives,
// and tells it how the request ended.
func ExampleRecorder_Observe() {
	srv := service()
	defer srv.Close()

	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
		ctx, settled := rec.Observe(r)
		return ctx, func(o pending.Outcome) {
			settled(o)
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

// The picture of a block goes to standard error when it took longer than it should.
// (Its times differ from run to run, so that there is no output to compare here.)
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
	// 2 requests in 1.2ms, http://127.0.0.1:39265
	//             0s            500µs          1ms
	// GET /stuck |:ddddddd--------------------------x|  1.2ms  cancelled          new
	// GET /user  |:dddddddd---------------------====|  1.2ms  200 OK     9 B  HTTP/1.1 new
	// : held  d dial  - wait for the first byte  = body  x failed, timed out, cancelled
}

// A picture is one element, and can be put into a page as it is.
func ExampleRecorder_SVG() {
	srv := service()
	defer srv.Close()

	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<!doctype html><h1>What I asked for</h1>\n")
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

// A file for the network panel of a browser ("Import HAR file"), and what is in it of
// credentials: that they were sent.
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

// Bodies are kept of what passes through Transport, and only if Bodies says how much.
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

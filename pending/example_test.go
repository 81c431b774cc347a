package pending_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A handle remains usable after its block has ended. Its result does not change
// and can be read any number of times.
func ExamplePending() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"name": "Ada"}`)
	}))
	defer srv.Close()

	var h *pending.Pending
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h = p.Get(srv.URL)
		_, err := h.Response() // waits for the request
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	text, err := h.Bytes() // returns at once
	fmt.Printf("%s %v\n", text, err)
	var user struct{ Name string }
	err = h.JSON(&user)
	fmt.Println(user.Name, err)
	// Output:
	// {"name": "Ada"} <nil>
	// Ada <nil>
}

// Response returns a response of any status. Its body is in memory, reads from
// the start at each call, and need not be closed.
func ExamplePending_Response() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h := p.Get(srv.URL)
		for range 2 {
			resp, err := h.Response()
			if err != nil {
				return err // there is no response
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			fmt.Printf("%s: %s", resp.Status, text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 404 Not Found: 404 page not found
	// 404 Not Found: 404 page not found
}

// Bytes returns the body of a 2xx response. Any other status is a StatusError,
// which names the request.
func ExamplePending_Bytes() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hello" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		hello, bye := p.Get(srv.URL+"/hello"), p.Get(srv.URL+"/bye")
		text, err := hello.Bytes()
		fmt.Printf("%q %v\n", text, err)
		_, err = bye.Bytes()
		return err
	})
	fmt.Println(strings.ReplaceAll(fmt.Sprint(err), srv.URL, "http://example.com"))
	// Output:
	// "hello" <nil>
	// Get "http://example.com/bye": 404 Not Found: "404 page not found\n"
}

// JSON decodes the body of a 2xx response. If the body does not decode, the
// error names the request and wraps the decoder's error.
func ExamplePending_JSON() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/maintenance" {
			fmt.Fprint(w, "<h1>back soon</h1>")
			return
		}
		fmt.Fprint(w, `{"id": 7, "name": "Ada"}`)
	}))
	defer srv.Close()

	type user struct {
		ID   int
		Name string
	}
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		good, bad := p.Get(srv.URL+"/users/7"), p.Get(srv.URL+"/maintenance")
		var u user
		if err := good.JSON(&u); err != nil {
			return err
		}
		fmt.Printf("%+v\n", u)
		return bad.JSON(&u)
	})
	var (
		request *url.Error
		syntax  *json.SyntaxError
	)
	if errors.As(err, &request) && errors.As(err, &syntax) {
		fmt.Println(strings.TrimPrefix(request.URL, srv.URL), "is not JSON, at byte", syntax.Offset)
	}
	// Output:
	// {ID:7 Name:Ada}
	// /maintenance is not JSON, at byte 1
}

// Request returns a copy of the original request. It tells which request is
// done, and can be sent again, body included.
func ExamplePending_Request() {
	var req atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if req.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.Copy(w, r.Body)
	}))
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Post("/echo", parallel.JSON([]string{"again", "and again"}))
		for h := range p.Arrivals() {
			resp, err := h.Response()
			if err != nil {
				return err
			}
			r := h.Request()
			fmt.Println(r.Method, r.URL.Path, resp.Status)
			if resp.StatusCode == http.StatusTooManyRequests {
				p.Do(r, parallel.After(10*time.Millisecond))
				continue
			}
			text, err := h.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// POST /echo 429 Too Many Requests
	// POST /echo 200 OK
	// ["again","and again"]
}

// Done returns a channel for a select. Here the program reports that it waits
// if there is no response after 10 milliseconds.
func ExamplePending_Done() {
	slow := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-slow
		fmt.Fprint(w, "at last")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h := p.Get(srv.URL)
		select {
		case <-h.Done():
		case <-time.After(10 * time.Millisecond):
			fmt.Println("please wait")
			close(slow)
		}
		text, err := h.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// please wait
	// at last
}

// Cancel ends one request; the others continue. Next yields the canceled
// request like any other, with an error that matches context.Canceled.
func ExamplePending_Cancel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/suggestions" {
			<-r.Context().Done() // until it is canceled
		}
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		suggestions, results := p.Get(srv.URL+"/suggestions"), p.Get(srv.URL+"/results")
		if _, err := results.Response(); err != nil {
			return err
		}
		suggestions.Cancel() // they are not needed any more
		for p.HasPending() {
			_, err := p.Next()
			fmt.Println(errors.Is(err, context.Canceled))
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// true
}

// All returns the responses in the order of its arguments. It accepts any
// status.
func ExampleAll() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Rows", strings.TrimPrefix(r.URL.Path, "/"))
		if r.URL.Path == "/3" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		resps, err := pending.All(p.Get(srv.URL+"/1"), p.Get(srv.URL+"/2"), p.Get(srv.URL+"/3"))
		if err != nil {
			return err
		}
		for _, resp := range resps {
			fmt.Println(resp.Header.Get("X-Rows"), resp.Status) // All accepts any status
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 200 OK
	// 2 200 OK
	// 3 403 Forbidden
}

// A Race completes with the first racer to succeed. If there is none, errors.As
// finds the errors of all racers.
func ExampleRace() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "found")
		case "/slow":
			<-r.Context().Done() // until it is canceled
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()

	mirrors := client.Client{BaseURL: srv.URL}
	err := mirrors.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := pending.Race(p.Get("/slow"), p.Get("/missing"), p.Get("/good")).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)

		_, err = pending.Race(p.Get("/missing"), p.Get("http://127.0.0.1:1")).Bytes() // nobody listens there
		var status *pending.StatusError
		if errors.As(err, &status) {
			fmt.Println("one responded", status.Response.Status)
		}
		var refused *net.OpError
		if errors.As(err, &refused) {
			fmt.Println("one could not be reached")
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// found
	// one responded 404 Not Found
	// one could not be reached
}

// As returns the result of a handle as a type: the body of a response from
// JSON, or the value of a function started with parallel.Go.
func ExampleAs() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"cents": 250}`)
	}))
	defer srv.Close()

	type price struct{ Cents int }
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		cost := p.Get(srv.URL + "/prices/7")
		name := parallel.Go(p, func(*parallel.Parallel) (string, error) {
			return "apple", nil // from a database
		})
		product, err := pending.As[string](name)
		if err != nil {
			return err
		}
		c, err := pending.As[price](cost)
		if err != nil {
			return err
		}
		fmt.Println(product, c.Cents)

		_, err = pending.As[price](name)
		fmt.Println(err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// apple 250
	// the function returned a value of type string, not pending_test.price
}

// A race between a cache and a request. If the value is in the cache, the
// request is canceled before it is sent. If it is not, the cache fails and the
// request wins. As reads the winner.
func ExampleAs_race() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"cents": 250}`)
	}))
	defer srv.Close()

	type price struct{ Cents int }
	cache := map[string]price{"/prices/7": {Cents: 240}}
	shop := client.Client{BaseURL: srv.URL}
	err := shop.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for _, path := range []string{"/prices/7", "/prices/8"} {
			cached := parallel.Go(p, func(*parallel.Parallel) (price, error) {
				if found, ok := cache[path]; ok {
					return found, nil
				}
				return price{}, errors.New("not in the cache")
			})
			request := p.Get(path, parallel.After(500*time.Millisecond)) // time for the cache
			cost, err := pending.As[price](pending.Race(cached, request))
			if err != nil {
				return err
			}
			fmt.Println(path, cost.Cents)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /prices/7 240
	// /prices/8 250
}

// An Outcome has the times and the result of a request, for metrics. A request
// without a time Sent was never sent.
func ExampleOutcome() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	histogram := func(name string, d time.Duration) {} // of a metrics library

	api := client.Client{
		BaseURL: srv.URL,
		Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			return nil, func(o pending.Outcome) {
				switch {
				case o.Sent.IsZero():
					fmt.Println(r.URL.Path, "was never sent")
				case o.Err != nil:
					fmt.Println(r.URL.Path, "failed:", o.Err)
				default:
					histogram("queued", o.Sent.Sub(o.Made))
					histogram("took", o.Done.Sub(o.Sent))
					fmt.Println(r.URL.Path, o.Response.Status, o.Bytes, "bytes")
				}
			}
		},
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/hello").Bytes()
		p.Get("/hello", parallel.After(time.Minute)) // still waits when the block ends
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /hello 200 OK 5 bytes
	// /hello was never sent
}

// A request whose error matches ErrNotSent is safe to send again. After any
// other failure, the server may have acted on it.
func Example_errNotSent() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler) // breaks the connection
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		broken := p.Post(srv.URL+"/orders", parallel.JSON("tea"))
		refused := p.Post("http://127.0.0.1:1/orders", parallel.JSON("milk")) // nobody listens there
		_, err := broken.Bytes()
		fmt.Println("broken: safe to send again:", errors.Is(err, pending.ErrNotSent))
		_, err = refused.Bytes()
		fmt.Println("refused: safe to send again:", errors.Is(err, pending.ErrNotSent))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// broken: safe to send again: false
	// refused: safe to send again: true
}

// The text of a StatusError says why, if the server did so in a text. The error
// has the response for programs that decode the body.
func ExampleStatusError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"reason": "the cart is empty"}`, http.StatusConflict)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Post(srv.URL + "/orders").Bytes()
		return err
	})
	fmt.Println(strings.ReplaceAll(err.Error(), srv.URL, "http://shop.example.com"))

	var status *pending.StatusError
	if errors.As(err, &status) && status.Response.StatusCode == http.StatusConflict {
		var problem struct{ Reason string }
		if err := json.NewDecoder(status.Response.Body).Decode(&problem); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("conflict:", problem.Reason)
	}
	// Output:
	// Post "http://shop.example.com/orders": 409 Conflict: "{\"reason\": \"the cart is empty\"}\n"
	// conflict: the cart is empty
}

// Bytes returns the body of the response, for a type of error that an API has.
func ExampleStatusError_Bytes() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"title": "You do not have enough credit.", "balance": 30}`)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Post(srv.URL).Bytes()
		return err
	})
	var status *pending.StatusError
	if errors.As(err, &status) {
		var problem struct { // RFC 9457
			Title   string
			Balance int
		}
		if err := json.Unmarshal(status.Bytes(), &problem); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(problem.Title, problem.Balance)
	}
	// Output:
	// You do not have enough credit. 30
}

// A body that is longer than the client's MaxBody is not kept. The error has
// the status and the header of the response.
func ExampleBodyTooLargeError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/mp4")
		io.WriteString(w, strings.Repeat("x", 4096))
	}))
	defer srv.Close()

	frugal := client.Client{BaseURL: srv.URL, MaxBody: 1024}
	err := frugal.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get("/film").Bytes()
		return err
	})
	var large *pending.BodyTooLargeError
	if errors.As(err, &large) {
		fmt.Println(large.Response.Header.Get("Content-Type"), "of more than", large.Limit, "bytes")
	}
	// Output:
	// video/mp4 of more than 1024 bytes
}

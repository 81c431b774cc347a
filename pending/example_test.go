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

// A handle can be asked as often as one likes, by anybody, and also when its block
// has ended: what it settled with doesn't change.
func ExamplePending() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"name": "Ada"}`)
	}))
	defer srv.Close()

	var h *pending.Pending
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h = p.Get(srv.URL)
		_, err := h.Response() // waits
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	text, err := h.Bytes() // it is there
	fmt.Printf("%s %v\n", text, err)
	var user struct{ Name string }
	err = h.JSON(&user)
	fmt.Println(user.Name, err)
	// Output:
	// {"name": "Ada"} <nil>
	// Ada <nil>
}

// Response gives a response of any status. Its body is in memory and reads from the
// start at each call; it need not be closed.
func ExamplePending_Response() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h := p.Get(srv.URL)
		for range 2 {
			resp, err := h.Response()
			if err != nil {
				return err // no answer
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

// Bytes gives the body of a 2xx response. Any other status is a StatusError, which
// names the request.
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
	// Get "http://example.com/bye": 404 Not Found
}

// JSON decodes the body of a 2xx response. What doesn't decode is an error that
// names the request, around the decoder's own.
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

// Request is what was asked for: to tell arrivals apart, and to send the same
// again, body and all.
func ExamplePending_Request() {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
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

// Done is for a select: here for an answer that is taken if it comes soon, with
// the request going on if it doesn't.
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

// Cancel ends one request; the others go on. Next yields it like any other, with an
// error that is context.Canceled.
func ExamplePending_Cancel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/suggestions" {
			<-r.Context().Done() // until it is cancelled
		}
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		suggestions, results := p.Get(srv.URL+"/suggestions"), p.Get(srv.URL+"/results")
		if _, err := results.Response(); err != nil {
			return err
		}
		suggestions.Cancel() // nobody needs them now
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

// All gives the responses in the order of the handles. It fails with the first that
// gets no answer, and then has the responses that were there.
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
			fmt.Println(resp.Header.Get("X-Rows"), resp.Status) // All judges no status
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

// Race settles with the first success. Where there is none its error has those of
// all, for errors.Is and errors.As to find.
func ExampleRace() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "found")
		case "/slow":
			<-r.Context().Done() // until it is cancelled
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
			fmt.Println("one answered", status.Response.Status)
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
	// one answered 404 Not Found
	// one could not be reached
}

// An Outcome is what became of a request: when it was made, sent and done, and
// with what result. Made and not sent is a wait in the queue.
func ExampleOutcome() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	histogram := func(name string, d time.Duration) {} // that of a metrics library

	api := client.Client{
		BaseURL: srv.URL,
		Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			return nil, func(o pending.Outcome) {
				switch {
				case o.Sent.IsZero():
					fmt.Println(r.URL.Path, "never had its turn")
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
		p.Get("/hello", parallel.After(time.Minute)) // is left waiting
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /hello 200 OK 5 bytes
	// /hello never had its turn
}

// ErrNotSent tells what is safe to send again from what the server may have done.
func Example_errNotSent() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler) // the connection breaks: was the order taken?
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

// A StatusError has the response, whose body often says what was wrong.
func ExampleStatusError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"reason": "the cart is empty"}`, http.StatusConflict)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Post(srv.URL + "/orders").Bytes()
		return err
	})
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
	// conflict: the cart is empty
}

// A body over the client's MaxBody is not kept: the request fails, with the status
// and header of the response.
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

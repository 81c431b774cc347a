package parallel_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Run opens a block without package client. Here it sends with the http.Client
// of a test server. The defaults of package client suit most programs.
func ExampleRun() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s", r.URL.Path)
	}))
	defer srv.Close()

	cfg := parallel.Config{Send: srv.Client().Do, Limit: 10, Timeout: 10 * time.Second}
	err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
		left, right := p.Get(srv.URL+"/left"), p.Get(srv.URL+"/right")
		for _, h := range []*pending.Pending{left, right} {
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
	// this is /left
	// this is /right
}

// A Config can change how requests are sent, and how their URLs are found. Here
// each URL begins with the name of a service, which Resolve looks up.
func ExampleConfig() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s asked for %s", r.Header.Get("X-Caller"), r.URL.Path)
	}))
	defer srv.Close()

	registry := map[string]string{"users": srv.URL + "/v2/users"}
	cfg := parallel.Config{
		Send: func(r *http.Request) (*http.Response, error) {
			r.Header.Set("X-Caller", "the shop") // r is this send's own
			return http.DefaultClient.Do(r)
		},
		Resolve: func(ref string) (*url.URL, error) {
			service, rest, _ := strings.Cut(ref, "/")
			base, ok := registry[service]
			if !ok {
				return nil, fmt.Errorf("no service has the name %q", service)
			}
			return url.Parse(base + "/" + rest)
		},
		Limit:   100,
		MaxBody: 1 << 20,
	}
	err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
		user, cart := p.Get("users/7"), p.Get("carts/7")
		text, err := user.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		_, err = cart.Bytes()
		return err
	})
	fmt.Println(err)
	// Output:
	// the shop asked for /v2/users/7
	// Get "carts/7": request not sent: no service has the name "carts"
}

// Requests are sent as soon as they are made. Their results are read where they
// are needed.
func ExampleParallel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		user := p.Get(srv.URL + "/user")
		visit := p.Post(srv.URL+"/visits", parallel.Form(url.Values{"page": {"home"}}))
		for _, h := range []*pending.Pending{user, visit} {
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
	// GET /user
	// POST /visits
}

// Get neither blocks nor fails. The handle reports what is wrong with a
// request.
func ExampleParallel_Get() {
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h := p.Get("http://example.com:port/")
		_, err := h.Response()
		return err
	})
	fmt.Println(err)
	fmt.Println("sent:", !errors.Is(err, pending.ErrNotSent))
	// Output:
	// Get "http://example.com:port/": request not sent: invalid port ":port" after host
	// sent: false
}

// Head requests the header of a response, here to learn the size of a file. A
// response to HEAD has no body.
func ExampleParallel_Head() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1048576")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		resp, err := p.Head(srv.URL + "/film").Response()
		if err != nil {
			return err
		}
		fmt.Println(resp.Status, resp.ContentLength, "bytes")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 200 OK 1048576 bytes
}

// Options asks a server which methods a resource allows.
func ExampleParallel_Options() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		resp, err := p.Options(srv.URL + "/users").Response()
		if err != nil {
			return err
		}
		fmt.Println(resp.Header.Get("Allow"))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// GET, HEAD, OPTIONS
}

// Post sends a body, which an option sets. Here two users are created at the
// same time.
func ExampleParallel_Post() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var user struct{ Name string }
		json.NewDecoder(r.Body).Decode(&user)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "created %s", user.Name)
	}))
	defer srv.Close()

	type user struct{ Name string }
	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		ada := p.Post("/users", parallel.JSON(user{"Ada"}))
		bob := p.Post("/users", parallel.JSON(user{"Bob"}))
		for _, h := range []*pending.Pending{ada, bob} {
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
	// created Ada
	// created Bob
}

// Put sends a whole resource, here a text.
func ExampleParallel_Put() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s: %s", r.Method, r.URL.Path, text)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Put(srv.URL+"/notes/7", parallel.Body("text/plain", strings.NewReader("buy milk"))).Bytes()
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
	// PUT /notes/7: buy milk
}

// Patch sends a change of a resource, here of one field.
func ExampleParallel_Patch() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s: %s", r.Method, r.URL.Path, change)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		change := map[string]string{"email": "ada@example.com"}
		text, err := p.Patch(srv.URL+"/users/7", parallel.JSON(change)).Bytes()
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
	// PATCH /users/7: {"email":"ada@example.com"}
}

// Delete deletes a resource. The block ends without waiting for requests, so
// the loop waits for all of them.
func ExampleParallel_Delete() {
	var deleted atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			deleted.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for id := range 3 {
			p.Delete(fmt.Sprintf("/carts/%d", id))
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(deleted.Load(), "deleted")
	// Output:
	// 3 deleted
}

// Do sends a request with any method and body. It sends a copy, so the request
// can be passed many times.
func ExampleParallel_Do() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "copy: ")
		io.Copy(w, r.Body)
	}))
	defer srv.Close()

	req, err := http.NewRequest("REPORT", srv.URL, strings.NewReader("<query/>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Do(req)
		p.Do(req, parallel.Query("again", "true"))
		for h := range p.Arrivals() {
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
	// copy: <query/>
	// copy: <query/>
}

// Go returns one handle for a sequence of requests. Here each function makes
// two requests, the second of which needs the result of the first.
func ExampleParallel_Go() {
	mux := http.NewServeMux()
	mux.HandleFunc("/users/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"avatar": "%s.png"}`, r.PathValue("name"))
	})
	mux.HandleFunc("/images/{file}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the picture %s", r.PathValue("file"))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	avatar := func(name string) func(*parallel.Parallel) (*http.Response, error) {
		return func(p *parallel.Parallel) (*http.Response, error) { // p is its own block
			var user struct{ Avatar string }
			if err := p.Get("/users/" + url.PathEscape(name)).JSON(&user); err != nil {
				return nil, err
			}
			return p.Get("/images/" + url.PathEscape(user.Avatar)).Response()
		}
	}
	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		ada, bob := p.Go(avatar("ada")), p.Go(avatar("bob"))
		for _, h := range []*pending.Pending{ada, bob} {
			picture, err := h.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", picture)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the picture ada.png
	// the picture bob.png
}

// Go returns a handle for work whose result is not a response. Here a row of a
// database is read beside a request. As returns both results.
func ExampleGo() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"cents": 250}`)
	}))
	defer srv.Close()

	type product struct{ Name string }
	type price struct{ Cents int }
	query := func(ctx context.Context, id int) (product, error) { // of a database
		return product{Name: "apple"}, ctx.Err()
	}

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		row := parallel.Go(p, func(p *parallel.Parallel) (product, error) { return query(p.Context(), 7) })
		cost := p.Get(srv.URL + "/prices/7")

		item, err := pending.As[product](row)
		if err != nil {
			return err
		}
		due, err := pending.As[price](cost)
		if err != nil {
			return err
		}
		fmt.Println(item.Name, due.Cents)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// apple 250
}

// A function started with Go can do work before its request that may fail, such
// as opening a file. The error is then the error of the handle.
func ExampleParallel_Go_upload() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s: %d bytes", r.URL.Path, n)
	}))
	defer srv.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("hello"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	upload := func(name string) func(*parallel.Parallel) (*http.Response, error) {
		return func(p *parallel.Parallel) (*http.Response, error) {
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			// The request closes f, sent or not.
			return p.Put("/files/"+url.PathEscape(name), parallel.Body("text/plain", f)).Response()
		}
	}
	storage := client.Client{BaseURL: srv.URL}
	err = storage.Parallel(context.Background(), func(p *parallel.Parallel) error {
		there, missing := p.Go(upload("a.txt")), p.Go(upload("b.txt"))
		text, err := there.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		_, err = missing.Bytes()
		fmt.Println("b.txt is missing:", errors.Is(err, fs.ErrNotExist))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /files/a.txt: 5 bytes
	// b.txt is missing: true
}

// Next returns the response that completes first.
func ExampleParallel_Next() {
	first := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-first })
	mux.HandleFunc("/fast", func(w http.ResponseWriter, r *http.Request) {})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Get(srv.URL + "/slow")
		p.Get(srv.URL + "/fast")

		resp, err := p.Next()
		close(first)
		if err != nil {
			return err
		}
		fmt.Println(resp.Request.URL.Path)

		resp, err = p.Next()
		if err != nil {
			return err
		}
		fmt.Println(resp.Request.URL.Path)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /fast
	// /slow
}

// This loop waits for all responses. It skips a handle whose result was
// requested before.
func ExampleParallel_HasPending() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		settings := p.Get(srv.URL + "/settings")
		for n := range 3 {
			p.Get(fmt.Sprintf("%s/%d", srv.URL, n))
		}
		if _, err := settings.Bytes(); err != nil {
			return err
		}
		for p.HasPending() {
			resp, err := p.Next()
			if err != nil {
				return err
			}
			fmt.Println(resp.Request.URL.Path, resp.Status)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// /0 200 OK
	// /1 200 OK
	// /2 200 OK
}

// Arrivals yields each handle when it is done. A map keyed by handles tells
// which request it is.
func ExampleParallel_Arrivals() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"celsius": %d}`, len(r.URL.Query().Get("city")))
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		cities := make(map[*pending.Pending]string)
		for _, city := range []string{"Oslo", "Bamako", "Kathmandu"} {
			cities[p.Get(srv.URL, parallel.Query("city", city))] = city
		}
		for h := range p.Arrivals() {
			var weather struct{ Celsius int }
			if err := h.JSON(&weather); err != nil {
				fmt.Println(cities[h], "is not known:", err)
				continue
			}
			fmt.Println(cities[h], weather.Celsius)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// Oslo 4
	// Bamako 6
	// Kathmandu 9
}

// Requests for orders that come from a channel. A function receives the orders
// and makes the requests in the outer block, whose loop reads the responses.
// The loop ends when the function has returned and every response was read.
// (The loop of Each would not yield a response while it waits for an order.)
func ExampleParallel_Arrivals_channel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "shipped ", r.URL.Query().Get("order"))
	}))
	defer srv.Close()

	orders := make(chan string)
	go func() {
		defer close(orders)
		for _, order := range []string{"apples", "pears", "plums"} {
			orders <- order
		}
	}()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		receiver := parallel.Go(p, func(own *parallel.Parallel) (count int, err error) {
			for {
				select {
				case order, ok := <-orders:
					if !ok {
						return count, nil
					}
					p.Post(srv.URL, parallel.Query("order", order))
					count++
				case <-own.Context().Done():
					return count, context.Cause(own.Context())
				}
			}
		})
		for h := range p.Arrivals() {
			if h == receiver {
				count, err := pending.As[int](h)
				if err != nil {
					return err
				}
				fmt.Println(count, "orders")
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
	// Unordered output:
	// 3 orders
	// shipped apples
	// shipped pears
	// shipped plums
}

// The block's context is for other work in the block, such as a database query.
// It ends with the block.
func ExampleParallel_Context() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()

	query := func(ctx context.Context) error { // takes long
		<-ctx.Done()
		return context.Cause(ctx)
	}
	var count *pending.Pending
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		count = p.Go(func(p *parallel.Parallel) (*http.Response, error) {
			return nil, query(p.Context())
		})
		_, err := p.Get(srv.URL).Bytes()
		return err // the block ends the query and waits for it
	})
	var status *pending.StatusError
	fmt.Println("not found:", errors.As(err, &status))
	_, err = count.Response()
	fmt.Println("count:", err)
	// Output:
	// not found: true
	// count: the block has ended
}

// Stats returns the number of requests in each state, for a progress bar or a
// log.
func ExampleParallel_Stats() {
	open := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-open }))
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL, Limit: 2}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 5 {
			p.Get("/")
		}
		p.Get("http://example.com:port") // fails at once
		fmt.Printf("%+v\n", p.Stats())
		close(open)
		for range p.Arrivals() {
		}
		fmt.Printf("%+v\n", p.Stats())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {Queued:3 InFlight:2 Done:1 Failed:1}
	// {Queued:0 InFlight:0 Done:6 Failed:1}
}

// A request is queued, in flight, or done. The sum is the number of requests
// made.
func ExampleStats() {
	progress := func(s parallel.Stats) string {
		made := s.Queued + s.InFlight + s.Done
		return fmt.Sprintf("%d of %d done, %d failed", s.Done, made, s.Failed)
	}
	fmt.Println(progress(parallel.Stats{Queued: 90, InFlight: 10, Done: 23, Failed: 1}))
	// Output:
	// 23 of 123 done, 1 failed
}

// An Option can change any part of a request, its Timeout included. If it
// returns an error, the request is not sent, and its handle reports the error.
func ExampleRequest() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, X-Report: %s", r.URL, r.Header.Get("X-Report"))
	}))
	defer srv.Close()

	// report sets the year of a report, which may take minutes.
	report := func(year int) parallel.Option {
		return func(r *parallel.Request) error {
			if year < 2000 {
				return fmt.Errorf("there are no reports of %d", year)
			}
			r.URL = r.URL.JoinPath(fmt.Sprint(year))
			r.Header.Set("X-Report", "full")
			r.Timeout = 5 * time.Minute
			return nil
		}
	}
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		good, bad := p.Get(srv.URL+"/reports", report(2024)), p.Get(srv.URL+"/reports", report(1924))
		text, err := good.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		_, err = bad.Bytes()
		fmt.Println(errors.Unwrap(err)) // without the URL
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /reports/2024, X-Report: full
	// request not sent: there are no reports of 1924
}

// Options are values. They can be named, kept in a slice, and used for many
// requests.
func ExampleOption() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s in %s", r.URL, r.Header.Get("Accept-Language"))
	}))
	defer srv.Close()

	language := func(tag string) parallel.Option { return parallel.Header("Accept-Language", tag) }
	search := []parallel.Option{language("eo"), parallel.Query("sort", "date")}

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		news, blog := p.Get(srv.URL+"/news", search...), p.Get(srv.URL+"/blog", search...)
		for _, h := range []*pending.Pending{news, blog} {
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
	// /news?sort=date in eo
	// /blog?sort=date in eo
}

// An Option of your own may apply others. This one sends a form with a file, as
// multipart/form-data. Each request that it is used for has its own body, which
// can be sent again.
func ExampleOption_multipart() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("picture")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		content, _ := io.ReadAll(file)
		fmt.Fprintf(w, "%s: %s has %q", r.FormValue("title"), header.Filename, content)
	}))
	defer srv.Close()

	upload := func(title, name string, picture []byte) parallel.Option {
		return func(r *parallel.Request) error {
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			if err := w.WriteField("title", title); err != nil {
				return err
			}
			part, err := w.CreateFormFile("picture", name)
			if err != nil {
				return err
			}
			part.Write(picture)
			if err := w.Close(); err != nil {
				return err
			}
			return parallel.Body(w.FormDataContentType(), &form)(r)
		}
	}
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Post(srv.URL, upload("Sunset", "sunset.png", []byte("red"))).Bytes()
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
	// Sunset: sunset.png has "red"
}

// Header sets a header of one request, in place of the client's.
func ExampleHeader() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, to %s", r.Header.Get("Accept"), r.Host)
	}))
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL, Header: http.Header{"Accept": {"application/json"}}}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Get("/table",
			parallel.Header("Accept", "text/csv"),
			parallel.Header("Host", "data.example.com"),
		).Bytes()
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
	// text/csv, to data.example.com
}

// Query adds escaped parameters to the query of the URL.
func ExampleQuery() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.RawQuery)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Get(srv.URL+"/search?lang=en",
			parallel.Query("q", "fish & chips"),
			parallel.Query("tag", "food"),
			parallel.Query("tag", "uk"),
		).Bytes()
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
	// lang=en&q=fish+%26+chips&tag=food&tag=uk
}

// Body sends what a reader returns. With a strings.Reader, one option can be
// used for many requests.
func ExampleBody() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s to %s: %d bytes", r.Header.Get("Content-Type"), r.URL.Path, n)
	}))
	defer srv.Close()

	logo := parallel.Body("image/svg+xml", strings.NewReader("<svg/>"))
	servers := client.Client{BaseURL: srv.URL}
	err := servers.Parallel(context.Background(), func(p *parallel.Parallel) error {
		east, west := p.Put("/east/logo.svg", logo), p.Put("/west/logo.svg", logo)
		for _, h := range []*pending.Pending{east, west} {
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
	// image/svg+xml to /east/logo.svg: 6 bytes
	// image/svg+xml to /west/logo.svg: 6 bytes
}

// JSON encodes a value as the body. If it cannot be encoded, the handle reports
// the error.
func ExampleJSON() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: ", r.Header.Get("Content-Type"))
		io.Copy(w, r.Body)
	}))
	defer srv.Close()

	type order struct {
		Item  string `json:"item"`
		Count any    `json:"count"`
	}
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		good := p.Post(srv.URL, parallel.JSON(order{"tea", 2}))
		bad := p.Post(srv.URL, parallel.JSON(order{"milk", make(chan int)}))
		text, err := good.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		_, err = bad.Bytes()
		var unsupported *json.UnsupportedTypeError
		fmt.Println(errors.As(err, &unsupported))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// application/json: {"item":"tea","count":2}
	// true
}

// Form sends values as a browser sends a form.
func ExampleForm() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s is %s", r.PostFormValue("name"), r.PostFormValue("age"))
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Post(srv.URL, parallel.Form(url.Values{"name": {"Ada"}, "age": {"36"}})).Bytes()
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
	// Ada is 36
}

// Timeout limits the time of one request, from when it is sent to the last byte
// of its body. The time in the queue does not count.
func ExampleTimeout() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // never responds
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL, parallel.Timeout(500*time.Millisecond)).Bytes()
		return err
	})
	fmt.Println(errors.Unwrap(err))
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// context deadline exceeded (Timeout of 500ms)
	// true
}

// Stall and a negative Timeout let a download take as long as it needs, unless
// no byte comes for a minute.
func ExampleStall() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		sum := sha256.New()
		_, err := p.Get(srv.URL, parallel.To(sum), parallel.Timeout(-1), parallel.Stall(time.Minute)).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%x\n", sum.Sum(nil)[:4])
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 8f990ba0
}

// After delays a request, which is not sent if it is canceled first. Here the
// second source is used only if the first has not responded within a minute.
func ExampleAfter() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "from %s", r.URL.Path)
	}))
	defer srv.Close()

	sources := client.Client{BaseURL: srv.URL}
	err := sources.Parallel(context.Background(), func(p *parallel.Parallel) error {
		first, second := p.Get("/first"), p.Get("/second", parallel.After(time.Minute))
		text, err := pending.Race(first, second).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		_, err = second.Response()
		fmt.Println("second sent:", !errors.Is(err, pending.ErrNotSent))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// from /first
	// second sent: false
}

// File writes the body of a 2xx response to a file, without keeping it in
// memory. The file gets its name only when it is whole.
func ExampleFile() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}))
	defer srv.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	name := filepath.Join(dir, "large")
	err = client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL, parallel.File(name), parallel.Timeout(time.Hour)).Bytes() // no bytes: the file has them
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := os.Stat(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Size(), "bytes")
	// Output:
	// 1048576 bytes
}

// Each and Ordered start a bounded number of downloads ahead, and open only as
// many files as there are requests in flight.
func ExampleFile_many() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/films/3" {
			http.NotFound(w, r)
			return
		}
		w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}))
	defer srv.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	library := client.Client{BaseURL: srv.URL, Limit: 4, Timeout: time.Hour}
	err = library.Parallel(context.Background(), func(p *parallel.Parallel) error {
		path := func(film string) string { return filepath.Join(dir, film) }
		download := func(film string) *pending.Pending {
			return p.Get("/films/"+url.PathEscape(film), parallel.File(path(film)))
		}
		films := slices.Values([]string{"1", "2", "3", "4"})
		for film, h := range parallel.Ordered(p, films, download) {
			if _, err := h.Bytes(); err != nil { // requires 2xx; the file has the bytes
				fmt.Println(film, "failed:", errors.As(err, new(*pending.StatusError)))
				continue
			}
			info, err := os.Stat(path(film))
			if err != nil {
				return err
			}
			fmt.Println(film, info.Size(), "bytes")
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 1048576 bytes
	// 2 1048576 bytes
	// 3 failed: true
	// 4 1048576 bytes
}

// To writes the body to any writer as it comes, here to a hash.
func ExampleTo() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "abc")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		sum := sha256.New()
		if _, err := p.Get(srv.URL, parallel.To(sum)).Bytes(); err != nil { // no bytes: sum has seen them
			return err
		}
		fmt.Printf("%.8x\n", sum.Sum(nil))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// ba7816bf8f01cfea
}

// Retry decides for one request whether it is sent again. Here the server
// responds 202 until a report is ready.
func ExampleRetry() {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		fmt.Fprint(w, "the report")
	}))
	defer srv.Close()

	untilReady := parallel.Retry(func(a parallel.Attempt) (time.Duration, bool) {
		return 10 * time.Millisecond, a.Err == nil && a.Response.StatusCode == http.StatusAccepted
	})
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Get(srv.URL, untilReady).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s, after %d requests\n", text, calls.Load())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the report, after 3 requests
}

// An Attempt describes one send of a request. Here a Retry function logs each
// attempt, and leaves the decision to Retries.
func ExampleAttempt() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer srv.Close()

	usual := parallel.Retries(2)
	cfg := parallel.Config{Retry: func(a parallel.Attempt) (time.Duration, bool) {
		pause, again := usual(a)
		fmt.Println("attempt", a.N, a.Response.Status, "again:", again)
		return pause, again
	}}
	err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL).Response()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// attempt 1 429 Too Many Requests again: true
	// attempt 2 429 Too Many Requests again: true
	// attempt 3 429 Too Many Requests again: false
}

// Later sets a host aside. Here Wait allows one request each 10 milliseconds,
// and no request waits with a slot.
func ExampleLater() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()

	var mu sync.Mutex
	var next time.Time // when the next request may be sent
	pace := func(*http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		if d := time.Until(next); d > 0 {
			return parallel.Later(d)
		}
		next = time.Now().Add(10 * time.Millisecond)
		return nil
	}
	start := time.Now()
	err := parallel.Run(context.Background(), parallel.Config{Wait: pace}, func(p *parallel.Parallel) error {
		for range 4 {
			p.Get(srv.URL)
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("paced:", time.Since(start) >= 30*time.Millisecond)
	// Output:
	// paced: true
}

// Limits are shared by several blocks. Here two blocks run at the same time,
// and one request at a time is in flight.
func ExampleLimits() {
	var inFlight, most atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := inFlight.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(time.Millisecond)
		inFlight.Add(-1)
	}))
	defer srv.Close()

	cfg := parallel.Config{Shared: parallel.NewLimits(1, 0)}
	var blocks sync.WaitGroup
	for range 2 {
		blocks.Go(func() {
			err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
				_, err := pending.All(p.Get(srv.URL), p.Get(srv.URL))
				return err
			})
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	blocks.Wait()
	fmt.Println("most in flight:", most.Load())
	// Output:
	// most in flight: 1
}

// NewLimits takes the limit for all requests and the limit for each host. 0
// means no limit.
func ExampleNewLimits() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	shared := parallel.NewLimits(200, 20) // used by all blocks of the program
	cfg := parallel.Config{Limit: 50, Shared: shared}
	err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
		text, err := p.Get(srv.URL).Bytes()
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
	// hello
}

// Set changes the limits while blocks use them. Here a second request can be
// sent only when the limit is raised.
func ExampleLimits_Set() {
	second := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/second" {
			close(second)
		}
		<-second
	}))
	defer srv.Close()

	shared := parallel.NewLimits(1, 0)
	cfg := parallel.Config{Shared: shared}
	err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
		hs := []*pending.Pending{p.Get(srv.URL + "/first"), p.Get(srv.URL + "/second")}
		fmt.Println("queued:", p.Stats().Queued)
		shared.Set(2, 0)
		_, err := pending.All(hs...)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("done:", shared.Stats().Done)
	// Output:
	// queued: 1
	// done: 2
}

// Stats counts the requests of all blocks that share the Limits, including
// blocks that have ended.
func ExampleLimits_Stats() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()

	shared := parallel.NewLimits(10, 0)
	for range 3 {
		cfg := parallel.Config{Shared: shared}
		err := parallel.Run(context.Background(), cfg, func(p *parallel.Parallel) error {
			_, err := pending.All(p.Get(srv.URL), p.Get(srv.URL))
			return err
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("%+v\n", shared.Stats())
	// Output:
	// {Queued:0 InFlight:0 Done:6 Failed:0}
}

// Each runs any number of items through the block and yields them in order of
// completion. At most Limit requests are in flight. A failure concerns one item
// only.
func ExampleEach() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stock/plum" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, len(r.URL.Path))
	}))
	defer srv.Close()

	skus := slices.Values([]string{"apple", "plum", "pear", "quince", "50% off"})
	stock := client.Client{BaseURL: srv.URL, Limit: 2}
	err := stock.Parallel(context.Background(), func(p *parallel.Parallel) error {
		get := func(sku string) *pending.Pending { return p.Get("/stock/" + url.PathEscape(sku)) }
		for sku, h := range parallel.Each(p, skus, get) {
			var count int
			err := h.JSON(&count)
			fmt.Printf("%s: %d, failed: %t\n", sku, count, err != nil)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// apple: 12, failed: false
	// plum: 0, failed: true
	// pear: 11, failed: false
	// quince: 13, failed: false
	// 50% off: 14, failed: false
}

// Breaking out of the loop cancels the requests that are not done. Here the
// loop looks for the first of many numbers that is a hit.
func ExampleEach_break() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/3" {
			<-r.Context().Done() // until it is canceled
			return
		}
		fmt.Fprint(w, "a hit")
	}))
	defer srv.Close()

	numbers := func(yield func(int) bool) { // endless
		for n := 0; yield(n); n++ {
		}
	}
	site := client.Client{BaseURL: srv.URL, Limit: 10}
	err := site.Parallel(context.Background(), func(p *parallel.Parallel) error {
		get := func(n int) *pending.Pending { return p.Get(fmt.Sprintf("/%d", n)) }
		for n, h := range parallel.Each(p, numbers, get) {
			text, err := h.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%d is %s\n", n, text)
			break
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 is a hit
}

// Ordered yields the items in their own order. Here the last item completes
// first, and is yielded last.
func ExampleOrdered() {
	third := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/3" {
			defer close(third)
		} else {
			<-third
		}
		fmt.Fprintf(w, "page %s", strings.TrimPrefix(r.URL.Path, "/"))
	}))
	defer srv.Close()

	site := client.Client{BaseURL: srv.URL, Limit: 10}
	err := site.Parallel(context.Background(), func(p *parallel.Parallel) error {
		pages := slices.Values([]int{1, 2, 3})
		get := func(n int) *pending.Pending { return p.Get(fmt.Sprintf("/%d", n)) }
		for _, h := range parallel.Ordered(p, pages, get) {
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
	// page 1
	// page 2
	// page 3
}

// DialContext wraps the dial function of a custom transport, so that a dial
// ends with its request. Here the dial function connects to one address,
// whatever the host.
func ExampleDialContext() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s", r.Host)
	}))
	defer srv.Close()

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	transport.DialContext = parallel.DialContext(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	})
	staging := client.Client{BaseURL: "http://shop.example.com", HTTP: &http.Client{Transport: transport}}
	err := staging.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := p.Get("/").Bytes()
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
	// this is shop.example.com
}

// ErrEnded is the error of requests that were pending when their block ended,
// and of requests made after that. The handle and the block remain usable.
func Example_errEnded() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // until it is canceled
	}))
	defer srv.Close()

	var block *parallel.Parallel
	var h *pending.Pending
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		block, h = p, p.Get(srv.URL)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}

	_, err = h.Response()
	fmt.Println("was pending:", errors.Is(err, parallel.ErrEnded), errors.Is(err, context.Canceled))
	_, err = block.Get(srv.URL).Response()
	fmt.Println("came too late:", errors.Is(err, parallel.ErrEnded), errors.Is(err, pending.ErrNotSent))
	// Output:
	// was pending: true true
	// came too late: true true
}

// Next returns ErrNonePending when every handle is claimed. Use it to end a
// loop if several goroutines call Next: between HasPending and Next, another
// goroutine may take the last response.
func Example_errNonePending() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 10 {
			p.Get(srv.URL)
		}
		var taken atomic.Int32
		take := func() {
			for {
				resp, err := p.Next()
				if errors.Is(err, parallel.ErrNonePending) {
					return
				}
				if err == nil && resp.StatusCode == http.StatusOK {
					taken.Add(1)
				}
			}
		}
		other := make(chan struct{})
		go func() {
			defer close(other)
			take()
		}()
		take()
		<-other
		fmt.Println(taken.Load())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 10
}

// Take decides by the headers. This crawler reads pages of at most 1 MiB, and
// refuses everything else unread.
func ExampleTake() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/manual" {
			w.Header().Set("Content-Type", "application/pdf")
			w.Write(make([]byte, 20<<20))
			return
		}
		fmt.Fprint(w, "<html>Welcome</html>")
	}))
	defer srv.Close()

	errNoPage := errors.New("no page")
	pages := parallel.Take(func(resp *http.Response) (io.Writer, error) {
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			return nil, errNoPage // nothing of the body is read
		}
		return nil, nil // the body is kept in memory
	})
	crawler := client.Client{BaseURL: srv.URL, MaxBody: 1 << 20}
	err := crawler.Parallel(context.Background(), func(p *parallel.Parallel) error {
		home, manual := p.Get("/", pages), p.Get("/manual", pages)
		page, err := home.Bytes()
		fmt.Println(string(page), err)
		_, err = manual.Bytes()
		fmt.Println(errors.Is(err, errNoPage))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// <html>Welcome</html> <nil>
	// true
}

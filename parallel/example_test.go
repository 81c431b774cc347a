package parallel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Run opens a block without package client: for instance with the http.Client of
// an httptest server. Package client has defaults that suit most programs.
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

// A Config says how the block's requests are sent, and what their URLs stand for:
// here by the names of a registry of services.
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

// What a block is for: requests are made, and are on their way at once; their
// results are asked for where they are needed.
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

// Get neither blocks nor fails: what is wrong with a request comes out of its
// handle.
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

// Do takes a request of one's own. It is copied, so it can be passed many times;
// its own context ends it alone.
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

// Go makes one handle of a sequence of requests: here of two that need each other,
// for each of several users at once.
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
		return func(p *parallel.Parallel) (*http.Response, error) { // a block of its own
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

// A request whose making can fail, as an upload whose file cannot be opened, goes
// into a function: its error is the handle's, beside those of the others.
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
		answer, err := there.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
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

// Next returns what came first, whichever that is.
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

// The loop that waits for everything. A handle that was asked for its response is
// not among what is pending any more.
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

// Arrivals gives the handles as they settle, so that what belongs to a request can
// be found again.
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

// The block's context is for other work in the block, say a query of a database.
// Like a request, it ends with the block at the latest.
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
		return err // leaving ends the query, and waits for it
	})
	var status *pending.StatusError
	fmt.Println("not found:", errors.As(err, &status))
	_, err = count.Response()
	fmt.Println("count:", err)
	// Output:
	// not found: true
	// count: the block has ended
}

// How the requests stand, at any moment and from any goroutine: for a progress
// bar, or a log.
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

// Stats add up: what was made is queued, in flight, or done.
func ExampleStats() {
	progress := func(s parallel.Stats) string {
		made := s.Queued + s.InFlight + s.Done
		return fmt.Sprintf("%d of %d done, %d failed", s.Done, made, s.Failed)
	}
	fmt.Println(progress(parallel.Stats{Queued: 90, InFlight: 10, Done: 23, Failed: 1}))
	// Output:
	// 23 of 123 done, 1 failed
}

// An option of one's own may change anything about a request, its time and
// delay included. Its error is the request's, which then is not sent.
func ExampleRequest() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, X-Report: %s", r.URL, r.Header.Get("X-Report"))
	}))
	defer srv.Close()

	// A report takes long to make, and has to say of what year it is.
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

// Options are values: they have names, and are kept together and used again.
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

// Query adds parameters, escaped, to what the URL has already.
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

// Body sends what a reader gives. What is in memory already can be sent many
// times, also with one option; any other reader is good for one request.
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

// JSON encodes a value for a body. What cannot be encoded is the request's error.
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

// Form sends values as a form in a browser does.
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

// Timeout gives one request a time of its own. It runs from the sending, not while
// the request waits for its turn, to the last byte of the body.
func ExampleTimeout() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // never answers
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL, parallel.Timeout(20*time.Millisecond)).Bytes()
		return err
	})
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
}

// After has a request sent later, and not at all if it is cancelled first: here
// the second source is asked only if the first has not answered within a minute.
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

// To streams the body of a 2xx response to a writer, in place of memory: for what
// is large. The file has its name only once it is whole.
func ExampleTo() {
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
	download := func(p *parallel.Parallel) error {
		part, err := os.Create(name + ".part")
		if err != nil {
			return err
		}
		_, err = p.Get(srv.URL, parallel.To(part), parallel.Timeout(time.Hour)).Bytes() // no bytes: part has them
		if err := errors.Join(err, part.Close()); err != nil {
			return errors.Join(err, os.Remove(part.Name()))
		}
		return os.Rename(part.Name(), name)
	}
	if err := client.Parallel(context.Background(), download); err != nil {
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

// Each takes any number of items through the block, results as they arrive, at most
// the client's Limit in flight and twice that in memory. A failure is one item's.
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

// Leaving the loop cancels what it started and has no need of any more: here the
// first of many numbers that is a hit.
func ExampleEach_leaving() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/3" {
			<-r.Context().Done() // until it is cancelled
			return
		}
		fmt.Fprint(w, "a hit")
	}))
	defer srv.Close()

	numbers := func(yield func(int) bool) { // without an end
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

// Ordered yields the items in their own order. The last one answers first here, and
// waits for the others.
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

// A transport that dials in a way of its own, here to one address whatever the host
// is called. Through DialContext such dials, too, end with the requests they are for.
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

// ErrEnded is what became of a request that was pending when its block was left. Its
// handle may be kept and asked at any time, and so may the block.
func Example_errEnded() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // until it is cancelled
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

// ErrNonePending ends a loop in which several goroutines share the arrivals: one of
// them may take the last response between HasPending and Next.
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

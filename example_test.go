package abreast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Two concurrent requests, and the result of each.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"name": %q}`, r.URL.Path)
	}))
	defer srv.Close()

	ctx := context.Background()
	userURL, cartURL := srv.URL+"/user/7", srv.URL+"/cart/7"
	var u, c struct{ Name string }

	err := client.Parallel(ctx, func(p *parallel.Parallel) error {
		user, cart := p.Get(userURL), p.Get(cartURL) // returns handles without waiting
		if err := user.JSON(&u); err != nil {        // waits for this one
			return err
		}
		if err := cart.JSON(&c); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(u.Name, "and", c.Name)
	// Output:
	// /user/7 and /cart/7
}

// Nine requests, and each response as soon as it is complete, in any order.
func Example_asTheyArrive() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tiles/5" {
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for n := range 9 {
			p.Get(fmt.Sprintf("%s/tiles/%d", srv.URL, n+1))
		}
		for p.HasPending() {
			resp, err := p.Next()
			if err != nil {
				fmt.Println(err) // this one failed; the others continue
				continue
			}
			fmt.Println(resp.Request.URL.Path, resp.Status)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// /tiles/1 200 OK
	// /tiles/2 200 OK
	// /tiles/3 200 OK
	// /tiles/4 200 OK
	// /tiles/5 404 Not Found
	// /tiles/6 200 OK
	// /tiles/7 200 OK
	// /tiles/8 200 OK
	// /tiles/9 200 OK
}

// Several requests under a base URL. All returns their responses in the order
// of its arguments. It fails if a request has no response, and accepts any
// status.
func Example_all() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/users/7" && r.URL.Path != "/v2/offers" {
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()

	for _, base := range []string{
		srv.URL + "/v2",
		"http://127.0.0.1:1", // nobody listens here
	} {
		api := client.Client{BaseURL: base}
		err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
			var handles []*pending.Pending
			for _, path := range []string{"/users/7", "/carts/7", "/offers"} {
				handles = append(handles, p.Get(path))
			}
			resps, err := pending.All(handles...)
			if err != nil {
				return err
			}
			user, cart, offers := resps[0], resps[1], resps[2]
			fmt.Println("user:", user.Status)
			fmt.Println("cart:", cart.Status)
			fmt.Println("offers:", offers.Status)
			return nil
		})
		var network *url.Error
		if errors.As(err, &network) {
			fmt.Println("no response from", strings.TrimPrefix(base, "http://"))
		}
	}
	// Output:
	// user: 200 OK
	// cart: 404 Not Found
	// offers: 200 OK
	// no response from 127.0.0.1:1
}

// A struct that is filled from five handles. Four responses are decoded into
// its fields, and a function beside them returns the fifth. The first error
// ends the block, and so cancels the other requests.
func Example_byName() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/user":
			fmt.Fprint(w, `{"name": "Ada"}`)
		case "/cart", "/orders":
			fmt.Fprint(w, `["apples", "pears"]`)
		default:
			fmt.Fprint(w, `42`)
		}
	}))
	defer srv.Close()

	var page struct {
		User         struct{ Name string }
		Cart, Orders []string
		Points       int
		Greeting     string
	}
	shop := client.Client{BaseURL: srv.URL}
	err := shop.Parallel(context.Background(), func(p *parallel.Parallel) (err error) {
		greeting := parallel.Go(p, func(*parallel.Parallel) (string, error) { return "Good morning", nil })
		for h, field := range map[*pending.Pending]any{
			p.Get("/user"):   &page.User,
			p.Get("/cart"):   &page.Cart,
			p.Get("/orders"): &page.Orders,
			p.Get("/points"): &page.Points,
		} {
			if err := h.JSON(field); err != nil {
				return err
			}
		}
		page.Greeting, err = pending.As[string](greeting)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%+v\n", page)
	// Output:
	// {User:{Name:Ada} Cart:[apples pears] Orders:[apples pears] Points:42 Greeting:Good morning}
}

// A map of products that are fetched concurrently. Each has an outcome of its
// own: a failure of one does not hide the others.
func Example_inventory() {
	mux := http.NewServeMux()
	mux.HandleFunc("/apples", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"count": 12}`)
	})
	mux.HandleFunc("/bananas", http.NotFound)
	mux.HandleFunc("/cherries", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<h1>Welcome</h1>`)
	})
	mux.HandleFunc("/dates", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // never answers
	})
	mux.HandleFunc("/figs", func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler) // the connection breaks
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	type outcome struct {
		Count int
		Err   error
	}
	inventory := make(map[string]outcome)
	stock := client.Client{BaseURL: srv.URL}
	err := stock.Parallel(context.Background(), func(p *parallel.Parallel) error {
		handles := map[string]*pending.Pending{
			"apples":       p.Get("/apples"),
			"bananas":      p.Get("/bananas"),
			"cherries":     p.Get("/cherries"),
			"dates":        p.Get("/dates", parallel.Timeout(20*time.Millisecond)),
			"elderberries": p.Get("http://127.0.0.1:1/elderberries"), // nobody listens here
			"figs":         p.Get("/figs"),
		}
		for name, h := range handles {
			var o outcome
			o.Err = h.JSON(&o)
			inventory[name] = o
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, name := range slices.Sorted(maps.Keys(inventory)) {
		o := inventory[name]
		var (
			status *pending.StatusError
			syntax *json.SyntaxError
		)
		switch {
		case o.Err == nil:
			fmt.Println(name, "in stock:", o.Count)
		case errors.As(o.Err, &status):
			fmt.Println(name, "answered", status.Response.Status)
		case errors.As(o.Err, &syntax):
			fmt.Println(name, "answered with something other than JSON")
		case errors.Is(o.Err, context.DeadlineExceeded):
			fmt.Println(name, "took too long")
		case errors.Is(o.Err, pending.ErrNotSent):
			fmt.Println(name, "could not be reached: safe to send again")
		default:
			fmt.Println(name, "broke off: the server may have acted")
		}
	}
	// Output:
	// apples in stock: 12
	// bananas answered 404 Not Found
	// cherries answered with something other than JSON
	// dates took too long
	// elderberries could not be reached: safe to send again
	// figs broke off: the server may have acted
}

// Any number of URLs, ten at a time, with results as they arrive. URLs are made
// as they are needed. At most twenty are in flight or waiting to be read, so
// ten thousand URLs need no more memory than a hundred.
func Example_each() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "ten bytes!")
	}))
	defer srv.Close()

	var paths iter.Seq[string] = func(yield func(string) bool) {
		for n := range 500 {
			if !yield(fmt.Sprintf("/pages/%d", n)) {
				return
			}
		}
	}
	pages, size := 0, 0
	site := client.Client{BaseURL: srv.URL, Limit: 10}
	err := site.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for path, h := range parallel.Each(p, paths, p.Get) {
			page, err := h.Bytes()
			if err != nil {
				return fmt.Errorf("after %d pages, %s: %w", pages, path, err)
			}
			pages, size = pages+1, size+len(page)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(pages, "pages,", size, "bytes")
	// Output:
	// 500 pages, 5000 bytes
}

// The same with results in the order of the URLs. A result that arrives early
// waits for those before it.
func Example_ordered() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.TrimPrefix(r.URL.Path, "/chapters/"))
	}))
	defer srv.Close()

	var book bytes.Buffer
	chapters := slices.Values([]string{"Once", "upon", "a", "time", "there", "was", "a", "queue."})
	library := client.Client{BaseURL: srv.URL, Limit: 10}
	err := library.Parallel(context.Background(), func(p *parallel.Parallel) error {
		get := func(name string) *pending.Pending { return p.Get("/chapters/" + url.PathEscape(name)) }
		for name, h := range parallel.Ordered(p, chapters, get) {
			text, err := h.Bytes()
			if err != nil {
				return fmt.Errorf("chapter %s: %w", name, err)
			}
			fmt.Fprintf(&book, "%s ", text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(book.String())
	// Output:
	// Once upon a time there was a queue.
}

// A dashboard serves a page with data from three services.
type dashboard struct {
	services *client.Client
	patience time.Duration
}

func (d dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The requests end when the caller goes away, when the time is up, or when
	// the block ends.
	ctx, cancel := context.WithTimeout(r.Context(), d.patience)
	defer cancel()

	var page struct {
		User, Cart, Offers any
		Missing            []string `json:",omitempty"`
	}
	err := d.services.Parallel(ctx, func(p *parallel.Parallel) error {
		user, cart, offers := p.Get("/user"), p.Get("/cart"), p.Get("/offers")
		if err := user.JSON(&page.User); err != nil {
			return err // there is no page without it
		}
		if err := cart.JSON(&page.Cart); err != nil {
			page.Missing = append(page.Missing, "cart")
		}
		if err := offers.JSON(&page.Offers); err != nil {
			page.Missing = append(page.Missing, "offers")
		}
		return nil
	})
	if err != nil {
		http.Error(w, "the user service does not answer", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(page)
}

// A handler that collects data from three services, under its request's context
// and a deadline. One service is late, and the page does without it.
func Example_handler() {
	services := http.NewServeMux()
	services.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `"Ada"`)
	})
	services.HandleFunc("/cart", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `["tea", "milk"]`)
	})
	services.HandleFunc("/offers", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // late
	})
	srv := httptest.NewServer(services)
	defer srv.Close()

	page := dashboard{&client.Client{BaseURL: srv.URL}, 2 * time.Second}

	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 200 {"User":"Ada","Cart":["tea","milk"],"Offers":null,"Missing":["offers"]}
}

// The same file from two mirrors. The first good response wins, and the other
// request is canceled.
func Example_race() {
	fast := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the file")
	}))
	defer fast.Close()
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	defer stuck.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		first, second := p.Get(stuck.URL+"/file"), p.Get(fast.URL+"/file")
		file, err := pending.Race(first, second).Bytes()
		if err != nil {
			return err // both mirrors' errors, joined
		}
		fmt.Printf("%s\n", file)

		_, err = first.Response()
		fmt.Println("the loser was canceled:", errors.Is(err, context.Canceled))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the file
	// the loser was canceled: true
}

// A hedged request: if there is no response after a while, the same request is
// sent a second time, and the first response wins.
func Example_hedge() {
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			<-r.Context().Done() // the first request is stuck
			return
		}
		fmt.Fprint(w, "42")
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		u := srv.URL + "/answer"
		answer, err := pending.Race(p.Get(u), p.Get(u, parallel.After(20*time.Millisecond))).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 42
}

// With Go, a resource that three requests open, use and close has one handle,
// which can take part in a Race. The winner and the loser both close what they
// opened.
func Example_resource() {
	var sessions atomic.Int32 // the number of open ones
	mirror := func(report http.HandlerFunc) *httptest.Server {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /sessions", func(w http.ResponseWriter, r *http.Request) {
			sessions.Add(1)
			fmt.Fprint(w, `{"id": "abc"}`)
		})
		mux.HandleFunc("GET /sessions/abc/report", report)
		mux.HandleFunc("DELETE /sessions/abc", func(w http.ResponseWriter, r *http.Request) {
			sessions.Add(-1)
		})
		return httptest.NewServer(mux)
	}
	busy := make(chan struct{})
	slow := mirror(func(w http.ResponseWriter, r *http.Request) {
		close(busy)
		<-r.Context().Done()
	})
	defer slow.Close()
	fast := mirror(func(w http.ResponseWriter, r *http.Request) {
		<-busy // two sessions are open now
		fmt.Fprint(w, "all is well")
	})
	defer fast.Close()

	report := func(mirror string) func(*parallel.Parallel) (*http.Response, error) {
		return func(p *parallel.Parallel) (*http.Response, error) {
			var session struct{ ID string }
			if err := p.Post(mirror + "/sessions").JSON(&session); err != nil {
				return nil, err
			}
			u := mirror + "/sessions/" + url.PathEscape(session.ID)
			defer func() {
				// The loser's block has ended and sends nothing, so use
				// another.
				err := client.Parallel(context.WithoutCancel(p.Context()), func(p *parallel.Parallel) error {
					_, err := p.Delete(u, parallel.Timeout(5*time.Second)).Bytes()
					return err
				})
				if err != nil {
					fmt.Println("a session stays open:", err)
				}
			}()
			return p.Get(u + "/report").Response()
		}
	}
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		text, err := pending.Race(p.Go(report(slow.URL)), p.Go(report(fast.URL))).Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("sessions still open:", sessions.Load())
	// Output:
	// all is well
	// sessions still open: 0
}

// An accessLog is a transport that logs the requests of another one.
type accessLog struct{ next http.RoundTripper }

func (a accessLog) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(r)
	if err != nil {
		fmt.Println(r.Method, r.URL.Path, err)
		return nil, err
	}
	fmt.Println(r.Method, r.URL.Path, resp.StatusCode)
	return resp, nil
}

// Auth adds credentials to a request just before it is sent, if the request
// goes to the client's own origin. HTTP sends the requests. Here it has a
// transport of our own, which wraps the one that is tuned for parallel
// requests.
func Example_client() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()

	token := func(context.Context) (string, error) { return "secret", nil } // from a cache or a server

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	api := client.Client{
		BaseURL: srv.URL,
		Auth: func(r *http.Request) error {
			t, err := token(r.Context())
			if err != nil {
				return err // becomes the error of the request, which is not sent
			}
			r.Header.Set("Authorization", "Bearer "+t)
			return nil
		},
		HTTP: &http.Client{Transport: accessLog{transport}},
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		me, teams := p.Get("/me"), p.Get("/teams")
		if _, err := me.Bytes(); err != nil {
			return err
		}
		_, err := teams.Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// GET /me 200
	// GET /teams 200
}

// Two lists are read concurrently, and each page names the next: requests are
// made while responses are read. A link in a page is relative to that page, and
// not to the client's BaseURL.
func Example_pagination() {
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/{list}", func(w http.ResponseWriter, r *http.Request) {
		list := r.PathValue("list")
		switch r.URL.Query().Get("page") {
		case "":
			fmt.Fprintf(w, `{"items": ["%s 1", "%[1]s 2"], "next": "/v2/%[1]s?page=2"}`, list)
		case "2":
			fmt.Fprintf(w, `{"items": ["%s 3"], "next": "/v2/%[1]s?page=3"}`, list)
		case "3":
			fmt.Fprintf(w, `{"items": ["%s 4"]}`, list)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	var items []string
	api := client.Client{BaseURL: srv.URL + "/v2"}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Get("/books")
		p.Get("/films")
		for h := range p.Arrivals() {
			resp, err := h.Response()
			if err != nil {
				return err
			}
			var page struct {
				Items []string
				Next  string
			}
			if err := h.JSON(&page); err != nil {
				return err
			}
			items = append(items, page.Items...)
			if page.Next == "" {
				continue
			}
			next, err := resp.Request.URL.Parse(page.Next)
			if err != nil {
				return err
			}
			p.Get(next.String()) // arrives in this loop
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	slices.Sort(items) // the lists arrived interleaved
	fmt.Println(strings.Join(items, "\n"))
	// Output:
	// books 1
	// books 2
	// books 3
	// books 4
	// films 1
	// films 2
	// films 3
	// films 4
}

// A crawl of a small site, four pages at a time. It fetches every page once and
// reports the broken ones.
func Example_crawl() {
	site := map[string]string{
		"/":             `<a href="/docs/">Documentation</a> <a href="about">About</a>`,
		"/about":        `<a href="/">Home</a> <a href="/team">Team</a>`,
		"/docs/":        `<a href="install">Install</a> <a href="/">Home</a>`,
		"/docs/install": `<a href="../about">About</a>`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := site[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, page)
	}))
	defer srv.Close()

	link := regexp.MustCompile(`href="([^"]*)"`)
	found := make(map[string]string) // path: status
	crawler := client.Client{Limit: 4, Header: http.Header{"User-Agent": {"crawler/1.0"}}}
	err := crawler.Parallel(context.Background(), func(p *parallel.Parallel) error {
		start := srv.URL + "/"
		seen := map[string]bool{start: true}
		p.Get(start)
		for p.HasPending() {
			resp, err := p.Next()
			if err != nil {
				return err
			}
			found[resp.Request.URL.Path] = resp.Status
			page, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			for _, match := range link.FindAllSubmatch(page, -1) {
				u, err := resp.Request.URL.Parse(string(match[1])) // relative to this page
				if err != nil || u.Host != resp.Request.URL.Host || seen[u.String()] {
					continue
				}
				seen[u.String()] = true
				p.Get(u.String())
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		fmt.Println(path, found[path])
	}
	// Output:
	// / 200 OK
	// /about 200 OK
	// /docs/ 200 OK
	// /docs/install 200 OK
	// /team 404 Not Found
}

// Client.Retry sends requests again without a loop: see the example of
// client.Client. This is a loop of your own, for example to send to another
// server. ErrNotSent means that no byte of the request was transmitted, so even
// a POST is sent again. After other failures the server may have acted. After
// the end of the block's context nothing is sent.
func Example_sendAgain() {
	var orders atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "order %d", orders.Add(1))
	}))
	defer srv.Close()

	// A network on which the first two dials fail.
	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	var dials atomic.Int32
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) <= 2 {
			return nil, errors.New("no route to host")
		}
		return dial(ctx, network, addr)
	}
	shop := client.Client{BaseURL: srv.URL, HTTP: &http.Client{Transport: transport}}

	err := shop.Parallel(context.Background(), func(p *parallel.Parallel) error {
		order := p.Post("/orders", parallel.JSON(map[string]int{"tea": 2}))
		answer, err := order.Bytes()
		for pause := 5 * time.Millisecond; pause < time.Second; pause *= 2 {
			if !errors.Is(err, pending.ErrNotSent) || p.Context().Err() != nil {
				break
			}
			answer, err = p.Do(order.Request(), parallel.After(pause)).Bytes()
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s, after %d dials\n", answer, dials.Load())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// order 1, after 3 dials
}

// Cleanup that must happen even if the context has ended. A block that has
// ended sends nothing, so the cleanup has a block of its own. Its context
// cannot be canceled, and its request has little time.
func Example_cleanUp() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	var locked atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /lock", func(w http.ResponseWriter, r *http.Request) { locked.Store(true) })
	mux.HandleFunc("DELETE /lock", func(w http.ResponseWriter, r *http.Request) { locked.Store(false) })
	mux.HandleFunc("POST /import", func(w http.ResponseWriter, r *http.Request) {
		cancel() // the user gives up
		<-r.Context().Done()
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(ctx, func(p *parallel.Parallel) (err error) {
		if _, err := p.Put("/lock").Bytes(); err != nil {
			return err
		}
		defer func() {
			unlock := api.Parallel(context.WithoutCancel(ctx), func(p *parallel.Parallel) error {
				_, err := p.Delete("/lock", parallel.Timeout(5*time.Second)).Bytes()
				return err
			})
			err = errors.Join(err, unlock)
		}()
		_, err = p.Post("/import").Bytes()
		return err
	})
	fmt.Println("canceled:", errors.Is(err, context.Canceled))
	fmt.Println("locked:", locked.Load())
	// Output:
	// canceled: true
	// locked: false
}

// canned is a transport that answers a request by its path, without a network.
type canned map[string]string

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := c[r.URL.Path]
	if !ok {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// Code that uses a client is tested with a client that sends to an httptest
// server, as in Example_handler, or to a transport with canned responses, as
// here. If time matters, see TestHandler_inFakeTime in this file.
func Example_testing() {
	services := client.Client{
		BaseURL: "http://services.test",
		HTTP:    &http.Client{Transport: canned{"/user": `"Ada"`, "/cart": `not JSON`}},
	}
	page := dashboard{&services, time.Minute} // the code under test, an http.Handler

	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 200 {"User":"Ada","Cart":null,"Offers":null,"Missing":["cart","offers"]}
}

// An offline transport passes requests to a handler without a network. It works
// in the fake time of testing/synctest, where real sockets do not.
type offline struct{ handler http.Handler }

func (o offline) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// A test in fake time: an hour passes immediately, and durations are exact.
// Here a service takes an hour, and the page is complete after two seconds.
func TestHandler_inFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `"Ada"`) })
		mux.HandleFunc("/cart", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[]`) })
		mux.HandleFunc("/offers", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Hour):
				fmt.Fprint(w, `["tea"]`)
			case <-r.Context().Done():
			}
		})
		services := client.Client{
			BaseURL: "http://services.test",
			HTTP:    &http.Client{Transport: offline{mux}},
		}
		page := dashboard{&services, 2 * time.Second}

		start := time.Now()
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))

		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the page took %v; want 2s", took)
		}
		want := `{"User":"Ada","Cart":[],"Offers":null,"Missing":["offers"]}` + "\n"
		if got := w.Body.String(); got != want {
			t.Errorf("the page is %s; want %s", got, want)
		}
	})
}

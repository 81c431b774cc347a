package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Make a client once, for example one for each API, and open its blocks where
// you need them. Fields that you leave out have defaults that suit most
// programs.
func ExampleClient() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL, r.Header.Get("User-Agent"))
	}))
	defer srv.Close()

	api := client.Client{
		BaseURL:   srv.URL + "/v2",
		Header:    http.Header{"User-Agent": {"shop/1.4"}},
		Limit:     20,              // maximum in flight in one block
		HostLimit: 10,              // maximum in flight to one host
		Timeout:   5 * time.Second, // for one request, to the end of its body
		MaxBody:   1 << 20,         // bytes of one body in memory
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		user, carts := p.Get("/users/7"), p.Get("/carts?user=7")
		for _, h := range []*pending.Pending{user, carts} {
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
	// /v2/users/7 for shop/1.4
	// /v2/carts?user=7 for shop/1.4
}

// Auth is called for each request just before it is sent, so a token is fetched
// or renewed only when it is needed. A request to another origin is sent
// without it.
func ExampleClient_auth() {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header.Get("Authorization"))
	})
	srv, elsewhere := httptest.NewServer(answer), httptest.NewServer(answer)
	defer srv.Close()
	defer elsewhere.Close()

	// Auth is called on many goroutines. OnceValues fetches the token once.
	token := sync.OnceValues(func() (string, error) { return "secret", nil })

	api := client.Client{
		BaseURL: srv.URL,
		Auth: func(r *http.Request) error {
			t, err := token()
			if err != nil {
				return err // the request fails with it, and is not sent
			}
			r.Header.Set("Authorization", "Bearer "+t)
			return nil
		},
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		here, there := p.Get("/"), p.Get(elsewhere.URL)
		a, err := here.Bytes()
		if err != nil {
			return err
		}
		b, err := there.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("here %s, elsewhere %s\n", a, b)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// here "Bearer secret", elsewhere ""
}

// A token is renewed before it expires, and after a 401. Meanwhile, the other
// requests wait for it in a select, because Auth must honor the context of its
// request. A block of its own fetches the token.
func ExampleClient_authRenewed() {
	var issued, revoked atomic.Int32 // numbers of tokens
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access_token": "%d", "expires_in": 3600}`, issued.Add(1))
	})
	mux.HandleFunc("GET /v2/{user}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == fmt.Sprint("Bearer ", revoked.Load()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "hello ", r.PathValue("user"))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	type token struct {
		Text        string `json:"access_token"`
		Seconds     int64  `json:"expires_in"`
		made, until time.Time
	}
	held := make(chan token, 1) // whoever received the token may renew it
	held <- token{}
	var refused atomic.Pointer[time.Time] // when the last request with a 401 was sent
	refused.Store(new(time.Time))
	login := client.Client{BaseURL: srv.URL}
	api := client.Client{
		BaseURL: srv.URL + "/v2",
		Auth: func(r *http.Request) error {
			var t token
			select {
			case t = <-held:
			case <-r.Context().Done():
				return r.Context().Err()
			}
			defer func() { held <- t }()
			if time.Now().After(t.until) || t.made.Before(*refused.Load()) {
				var fresh token
				err := login.Parallel(r.Context(), func(p *parallel.Parallel) error {
					return p.Post("/token").JSON(&fresh)
				})
				if err != nil {
					return err
				}
				fresh.made = time.Now()
				fresh.until = fresh.made.Add(time.Duration(fresh.Seconds)*time.Second - time.Minute)
				t = fresh
			}
			r.Header.Set("Authorization", "Bearer "+t.Text)
			return nil
		},
		Retry: func(a parallel.Attempt) (time.Duration, bool) {
			if a.N > 1 || a.Err != nil || a.Response.StatusCode != http.StatusUnauthorized {
				return 0, false
			}
			refused.Store(&a.Sent) // a token that is newer is kept
			return 0, true         // Auth is called again
		},
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for _, user := range []string{"/ada", "/bob"} {
			text, err := p.Get(user).Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%s, with token %d\n", text, issued.Load())
			revoked.Store(1)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello ada, with token 1
	// hello bob, with token 2
}

// Observe is called for every request as it is made. The function that it
// returns is called when the request is done. Use it for logs, metrics and
// spans.
func ExampleClient_observe() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	api := client.Client{
		BaseURL: srv.URL,
		Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			fmt.Println("made:", r.Method, r.URL.Path)
			return nil, func(o pending.Outcome) { // nil: no values for the request's context
				if o.Err != nil {
					fmt.Println("failed:", o.Err)
					return
				}
				fmt.Println("done:", o.Response.Status, o.Bytes, "bytes")
			}
		},
	}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		if _, err := p.Get("/greeting").Response(); err != nil {
			return err
		}
		_, err := p.Head("/greeting").Response()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// made: GET /greeting
	// done: 200 OK 5 bytes
	// made: HEAD /greeting
	// done: 200 OK 0 bytes
}

// Wait paces requests: here it lets one request go each millisecond, for each
// host. With a limiter of golang.org/x/time/rate, it is "return
// limiter.Wait(r.Context())". A request holds its slot while it waits. A
// HostLimit prevents a slow host from taking all slots. See parallel.Later for
// a Wait that holds no slot.
func ExampleClient_wait() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()

	var (
		mu    sync.Mutex
		turns = make(map[string]*time.Ticker) // by host
	)
	turnsOf := func(host string) *time.Ticker {
		mu.Lock()
		defer mu.Unlock()
		if turns[host] == nil {
			turns[host] = time.NewTicker(time.Millisecond)
		}
		return turns[host]
	}
	polite := client.Client{
		HostLimit: 5,
		Wait: func(r *http.Request) error {
			select {
			case <-turnsOf(r.URL.Host).C:
				return nil
			case <-r.Context().Done():
				return r.Context().Err()
			}
		},
	}
	err := polite.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for range 10 {
			p.Get(srv.URL)
		}
		for p.HasPending() {
			if _, err := p.Next(); err != nil {
				return err
			}
		}
		fmt.Println(p.Stats().Done, "done")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 10 done
}

// Retry sends requests again. Here the first dial is refused, so nothing was
// sent, and even a POST is sent again. The block sees one request.
func ExampleClient_retry() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))
	defer srv.Close()

	// The address of a service that is not up yet.
	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	dials := 0
	transport.DialContext = client.DialContext(func(ctx context.Context, network, _ string) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, errors.New("connection refused")
		}
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	})
	shop := client.Client{
		BaseURL: "http://shop.example.com",
		HTTP:    &http.Client{Transport: transport},
		Retry:   parallel.Retries(4),
	}
	err := shop.Parallel(context.Background(), func(p *parallel.Parallel) error {
		resp, err := p.Post("/orders", parallel.JSON(map[string]int{"tea": 2})).Response()
		if err != nil {
			return err
		}
		fmt.Println(resp.Status, "after", dials, "dials")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 201 Created after 2 dials
}

// Stall ends a request that makes no progress. Here the server sends the
// beginning of a body and then nothing. No Timeout would fit a body that may
// take a second or an hour.
func ExampleClient_stall() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the beginning of a large file")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()

	c := client.Client{Timeout: -1, Stall: 500 * time.Millisecond}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL, parallel.To(io.Discard)).Bytes()
		return err
	})
	fmt.Println(errors.Unwrap(err))
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// context deadline exceeded (Stall: no progress for 500ms)
	// true
}

// With Ahead, Ordered starts more items before it yields one. Here the first
// item completes last. By default Ordered would start four items, twice the
// Limit, and wait for the first of them.
func ExampleClient_ahead() {
	last := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/0":
			<-last // until the last item was asked for
		case "/9":
			close(last)
		}
		fmt.Fprint(w, r.URL.Path)
	}))
	defer srv.Close()

	numbers := func(yield func(int) bool) {
		for n := range 10 {
			if !yield(n) {
				return
			}
		}
	}
	site := client.Client{BaseURL: srv.URL, Limit: 2, Ahead: 100}
	err := site.Parallel(context.Background(), func(p *parallel.Parallel) error {
		get := func(n int) *pending.Pending { return p.Get(fmt.Sprint("/", n)) }
		for _, h := range parallel.Ordered(p, numbers, get) {
			text, err := h.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%s ", text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /0 /1 /2 /3 /4 /5 /6 /7 /8 /9
}

// Limit holds for each block. Shared holds over all blocks of all clients that
// have it: here five handlers at once have at most two requests in flight.
func ExampleClient_shared() {
	var now, most atomic.Int32
	two := make(chan struct{}) // closed once two requests are in flight
	closeTwo := sync.OnceFunc(func() { close(two) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 2 {
			closeTwo()
		}
		<-two
	}))
	defer srv.Close()

	limits := parallel.NewLimits(2, 0) // in total, and no limit for one host
	api := client.Client{BaseURL: srv.URL, Shared: limits}
	var handlers sync.WaitGroup
	for range 5 {
		handlers.Go(func() {
			err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
				_, err := pending.All(p.Get("/user"), p.Get("/cart"), p.Get("/stock"))
				return err
			})
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	handlers.Wait()
	fmt.Println(limits.Stats().Done, "requests, at most", most.Load(), "at once")
	// Output:
	// 15 requests, at most 2 at once
}

// Parallel returns fn's error unchanged. If fn returns at the first failure,
// the requests that are still pending are canceled. The failure of a request is
// not reported if fn does not ask for its result.
func ExampleClient_Parallel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done() // until it is canceled
			return
		}
		http.NotFound(w, r)
	}))
	defer srv.Close()

	errNoSuchUser := errors.New("no such user")
	api := client.Client{BaseURL: srv.URL}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		p.Get("/slow")
		resp, err := p.Get("/users/7").Response()
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusNotFound {
			return errNoSuchUser // /slow is canceled, and Parallel waits for it to stop
		}
		return nil
	})
	fmt.Println(err == errNoSuchUser)
	// Output:
	// true
}

// Parallel needs no client. The loop waits for all requests: when fn returns,
// those that are not done are canceled.
func ExampleParallel() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))
	defer srv.Close()

	created := 0
	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for n := range 5 {
			p.Post(srv.URL+"/orders", parallel.JSON(map[string]int{"number": n}))
		}
		for p.HasPending() {
			resp, err := p.Next()
			if err != nil {
				return err
			}
			if resp.StatusCode == http.StatusCreated {
				created++
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(created, "orders")
	// Output:
	// 5 orders
}

// This transport has the settings of the default one, and trusts another
// certificate authority.
func ExampleNewTransport() {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "trusted")
	}))
	defer srv.Close()

	authorities := x509.NewCertPool()
	authorities.AddCert(srv.Certificate())

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	transport.TLSClientConfig = &tls.Config{RootCAs: authorities}

	api := client.Client{BaseURL: srv.URL, HTTP: &http.Client{Transport: transport}}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
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
	// trusted
}

// DialContext wraps the dial function of a custom transport, so that a dial
// ends with its request. Here the dial function connects to one address for
// every host.
func ExampleDialContext() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s", r.Host)
	}))
	defer srv.Close()

	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	transport.DialContext = client.DialContext(func(ctx context.Context, network, _ string) (net.Conn, error) {
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

// As in browsers and net/http, a 301 or 302 turns a PUT, PATCH or DELETE into a
// GET without a body. The GET succeeds, and nothing has changed on the server.
// This CheckRedirect refuses that. It lets a POST become a GET, because many
// servers mean that.
func ExampleClient_redirectsKeepMethod() {
	srv := httptest.NewServer(http.RedirectHandler("/moved", http.StatusFound))
	defer srv.Close()

	api := client.Client{BaseURL: srv.URL, HTTP: &http.Client{
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			was := via[len(via)-1].Method
			if req.Method != was && was != http.MethodPost {
				return fmt.Errorf("refusing redirect that turns a %s into a %s", was, req.Method)
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}}
	err := api.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Put("/settings", parallel.JSON("dark")).Bytes()
		fmt.Println(errors.Unwrap(err))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// refusing redirect that turns a PUT into a GET
}

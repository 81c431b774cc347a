package abreast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// Every piece of Go in the README is in this file or in example_test.go, and so is
// compiled.
func TestTheReadmesCodeIsCompiled(t *testing.T) {
	var compiled string
	for _, name := range []string{"readme_test.go", "example_test.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		compiled += trimmed(string(b))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	pieces := strings.Split(string(readme), "```go\n")[1:]
	if len(pieces) < 10 {
		t.Errorf("the README has %d pieces of Go: are they still found?", len(pieces))
	}
	for _, piece := range pieces {
		piece, _, _ = strings.Cut(piece, "```")
		if !strings.Contains(compiled, trimmed(piece)) {
			t.Errorf("not compiled by any test:\n%s", piece)
		}
	}
}

// trimmed is code without its indentation, and without what gofmt aligns.
func trimmed(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// What follows is the README's, in its order.

func readmeFirst(ctx context.Context, userURL, cartURL string) (u, c any, _ error) {
	err := client.Parallel(ctx, func(p *parallel.Parallel) error {
		user, cart := p.Get(userURL), p.Get(cartURL) // handles, at once
		if err := user.JSON(&u); err != nil {        // waits for this one
			return err
		}
		if err := cart.JSON(&c); err != nil {
			return err
		}
		return nil
	})
	return u, c, err
}

func readmeNext(p *parallel.Parallel) {
	for p.HasPending() {
		resp, err := p.Next()
		if err != nil {
			log.Print(err) // names the method and the URL
			continue
		}
		fmt.Println(resp.Request.URL, resp.Status)
	}
}

func readmeArrivals(p *parallel.Parallel) error {
	for h := range p.Arrivals() {
		resp, err := h.Response()
		if err != nil {
			return err
		}
		if next := resp.Header.Get("X-Next"); next != "" {
			u, err := resp.Request.URL.Parse(next) // as a browser does with a link
			if err != nil {
				return err
			}
			p.Get(u.String())
		}
	}
	return nil
}

func readmeAll(p *parallel.Parallel, use func(...*http.Response)) error {
	resps, err := pending.All(p.Get("/users/7"), p.Get("/carts/7"), p.Get("/stock/7"))
	if err != nil {
		return err // the first failure; the others run on until the block ends
	}
	user, cart, stock := resps[0], resps[1], resps[2]
	use(user, cart, stock)
	return nil
}

func readmeEach(ctx context.Context, urls iter.Seq[string], store func(string, []byte, error) error) error {
	c := client.Client{Limit: 100, HostLimit: 10}
	err := c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		for url, h := range parallel.Each(p, urls, get) {
			body, err := h.Bytes()
			if err := store(url, body, err); err != nil {
				return err // cancels the rest
			}
		}
		return nil
	})
	return err
}

func readmeRace(p *parallel.Parallel, berlin, paris, oslo, url string) (*pending.Pending, *pending.Pending) {
	mirror := pending.Race(p.Get(berlin), p.Get(paris), p.Get(oslo))
	hedged := pending.Race(p.Get(url), p.Get(url, parallel.After(50*time.Millisecond)))
	return mirror, hedged
}

func readmeGo(p *parallel.Parallel) *pending.Pending {
	price := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
		live := p.Get("/price/live/7", parallel.Timeout(200*time.Millisecond))
		if _, err := live.Bytes(); err == nil { // judges the status too
			return live.Response()
		}
		return p.Get("/price/cached/7").Response()
	})
	return price
}

// rate stands for golang.org/x/time/rate, which this module doesn't require.
var rate limiterPackage

type (
	limiterPackage struct{}
	limiter        struct{}
)

func (limiterPackage) NewLimiter(float64, int) limiter { return limiter{} }
func (limiter) Wait(context.Context) error             { return nil }

func readmeLimits() client.Client {
	limiter := rate.NewLimiter(50, 1) // golang.org/x/time/rate: 50 a second
	c := client.Client{
		Limit:     200,              // in flight in one block; 100 if not set
		HostLimit: 8,                // of these, to one host; what waits for it takes no slot
		Timeout:   10 * time.Second, // from the send to the last byte; 30 s if not set
		MaxBody:   1 << 20,          // kept of one body; 10 MiB if not set
		Wait:      func(r *http.Request) error { return limiter.Wait(r.Context()) },
	}
	return c
}

func readmeBase(ctx context.Context, name string, u any, token func() string) error {
	api := client.Client{
		BaseURL: "https://api.example.com/v2",
		Header:  http.Header{"Accept": {"application/json"}},
		Auth: func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+token())
			return nil
		},
	}
	err := api.Parallel(ctx, func(p *parallel.Parallel) error {
		return p.Get("/users/" + url.PathEscape(name)).JSON(&u)
	})
	return err
}

func readmePicture(ctx context.Context, gather func(*parallel.Parallel) error) error {
	var rec waterfall.Recorder
	c := client.Client{Observe: rec.Observe}
	err := c.Parallel(ctx, gather)
	rec.Text(os.Stderr, 100) // or SVG(w), or HAR(w) for a browser's network panel
	return err
}

func readmeAgain(p *parallel.Parallel, url string, order any) (*http.Response, error) {
	h := p.Post(url, parallel.JSON(order))
	resp, err := h.Response()
	for n := 1; n < 5 && errors.Is(err, pending.ErrNotSent) && p.Context().Err() == nil; n++ {
		h = p.Do(h.Request(), parallel.After(time.Second))
		resp, err = h.Response()
	}
	return resp, err
}

func fetchByHand(ctx context.Context, hc *http.Client, urls []string, each func(url string, body []byte, err error) error) error {
	type result struct {
		url  string
		body []byte
		err  error
	}
	var wg sync.WaitGroup
	defer wg.Wait() // after cancel
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	jobs, results := make(chan string), make(chan result)
	wg.Go(func() {
		defer close(jobs)
		for _, url := range urls {
			select {
			case jobs <- url:
			case <-ctx.Done():
				return
			}
		}
	})
	for range 10 {
		wg.Go(func() {
			for url := range jobs {
				body, err := get(ctx, hc, url)
				select {
				case results <- result{url, body, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for range urls {
		select {
		case r := <-results:
			if err := each(r.url, r.body, r.err); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func get(ctx context.Context, hc *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	const maxBody = 10 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("GET %s: %w", url, err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("GET %s: the body is too large", url)
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return body, nil
}

// and a transport with MaxIdleConnsPerHost: 10

func fetchAbreast(ctx context.Context, c *client.Client, urls []string, each func(url string, body []byte, err error) error) error {
	return c.Parallel(ctx, func(p *parallel.Parallel) error {
		get := func(url string) *pending.Pending { return p.Get(url) }
		for url, h := range parallel.Each(p, slices.Values(urls), get) {
			body, err := h.Bytes()
			if err := each(url, body, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// and client.Client{Limit: 10}

// Both columns of the README's table do the same.
func TestByHandAndAbreastDoTheSame(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/7" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, r.URL.Path)
	}))
	defer srv.Close()
	var urls []string
	for i := range 30 {
		urls = append(urls, fmt.Sprint(srv.URL, "/", i))
	}
	enough := errors.New("enough")
	outcome := func(fetch func(each func(string, []byte, error) error) error, stop int) (got map[string]string, n int, err error) {
		got = make(map[string]string)
		err = fetch(func(url string, body []byte, err error) error {
			got[url] = fmt.Sprintf("%s %v", body, err != nil)
			if n++; n == stop {
				return enough
			}
			return nil
		})
		return got, n, err
	}
	byHand := func(each func(string, []byte, error) error) error {
		return fetchByHand(context.Background(), srv.Client(), urls, each)
	}
	abreast := func(each func(string, []byte, error) error) error {
		return fetchAbreast(context.Background(), &client.Client{Limit: 10}, urls, each)
	}
	hand, _, err1 := outcome(byHand, -1)
	lib, _, err2 := outcome(abreast, -1)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if d := cmp.Diff(hand, lib); d != "" {
		t.Errorf("by hand (-), with abreast (+):\n%s", d)
	}
	if len(lib) != len(urls) {
		t.Errorf("%d results, want %d", len(lib), len(urls))
	}
	for name, fetch := range map[string]func(func(string, []byte, error) error) error{"by hand": byHand, "abreast": abreast} {
		if _, n, err := outcome(fetch, 3); err != enough || n != 3 {
			t.Errorf("%s: left with %v after %d, want %v after 3", name, err, n, enough)
		}
	}
}

// The README's other pieces do what it says of them.
func TestTheReadmesPieces(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			w.Header().Set("X-Next", "/second")
		case "/price/live/7":
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%q", r.URL.Path)
	}))
	defer srv.Close()
	ctx := context.Background()

	u, c, err := readmeFirst(ctx, srv.URL+"/u", srv.URL+"/c")
	if d := cmp.Diff([]any{"/u", "/c", nil}, []any{u, c, err}); d != "" {
		t.Error(d)
	}
	stored := 0
	urls := slices.Values([]string{srv.URL + "/1", srv.URL + "/2"})
	if err := readmeEach(ctx, urls, func(string, []byte, error) error { stored++; return nil }); err != nil || stored != 2 {
		t.Errorf("stored %d, %v", stored, err)
	}

	api := readmeLimits()
	api.BaseURL = srv.URL
	err = api.Parallel(ctx, func(p *parallel.Parallel) error {
		p.Get("/first")
		if err := readmeArrivals(p); err != nil {
			return err
		}
		if n := p.Stats().Done; n != 2 {
			t.Errorf("%d done, want the first and the one it leads to", n)
		}
		if err := readmeAll(p, func(resps ...*http.Response) {
			for i, want := range []string{"/users/7", "/carts/7", "/stock/7"} {
				if got := resps[i].Request.URL.Path; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		}); err != nil {
			return err
		}
		mirror, hedged := readmeRace(p, "/b", "/p", "/o", "/h")
		if _, err := pending.All(mirror, hedged, readmeGo(p)); err != nil {
			return err
		}
		resp, err := readmeAgain(p, "/orders", 7)
		if err == nil && resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
		p.Get("/last")
		readmeNext(p)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := readmePicture(ctx, func(*parallel.Parallel) error { return nil }); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel() // it has a host of its own, which must not be asked
	if err := readmeBase(ctx, "7", &u, func() string { return "" }); !errors.Is(err, pending.ErrNotSent) {
		t.Error(err)
	}
}

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
)

// All Go code in the README and in docs/by-hand.md is also in this file, in
// example_test.go, in example_leak_test.go or in docs/first, and is therefore
// compiled.
func TestReadme_codeIsCompiled(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var compiled string
	for _, name := range []string{"readme_test.go", "example_test.go", "example_leak_test.go", "docs/first/main.go"} {
		compiled += trimmed(read(name))
	}
	for name, atLeast := range map[string]int{"README.md": 7, "docs/by-hand.md": 4} {
		pieces := strings.Split(read(name), "```go\n")[1:]
		if len(pieces) < atLeast {
			t.Errorf("%s has %d pieces of Go; want %d or more", name, len(pieces), atLeast)
		}
		for _, piece := range pieces {
			piece, _, _ = strings.Cut(piece, "```")
			if !strings.Contains(compiled, trimmed(piece)) {
				t.Errorf("%s has code that no test compiles:\n%s", name, piece)
			}
		}
	}
}

// trimmed returns code without its indentation and alignment.
func trimmed(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// The following code is in the README, in this order.

func readmeDeadline(ctx context.Context, api *client.Client) (readmePage, error) {
	var page readmePage
	err := api.Parallel(ctx, func(p *parallel.Parallel) error {
		user, offers := p.Get("/user"), p.Get("/offers")
		if err := user.JSON(&page.User); err != nil {
			return err // there is no page without it
		}
		if err := offers.JSON(&page.Offers); err != nil {
			page.Missing = append(page.Missing, "offers") // late or broken
		}
		return nil
	})
	return page, err
}

type readmePage struct {
	User, Offers any
	Missing      []string
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

func readmeAll(p *parallel.Parallel, use func(...*http.Response)) error {
	resps, err := pending.All(p.Get("/users/7"), p.Get("/carts/7"), p.Get("/stock/7"))
	if err != nil {
		return err // the first failure
	}
	user, cart, stock := resps[0], resps[1], resps[2]
	use(user, cart, stock)
	return nil
}

func readmeEach(ctx context.Context, urls iter.Seq[string], store func(string, []byte, error) error) error {
	c := client.Client{Limit: 100, HostLimit: 10}
	err := c.Parallel(ctx, func(p *parallel.Parallel) error {
		for url, h := range parallel.Each(p, urls, p.Get) {
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

func readmeGo(p *parallel.Parallel) (Price, error) {
	price := parallel.Go(p, func(p *parallel.Parallel) (Price, error) {
		live, err := pending.As[Price](p.Get("/price/live/7", parallel.Timeout(200*time.Millisecond)))
		if err == nil {
			return live, nil
		}
		return pending.As[Price](p.Get("/price/cached/7"))
	})
	cost, err := pending.As[Price](price)
	return cost, err
}

type Price string

// A rateLimiter stands for the Limiter of golang.org/x/time/rate, which this
// module doesn't require.
type rateLimiter struct{}

func (rateLimiter) Wait(context.Context) error { return nil }

func readmeSettings(bearer func(*http.Request) error) client.Client {
	var limiter rateLimiter
	c := client.Client{
		BaseURL: "https://api.example.com/v2", Auth: bearer, // Auth is for BaseURL's origin alone
		Limit: 200, HostLimit: 8, // requests in flight in one block [100], and for one host [none]
		Timeout: 10 * time.Second, // for one request, after its time in the queue [30 s]
		Stall:   5 * time.Second,  // without a byte sent or received [none]
		MaxBody: 1 << 20,          // bytes of one body kept in memory [10 MiB]
		Wait:    func(r *http.Request) error { return limiter.Wait(r.Context()) },
		Retry:   parallel.Retries(4),         // four more attempts, where that is safe [none]
		Shared:  parallel.NewLimits(500, 50), // in flight over all blocks, and at one host [none]
	}
	return c
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
		for url, h := range parallel.Each(p, slices.Values(urls), p.Get) {
			body, err := h.Bytes()
			if err := each(url, body, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// and client.Client{Limit: 10}

// The two functions of docs/by-hand.md have the same results.
func TestByHand_sameResults(t *testing.T) {
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
			t.Errorf("%s: stopped with %v after %d, want %v after 3", name, err, n, enough)
		}
	}
}

// The other code in the README does what the README says.
func TestReadme_pieces(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/price/live/7", "/offers":
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%q", r.URL.Path)
	}))
	defer srv.Close()
	ctx := context.Background()

	page, err := readmeDeadline(ctx, &client.Client{BaseURL: srv.URL})
	if want := (readmePage{User: "/user", Missing: []string{"offers"}}); err != nil || cmp.Diff(want, page) != "" {
		t.Errorf("readmeDeadline() = %v, %v; want %v", page, err, want)
	}

	stored := 0
	urls := slices.Values([]string{srv.URL + "/1", srv.URL + "/2"})
	if err := readmeEach(ctx, urls, func(string, []byte, error) error { stored++; return nil }); err != nil || stored != 2 {
		t.Errorf("stored %d, %v", stored, err)
	}

	api := readmeSettings(func(*http.Request) error { return nil })
	api.BaseURL = srv.URL
	err = api.Parallel(ctx, func(p *parallel.Parallel) error {
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
		if _, err := pending.All(mirror, hedged); err != nil {
			return err
		}
		if got, err := readmeGo(p); got != "/price/cached/7" || err != nil {
			t.Errorf("readmeGo() = %v, %v; want the cached price", got, err)
		}
		p.Get("/last")
		readmeNext(p)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

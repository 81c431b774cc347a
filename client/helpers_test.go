package client_test

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// servers start a server for each version of HTTP.
var servers = map[string]func(testing.TB, http.Handler) *testnet.Server{
	"HTTP 1": testnet.New, "HTTP 2": testnet.NewHTTP2,
}

// A web is a transport without a network. It redirects as the map says, answers
// all else with 200, and keeps the requests.
type web struct {
	redirects map[string]string // from a URL to a Location
	status    int               // of redirects; 0: 302

	mu    sync.Mutex
	asked []*http.Request
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.Clone(r.Context()))
	resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
	if to, ok := w.redirects[r.URL.String()]; ok {
		resp.StatusCode = http.StatusFound
		if w.status != 0 {
			resp.StatusCode = w.status
		}
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

// trail returns the requests that the web got, one line for each hop.
func (w *web) trail(line func(*http.Request) string) (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		lines = append(lines, line(r))
	}
	return lines
}

// chain returns a web that redirects each of urls to the next.
func chain(urls ...string) *web {
	w := &web{redirects: make(map[string]string)}
	for i := range len(urls) - 1 {
		w.redirects[urls[i]] = urls[i+1]
	}
	return w
}

// ask makes one request in a block of c, and returns its result.
func ask(t testing.TB, c client.Client, f func(p *parallel.Parallel) *pending.Pending) (*http.Response, error) {
	t.Helper()
	var resp *http.Response
	var err error
	if e := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		resp, err = f(p).Response()
		return nil
	}); e != nil {
		t.Fatalf("the block returned %v", e)
	}
	return resp, err
}

// get makes a GET request for url in a block of c, and returns its result.
func get(t testing.TB, c client.Client, url string, opts ...parallel.Option) (*http.Response, error) {
	t.Helper()
	return ask(t, c, func(p *parallel.Parallel) *pending.Pending { return p.Get(url, opts...) })
}

// body returns what the body of resp reads.
func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return string(b)
}

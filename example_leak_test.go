//go:build go1.27

package abreast_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/pprof"
	"slices"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// checkByHand returns the status of each URL, or the first error.
func checkByHand(hc *http.Client, urls []string) (map[string]int, error) {
	type answer struct {
		url    string
		status int
		err    error
	}
	answers := make(chan answer)
	for _, url := range urls {
		go func() {
			resp, err := hc.Head(url)
			if err != nil {
				answers <- answer{err: err}
				return
			}
			resp.Body.Close()
			answers <- answer{url: url, status: resp.StatusCode}
		}()
	}
	statuses := make(map[string]int)
	for range urls {
		a := <-answers
		if a.err != nil {
			return nil, a.err // nobody receives the other answers: their goroutines wait forever
		}
		statuses[a.url] = a.status
	}
	return statuses, nil
}

// checkAbreast does the same in a block.
func checkAbreast(c *client.Client, urls []string) (map[string]int, error) {
	statuses := make(map[string]int)
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for url, h := range parallel.Each(p, slices.Values(urls), p.Head) {
			resp, err := h.Response()
			if err != nil {
				return err // the other requests are canceled, and their goroutines end
			}
			statuses[url] = resp.StatusCode
		}
		return nil
	})
	return statuses, err
}

// leaked returns the number of goroutines that can never continue, by the
// goroutine leak profile of Go 1.27.
func leaked() int {
	profile := pprof.Lookup("goroutineleak")
	if err := profile.WriteTo(io.Discard, 0); err != nil { // looks for them
		panic(err)
	}
	return profile.Count()
}

// An early return leaks a goroutine for each answer that nobody receives. In a
// block, the same early return leaks none.
func Example_earlyReturn() {
	returned := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-returned:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	urls := []string{srv.URL + "/1", srv.URL + "/2", srv.URL + "/3", "http://127.0.0.1:1/"} // nobody listens at the last

	before := leaked()
	_, err := checkAbreast(new(client.Client), urls)
	fmt.Printf("in a block: an error: %v, goroutines leaked: %d\n", err != nil, leaked()-before)

	_, err = checkByHand(srv.Client(), urls)
	close(returned)
	for leaked() < before+3 { // until the three have got their answers
		runtime.Gosched()
	}
	fmt.Printf("by hand: an error: %v, goroutines leaked: %d\n", err != nil, leaked()-before)
	// Output:
	// in a block: an error: true, goroutines leaked: 0
	// by hand: an error: true, goroutines leaked: 3
}

//go:build go1.27

package abreast_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

var abandon = flag.Int("abandon", 30_000, "the `number` of requests that TestLeak_abandoned abandons, and a tenth as many over net/http")

// A block of TestLeak_abandoned makes this many requests, one half of which is
// in flight when it is left, and the other half queued.
const (
	abandonedMade   = 20
	abandonedFlying = 10
)

// An abandoned block is left in one of several ways.
type abandoned struct {
	*parallel.Parallel
	flying  chan struct{}      // receives a value for each request that is in flight
	leave   context.CancelFunc // ends the caller's context
	returns error              // of the function of the block
}

// get makes all requests of the block. They have the given path.
func (a *abandoned) get(path string, opts ...parallel.Option) (handles []*pending.Pending) {
	for range abandonedMade {
		handles = append(handles, a.Get(path, opts...))
	}
	return handles
}

// fly waits until as many requests are in flight as may be.
func (a *abandoned) fly() {
	for range abandonedFlying {
		<-a.flying
	}
}

// These are the ways in which a block is left. A request for /never gets no
// response, one for /half gets half a body, and one for /whole a response.
var abandonedBy = map[string]func(a *abandoned){
	"return": func(a *abandoned) { a.get("/never"); a.fly() },
	"error":  func(a *abandoned) { a.get("/never"); a.fly(); a.returns = errors.New("enough") },
	"panic":  func(a *abandoned) { a.get("/never"); a.fly(); panic("enough") },
	"Goexit": func(a *abandoned) { a.get("/never"); a.fly(); runtime.Goexit() },
	"end of the caller's context": func(a *abandoned) {
		handles := a.get("/never")
		a.fly()
		a.leave()
		pending.All(handles...)
	},
	"Cancel": func(a *abandoned) {
		handles := a.get("/never")
		a.fly()
		for _, h := range handles {
			h.Cancel()
		}
		pending.All(handles...)
	},
	"Timeout": func(a *abandoned) {
		for _, h := range a.get("/never", parallel.Timeout(time.Millisecond)) {
			h.Response()
		}
	},
	"deadline of a request": func(a *abandoned) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/never", nil)
		if err != nil {
			panic(err)
		}
		var handles []*pending.Pending
		for range abandonedMade {
			handles = append(handles, a.Do(req))
		}
		<-ctx.Done()
		pending.All(handles...)
	},
	"lost race": func(a *abandoned) {
		winner := a.Get("/whole")
		pending.Race(append(a.get("/never"), winner)...).Response()
	},
	"loop of Arrivals": func(a *abandoned) {
		a.Get("/whole")
		a.get("/never")
		for range a.Arrivals() {
			break
		}
	},
	"loop of Next": func(a *abandoned) {
		a.Get("/whole")
		a.get("/never")
		a.Next()
	},
	"loop of Each": func(a *abandoned) {
		paths := append([]string{"/whole"}, slices.Repeat([]string{"/never"}, abandonedMade)...)
		for range parallel.Each(a.Parallel, slices.Values(paths), a.Get) {
			break
		}
	},
	"loop of Ordered": func(a *abandoned) {
		paths := append([]string{"/whole"}, slices.Repeat([]string{"/never"}, abandonedMade)...)
		for range parallel.Ordered(a.Parallel, slices.Values(paths), a.Get) {
			break
		}
	},
	"half a body": func(a *abandoned) { a.get("/half"); a.fly() },
	"Take": func(a *abandoned) {
		a.get("/half", parallel.Take(func(*http.Response) (io.Writer, error) { return io.Discard, nil }))
		a.fly()
	},
	"Take refuses": func(a *abandoned) {
		pending.Race(a.get("/half", parallel.Take(func(*http.Response) (io.Writer, error) { return nil, errors.New("refused") }))...).Response()
	},
	"upload": func(a *abandoned) {
		for range abandonedMade {
			body, _ := io.Pipe() // nothing comes
			a.Post("/never", parallel.Body("text/plain", body))
		}
		a.fly()
	},
	"pause of a retry": func(a *abandoned) {
		a.get("/whole", parallel.Retry(func(parallel.Attempt) (time.Duration, bool) { return time.Hour, true }))
		a.fly()
	},
	"Go": func(a *abandoned) {
		for range abandonedMade {
			a.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/never").Response() })
		}
		a.fly()
	},
}

// A flight is a transport that reports when a request is in flight.
type flight struct {
	next   http.RoundTripper
	flying chan struct{}
}

func (f flight) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/never" {
		f.flying <- struct{}{}
		return f.next.RoundTrip(r)
	}
	resp, err := f.next.RoundTrip(r)
	f.flying <- struct{}{}
	return resp, err
}

// A still transport has no network.
type still struct{}

func (still) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Path {
	case "/never":
		<-r.Context().Done()
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, r.Context().Err()
	case "/half":
		return &http.Response{StatusCode: http.StatusOK, ContentLength: 8, Body: &halfBody{ctx: r.Context()}}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// A halfBody stops in its middle until the request has ended.
type halfBody struct {
	ctx  context.Context
	read bool
}

func (h *halfBody) Read(b []byte) (int, error) {
	if !h.read {
		h.read = true
		return copy(b, "half"), nil
	}
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func (h *halfBody) Close() error { return nil }

// abandonedHandler responds to each path as still does.
func abandonedHandler(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/never":
		io.Copy(io.Discard, r.Body) // net/http notices only then that the client is gone
		<-r.Context().Done()
	case "/half":
		w.Header().Set("Content-Length", "8")
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// leave opens a block, leaves it in one way, and returns the number of requests
// without a response.
func leave(next http.RoundTripper, way func(*abandoned)) (failed int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := abandoned{leave: cancel, flying: make(chan struct{}, 2*abandonedMade)}
	c := client.Client{
		BaseURL: "http://abandoned.test",
		HTTP:    &http.Client{Transport: flight{next, a.flying}},
		Limit:   abandonedFlying,
	}
	var owner sync.WaitGroup
	owner.Go(func() {
		defer func() { recover() }()
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			a.Parallel = p
			way(&a)
			return a.returns
		})
	})
	owner.Wait()
	return a.Stats().Failed
}

// However requests are abandoned, they leave no goroutine that can never
// continue.
func TestLeak_abandoned(t *testing.T) {
	for name, tc := range map[string]struct {
		requests int
		next     func() http.RoundTripper
	}{
		"without a network": {*abandon, func() http.RoundTripper { return still{} }},
		"net/http":          {*abandon / 10, func() http.RoundTripper { return testnet.New(t, http.HandlerFunc(abandonedHandler)).Transport }},
	} {
		t.Run(name, func(t *testing.T) {
			before := leaked()
			var ways sync.WaitGroup
			for _, way := range abandonedBy {
				next := tc.next()
				ways.Go(func() {
					for failed := 0; failed < tc.requests/len(abandonedBy)+1; {
						failed += leave(next, way)
					}
				})
			}
			ways.Wait()
			if n := leaked() - before; n != 0 {
				t.Errorf("%d goroutines leaked:\n%s", n, leaks(t))
			}
		})
	}
}

// The judge finds a goroutine that a transport leaves behind.
func TestLeak_found(t *testing.T) {
	before := leaked()
	leave(leaky{}, abandonedBy["return"])
	for leaked() < before+abandonedFlying { // until they have got to their channels
		runtime.Gosched()
	}
	if got := leaks(t); !strings.Contains(got, "leaky.RoundTrip") {
		t.Errorf("the profile does not have the goroutines of the transport:\n%s", got)
	}
}

// A leaky transport leaks a goroutine for each request.
type leaky struct{ still }

func (l leaky) RoundTrip(r *http.Request) (*http.Response, error) {
	go func() { <-make(chan struct{}) }()
	return l.still.RoundTrip(r)
}

// leaks returns the stacks of the goroutines that leaked.
func leaks(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutineleak").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

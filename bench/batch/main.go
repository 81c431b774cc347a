// Command batch posts 20,000 orders to an API that refuses two percent of them at first,
// with 429 or 503 and a Retry-After of one second: 50 at a time, with four retries, and
// with the results as they come or in order. It does so with this library and with resty
// in an errgroup, and reports the lines of each program, the time, the connections and
// the memory.
//
//	go run -C bench ./batch
//	go run -C bench ./batch -ahead
//
// With -ahead it shows what Client.Ahead costs and gains: Ordered over 20,000 items of
// which 65 are refused for one to two seconds, at the default and with Ahead: 2000.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type order struct {
	N int `json:"n"`
}

type reply struct {
	Accepted int `json:"accepted"`
}

// numbers yields 0 to n-1.
func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func main() {
	n := flag.Int("n", 20_000, "`orders`")
	rounds := flag.Int("rounds", 5, "rounds")
	ahead := flag.Bool("ahead", false, "show what Ahead costs and gains")
	flag.Parse()
	var err error
	if *ahead {
		err = runAhead(os.Stdout, *n, *rounds)
	} else {
		err = run(os.Stdout, *n, *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "batch:", err)
		os.Exit(1)
	}
}

// An api accepts orders. It refuses the first posts of some.
type api struct {
	refuse func(n int) (status int, retryAfter time.Duration) // 0 accepts

	mu       sync.Mutex
	refused  map[int]time.Time // when the refusal is over
	accepted map[int]int

	connections, posts atomic.Int64
}

func newAPI(refuse func(n int) (int, time.Duration)) *api {
	return &api{refuse: refuse, refused: make(map[int]time.Time), accepted: make(map[int]int)}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.posts.Add(1)
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.refused[o.N]; !ok {
		status, wait := a.refuse(o.N)
		a.refused[o.N] = time.Now().Add(wait)
		if status != 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())))
			w.WriteHeader(status)
			return
		}
	}
	a.accepted[o.N]++
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(reply{o.N})
}

// start serves a until stop is called.
func (a *api) start() (url string, stop func()) {
	srv := httptest.NewUnstartedServer(a)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			a.connections.Add(1)
		}
	}
	srv.Start()
	return srv.URL, srv.Close
}

// someBusy refuses two of a hundred orders.
func someBusy(n int) (int, time.Duration) {
	switch n % 100 {
	case 17:
		return http.StatusTooManyRequests, time.Second
	case 67:
		return http.StatusServiceUnavailable, time.Second
	}
	return 0, 0
}

//go:embed abreast.go resty.go
var sources embed.FS

// lines returns how many lines of code the file has, from its first function on.
func lines(file string) (n int) {
	text, err := sources.ReadFile(file)
	if err != nil {
		panic(err)
	}
	_, code, _ := strings.Cut(string(text), "\nfunc ")
	for line := range strings.Lines("func " + code) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "//") {
			n++
		}
	}
	return n
}

type program func(ctx context.Context, base string, n int, inOrder bool, each func(n int, r reply, err error)) error

// once runs p, checks that each order was accepted once and reported once, and in order
// if that was requested.
func once(p program, n int, inOrder bool) (wall time.Duration, a *api, err error) {
	a = newAPI(someBusy)
	url, stop := a.start()
	defer stop()
	var got []int
	var failed error
	start := time.Now()
	err = p(context.Background(), url, n, inOrder, func(n int, r reply, err error) {
		if err == nil && r.Accepted != n {
			err = fmt.Errorf("order %d has the reply of %d", n, r.Accepted)
		}
		if err != nil && failed == nil {
			failed = err
		}
		got = append(got, n)
	})
	wall = time.Since(start)
	switch {
	case err != nil:
		return 0, nil, err
	case failed != nil:
		return 0, nil, failed
	case inOrder && !slices.IsSorted(got):
		return 0, nil, fmt.Errorf("the results are not in order")
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != n || len(a.accepted) != n {
		return 0, nil, fmt.Errorf("%d results, %d orders accepted; want %d", len(got), len(a.accepted), n)
	}
	for n, times := range a.accepted {
		if times != 1 {
			return 0, nil, fmt.Errorf("order %d was accepted %d times", n, times)
		}
	}
	return wall, a, nil
}

// run compares the programs, in alternating rounds.
func run(out *os.File, n, rounds int) error {
	programs := []struct {
		name, file string
		program    program
	}{{"abreast", "abreast.go", withAbreast}, {"errgroup and resty", "resty.go", withResty}}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tlines\tresults\twall, median\tleast\tmost\tconnections\tposts")
	for _, inOrder := range []bool{false, true} {
		walls := make([][]time.Duration, len(programs))
		last := make([]*api, len(programs))
		for range rounds {
			for i, p := range programs {
				wall, a, err := once(p.program, n, inOrder)
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				walls[i], last[i] = append(walls[i], wall), a
			}
		}
		how := "as they come"
		if inOrder {
			how = "in order"
		}
		for i, p := range programs {
			slices.Sort(walls[i])
			fmt.Fprintf(w, "%s\t%d\t%s\t%v\t%v\t%v\t%d\t%d\n", p.name, lines(p.file), how, round(walls[i][rounds/2]), round(walls[i][0]),
				round(walls[i][rounds-1]), last[i].connections.Load(), last[i].posts.Load())
		}
	}
	return w.Flush()
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// runAhead runs Ordered over n orders of which 65 are refused for one to two seconds.
func runAhead(out *os.File, n, rounds int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "loop\tAhead\twall, median\tleast\tmost\theap in use, most")
	each := parallel.Each[int, func(int) *pending.Pending]
	ordered := parallel.Ordered[int, func(int) *pending.Pending]
	for _, with := range []struct {
		name  string
		loop  func(*parallel.Parallel, iter.Seq[int], func(int) *pending.Pending) iter.Seq2[int, *pending.Pending]
		ahead int
	}{{"Each", each, 0}, {"Ordered", ordered, 0}, {"Ordered", ordered, 2000}} {
		var walls []time.Duration
		var heap uint64
		for range rounds {
			rnd := rand.New(rand.NewPCG(1, 0)) // each round has the same pauses
			slow := make(map[int]time.Duration)
			for len(slow) < 65 {
				slow[rnd.IntN(n)] = time.Second + time.Duration(rnd.IntN(2))*time.Second
			}
			a := newAPI(func(n int) (int, time.Duration) {
				if d := slow[n]; d > 0 {
					return http.StatusServiceUnavailable, d
				}
				return 0, 0
			})
			url, stop := a.start()
			c := client.Client{BaseURL: url, Limit: 50, Retry: parallel.Retries(4), Ahead: with.ahead}
			start := time.Now()
			err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
				seen := 0
				post := func(n int) *pending.Pending { return p.Post("/orders", parallel.JSON(order{n})) }
				for _, h := range with.loop(p, numbers(n), post) {
					var r reply
					if err := h.JSON(&r); err != nil {
						return err
					}
					if seen++; seen%500 == 0 {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						heap = max(heap, m.HeapInuse)
					}
				}
				return nil
			})
			walls = append(walls, time.Since(start))
			stop()
			if err != nil {
				return err
			}
		}
		slices.Sort(walls)
		name := fmt.Sprint(with.ahead)
		if with.ahead == 0 {
			name = "default (100)"
		}
		fmt.Fprintf(w, "%s\t%s\t%v\t%v\t%v\t%.1f MiB\n", with.name, name, round(walls[rounds/2]), round(walls[0]), round(walls[rounds-1]), float64(heap)/(1<<20))
	}
	return w.Flush()
}

// Hosts sends requests to 10,000 hosts, from a process that may have 1,024
// files open, with this library and with an errgroup around http.DefaultClient.
// It prints a table of what failed, the memory, and the connections.
//
//	go run -C bench ./hosts                 # a few minutes
//	go run -C bench ./hosts -hosts 100      # does it work?
//	go run -C bench ./hosts -each 1 -rounds 3
//
// It needs Linux, where every address in 127/8 is loopback, so that one
// listener is many hosts.
//
// The program is the server. It starts itself again for each run of a client.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// files is the number of files, connections included, that a client may have
// open.
const files = 1024

func main() {
	log.SetFlags(0)
	log.SetPrefix("hosts: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := play(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// play runs the program in the role that args give it.
func play(ctx context.Context, args []string) error {
	var w work
	flags := flag.NewFlagSet("hosts", flag.ContinueOnError)
	flags.IntVar(&w.Hosts, "hosts", 10_000, "the `number` of hosts, at most 60,000")
	flags.IntVar(&w.Each, "each", 0, "the `number` of requests to each host; 0 means 1, and then 10")
	rounds := flags.Int("rounds", 1, "run everything so `often`, and print the medians")
	flags.StringVar(&w.Client, "client", "", "run this client; for the program itself")
	flags.StringVar(&w.Scheme, "scheme", "", "the same")
	flags.IntVar(&w.Port, "port", 0, "the same")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case runtime.GOOS != "linux":
		return errors.New("this needs Linux: only there is all of 127/8 loopback")
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case w.Hosts < 1 || w.Hosts > 60_000 || w.Each < 0 || *rounds < 1:
		return errors.New("-hosts must be 1 to 60,000, -each at least 0, and -rounds at least 1")
	case w.Client != "":
		r, err := w.do(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return compare(ctx, w, *rounds)
}

// compare runs both clients and prints the table.
func compare(ctx context.Context, w work, rounds int) error {
	folder, err := os.MkdirTemp("", "hosts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	authority := filepath.Join(folder, "authority.pem")
	s, err := serve(authority)
	if err != nil {
		return err
	}
	defer s.Close()
	each := []int{w.Each}
	if w.Each == 0 {
		each = []int{1, 10}
	}
	fmt.Println("| | client | failed | wall | peak RSS | connections | open at once |")
	fmt.Println("|:--|:--|--:|--:|--:|--:|--:|")
	for _, scheme := range []string{"http", "https"} {
		for _, n := range each {
			for _, client := range clients {
				run := w
				run.Client, run.Scheme, run.Each, run.Port = client, scheme, n, s.port(scheme)
				var rs []result
				for range rounds {
					r, err := s.run(ctx, run, authority)
					if err != nil {
						return err
					}
					rs = append(rs, r)
				}
				fmt.Println(row(run, rs))
			}
		}
	}
	return nil
}

// run starts a client with few files, and returns its result.
func (s *server) run(ctx context.Context, w work, authority string) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	s.connections.Store(0)
	s.most.Store(0)
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(files), self, "-client", w.Client, "-scheme", w.Scheme,
		"-port", strconv.Itoa(w.Port), "-hosts", strconv.Itoa(w.Hosts), "-each", strconv.Itoa(w.Each))
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+authority, "SSL_CERT_DIR="+filepath.Dir(authority))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w: %s", w.Client, err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	r.connections, r.most = s.connections.Load(), s.most.Load()
	if r.Failed > 0 {
		log.Printf("%s, %s, %d each: %d failed: %s", w.Client, w.Scheme, w.Each, r.Failed, r.Err)
	}
	return r, nil
}

// row returns a row of the table, with the medians of all rounds.
func row(w work, rs []result) string {
	median := func(of func(result) int64) int64 {
		var values []int64
		for _, r := range rs {
			values = append(values, of(r))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	comma := func(of func(result) int64) string { return humanize.Comma(median(of)) }
	what := fmt.Sprintf("%s hosts, %d each, %s", humanize.Comma(int64(w.Hosts)), w.Each, strings.ToUpper(w.Scheme))
	return fmt.Sprintf("| %s | %s | %s | %.1f s | %s | %s | %s |", what, w.Client,
		comma(func(r result) int64 { return r.Failed }),
		float64(median(func(r result) int64 { return r.WallNS }))/1e9,
		humanize.IBytesN(uint64(median(func(r result) int64 { return r.PeakRSS })), 3),
		comma(func(r result) int64 { return r.connections }),
		comma(func(r result) int64 { return r.most }))
}

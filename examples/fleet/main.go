// Fleet fetches a list of URLs with several processes, on one machine or many,
// which share a work queue in NATS JetStream. Each URL gets exactly one result,
// even if processes are killed. See usage and README.md, or run
//
//	go run -C examples ./fleet
//	go run -C examples ./fleet -h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

const usage = `Usage: fleet [flags] [FILE]

Fleet sends the requests of FILE ("-": standard input) with several worker processes
that share a queue in NATS JetStream, and writes one line of JSON for each. Without
FILE, it fetches from a server of its own. README.md describes the lines.

With -role, one part runs alone, on this machine or another:

  feed      puts the URLs of FILE on the queue, except those that are there already
  work      fetches URLs of the queue until it receives a signal: then it finishes the
            requests in flight and returns the other URLs to the queue
  collect   writes results until every URL that was fed has one
  serve     runs an engine and prints its URL, for -nats
  upstream  serves the demo's URLs and prints them, one on each line, for FILE

Exit status: 0 every URL has exactly one result, 1 not so, or stopped, 2 bad flags.

Flags:
`

// options are the settings of the command line.
type options struct {
	role, nats, store, job, file     string
	listen                           netip.AddrPort
	replicas, n, workers             int
	limit, hostLimit, batch, retries int
	latency, timeout, ackWait        time.Duration
	untilEOF                         bool
	list                             io.Reader // FILE

	flags *flag.FlagSet
}

// roles are the parts of a fleet, as -role names them. "" stands for all.
var roles = []string{"", "feed", "work", "collect", "serve", "upstream"}

// feeds reports whether a list is fed.
func (o *options) feeds() bool { return o.role == "" || o.role == "feed" }

// loopback is an address with a free port.
var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func parseFlags(args []string) (options, error) {
	var o options
	o.flags = flag.NewFlagSet("fleet", flag.ContinueOnError)
	f := o.flags
	f.SetOutput(io.Discard) // main prints errors
	f.StringVar(&o.role, "role", "", "run one `part` alone: feed, work, collect, serve or upstream")
	f.StringVar(&o.nats, "nats", "", "`URL` of a running NATS server or cluster, several with commas between")
	f.StringVar(&o.store, "store", "", "keep the queue in `DIR`: with the same DIR and FILE, fleet continues where it was stopped")
	f.TextVar(&o.listen, "listen", loopback, "`address` of serve's engine, or of the demo's upstream; port 0: a free one")
	f.StringVar(&o.job, "job", "fleet", "`name` of the job: one list of URLs and its results")
	f.IntVar(&o.replicas, "replicas", 1, "feed: how many servers of a cluster keep the queue")
	f.DurationVar(&o.ackWait, "ack-wait", 30*time.Second, "feed: `time` after which the URLs of a silent worker go to other workers")
	f.IntVar(&o.n, "n", 20_000, "demo: how many URLs")
	f.DurationVar(&o.latency, "latency", 300*time.Millisecond, "demo: longest `time` of an answer")
	f.IntVar(&o.workers, "workers", 3, "how many worker processes to start")
	f.IntVar(&o.limit, "limit", 100, "work: at most `N` requests in flight, for each worker")
	f.IntVar(&o.hostLimit, "host-limit", 0, "work: at most `N` requests in flight to one host, for each worker; 0: as many as -limit")
	f.IntVar(&o.batch, "batch", 500, "work: take `N` URLs from the queue at once, again when fewer are left")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "work: `time` for one URL, from when it is sent to the last byte")
	f.IntVar(&o.retries, "retries", 4, "work: at most `N` further attempts, where they are safe")
	f.BoolVar(&o.untilEOF, "until-eof", false, "work: stop when standard input ends, as after a signal (so that a fleet's workers end with it)")
	err := f.Parse(args)
	o.file = f.Arg(0)
	if err == nil {
		err = o.check()
	}
	return o, err
}

var jobName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (o *options) check() error {
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{!slices.Contains(roles, o.role), "-role: there is feed, work, collect, serve and upstream"},
		{o.flags.NArg() > 1 || o.file != "" && !o.feeds(), "one FILE at most, for a feed, with the flags before it"},
		{strings.Contains(o.file, "://"), "FILE is a URL: the name of a file with URLs is needed, one on a line"},
		{o.role == "feed" && o.file == "", "-role feed needs a FILE of URLs, or - for standard input"},
		{o.nats == "" && (o.role == "feed" || o.role == "work" || o.role == "collect"), "-role " + o.role + " needs the -nats URL of an engine (-role serve is one)"},
		{o.nats != "" && (o.store != "" || o.role == "serve"), "-nats is for an engine that runs already, -store and -role serve are for one of our own"},
		{o.role == "" && o.file == "" && o.store != "" && o.listen.Port() == 0, "-store without FILE needs -listen 127.0.0.1:PORT: the demo's URLs must be the same the next time"},
		{!jobName.MatchString(o.job), "-job: letters, digits, _ and - are allowed"},
		{min(o.replicas, o.n, o.workers, o.limit, o.batch) < 1, "-replicas, -n, -workers, -limit and -batch are at least 1"},
		{min(o.hostLimit, o.retries) < 0 || o.latency < 0 || o.timeout <= 0, "-host-limit, -latency and -retries are not negative, and -timeout is more than 0"},
		{o.ackWait < time.Second, "-ack-wait is at least 1s"},
	} {
		if rule.broken {
			return errors.New(rule.text)
		}
	}
	return nil
}

// workerArgs returns the command line of a worker.
func (o *options) workerArgs() []string {
	args := []string{"-role", "work", "-until-eof", "-nats", o.nats}
	for _, name := range []string{"job", "limit", "host-limit", "batch", "retries", "timeout"} {
		args = append(args, "-"+name, o.flags.Lookup(name).Value.String())
	}
	return args
}

func main() {
	o, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		o.flags.SetOutput(os.Stdout)
		o.flags.PrintDefaults()
		os.Exit(0)
	case err != nil:
		complain("%v (fleet -h lists the flags)", err)
		os.Exit(2)
	}
	// The first signal cancels the context. The second is not caught and kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop()
		if cause := context.Cause(ctx); o.role == "work" && cause != context.Canceled {
			complain("%v: the worker finishes the requests in flight", cause)
		}
	})
	if o.untilEOF {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	err = run(ctx, o)
	switch {
	case err == nil, ctx.Err() != nil && o.role == "work": // it was stopped before it found the job
		os.Exit(0)
	case ctx.Err() != nil:
		err = errors.New("stopped by a signal; if it is started again on the same queue, it continues")
	}
	complain("%v", err)
	os.Exit(1)
}

// run runs a part of a fleet, or all.
func run(ctx context.Context, o options) (err error) {
	if o.list = os.Stdin; o.file != "" && o.file != "-" {
		if o.list, err = os.Open(o.file); err != nil {
			return err
		}
	}
	switch o.role {
	case "":
		return fleet(ctx, o)
	case "serve":
		return serve(ctx, o)
	case "upstream":
		return serveDemo(ctx, o)
	}
	j, err := open(ctx, o)
	switch {
	case err != nil:
		return err
	case o.role == "work":
		return j.work(ctx, o)
	case o.role == "collect":
		return j.collect(ctx)
	}
	signal.Reset() // it may be waiting for input when a signal comes
	return j.feed(ctx, o.list)
}

// complain prints an error on standard error. Others may have written parts of
// it.
func complain(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "fleet:", lines.Printable(fmt.Sprintf(format, args...)))
}

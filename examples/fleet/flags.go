package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"
)

const usage = `Usage: fleet [flags] [FILE]

Fleet sends the requests of FILE with several worker processes, and writes one line of
JSON for each. The lines of FILE, and those that it writes, are those of the program
abreast: see docs/abreast.md. "-" is standard input. Without FILE, it fetches from a
server of its own.

The list goes through a queue in NATS JetStream. Without -nats, an engine runs in this
process. It keeps the queue in a temporary folder, or in -store DIR. If fleet is
started again with the same DIR and FILE, it continues where it was stopped.

With -role, one part runs alone, on this machine or another:

  feed      puts the URLs of FILE on the queue, except those that are there already
  work      fetches URLs of the queue until it receives a signal: then it finishes the
            requests in flight and returns the other URLs to the queue
  collect   writes results until every URL that was fed has one
  serve     runs an engine and prints its URL, for -nats
  upstream  serves the demo's URLs and prints them, one on each line, for FILE

The parts wait ten seconds for an engine that is not there yet. If they lose the
connection later, they wait until it is back.

Two fields are fleet's own: sha256 of a body with status 2xx, and worker, which sent the
request. The fields file and cost of a line are not used. A line of more than 64 KiB is
not sent; its result is an error.

Exit status: 0 every URL has exactly one result, 1 not so, or stopped, 2 bad flags.

Flags:
`

// options are the settings of the command line.
type options struct {
	role, nats, store, listen, job, file string
	replicas, n, workers                 int
	limit, hostLimit, batch, retries     int
	latency, timeout, ackWait            time.Duration
	untilEOF                             bool

	flags *flag.FlagSet
}

// workersFlags are the flags that a fleet passes on to its workers.
var workersFlags = map[string]bool{
	"job": true, "limit": true, "host-limit": true, "batch": true, "retries": true, "timeout": true,
}

func parseFlags(args []string) (options, error) {
	var o options
	o.flags = flag.NewFlagSet("fleet", flag.ContinueOnError)
	f := o.flags
	f.SetOutput(io.Discard) // errors are printed by run
	f.StringVar(&o.role, "role", "", "run one `part` alone: feed, work, collect, serve or upstream")
	f.StringVar(&o.nats, "nats", "", "`URL` of a running NATS server or cluster, several with commas between")
	f.StringVar(&o.store, "store", "", "keep the queue in `DIR`, to continue later")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` of serve's engine, or of the demo's upstream; port 0: a free one")
	f.StringVar(&o.job, "job", "fleet", "`name` of the job: one list of URLs and its results")
	f.IntVar(&o.replicas, "replicas", 1, "feed: how many servers of a cluster keep the queue")
	f.DurationVar(&o.ackWait, "ack-wait", 30*time.Second, "feed: `time` after which the URLs of a silent worker go to other workers")
	f.IntVar(&o.n, "n", 20_000, "demo: how many URLs")
	f.DurationVar(&o.latency, "latency", 300*time.Millisecond, "demo: longest `time` of an answer")
	f.IntVar(&o.workers, "workers", 3, "how many worker processes to start")
	f.IntVar(&o.limit, "limit", 100, "work: at most `N` requests in flight, for each worker")
	f.IntVar(&o.hostLimit, "host-limit", 0, "work: at most `N` requests in flight to one host, for each worker; 0: as many as -limit")
	f.IntVar(&o.batch, "batch", 1000, "work: take `N` URLs from the queue at once")
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
	ownFile := o.role == "" || o.role == "feed"
	_, badListen := net.ResolveTCPAddr("tcp", o.listen)
	switch {
	case roles[o.role] == nil:
		return fmt.Errorf("-role %s: there is feed, work, collect, serve and upstream", o.role)
	case o.flags.NArg() > 1, o.file != "" && !ownFile:
		return fmt.Errorf("one FILE at most, for a feed, with the flags before it (got %d)", o.flags.NArg())
	case strings.Contains(o.file, "://"): // not shown: it may have a password
		return errors.New("FILE is a URL: the name of a file with URLs is needed, one on a line")
	case o.role == "feed" && o.file == "":
		return errors.New("-role feed needs a FILE of URLs, or - for standard input")
	case o.nats == "" && (o.role == "feed" || o.role == "work" || o.role == "collect"):
		return fmt.Errorf("-role %s needs the -nats URL of an engine (-role serve is one)", o.role)
	case o.nats != "" && (o.store != "" || o.role == "serve"):
		return errors.New("-nats is for an engine that runs already, -store and -role serve are for one of our own")
	case badListen != nil:
		return fmt.Errorf("-listen: %w", badListen)
	case o.role == "" && o.file == "" && o.store != "" && strings.HasSuffix(o.listen, ":0"):
		return errors.New("-store without FILE needs -listen 127.0.0.1:PORT: the demo's URLs must be the same the next time")
	case !jobName.MatchString(o.job):
		return fmt.Errorf("-job %q: letters, digits, _ and - are allowed", o.job)
	case min(o.replicas, o.n, o.workers, o.limit, o.batch) < 1:
		return errors.New("-replicas, -n, -workers, -limit and -batch are at least 1")
	case o.hostLimit < 0, o.latency < 0, o.retries < 0, o.timeout <= 0:
		return errors.New("-host-limit, -latency and -retries are not negative, and -timeout is more than 0")
	case o.ackWait < time.Second:
		return errors.New("-ack-wait is at least 1s")
	}
	return nil
}

func (o *options) usage(w io.Writer) {
	fmt.Fprint(w, usage)
	o.flags.SetOutput(w)
	o.flags.PrintDefaults()
}

// workerArgs returns the command line of a worker.
func (o *options) workerArgs() []string {
	args := []string{"-role", "work", "-until-eof", "-nats", o.nats}
	o.flags.Visit(func(f *flag.Flag) {
		if workersFlags[f.Name] {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	return args
}

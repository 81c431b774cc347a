package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const usage = `Usage: fetch [flags] [FILE]

Fetch fetches many URLs concurrently. FILE has one URL on each line. Blank lines
and lines that begin with # are skipped. "-" is standard input, even if it is empty.

Without FILE, fetch reads URLs from standard input if that is a pipe or a file that
is not empty. Otherwise a demo runs: 1,000 URLs of a server on loopback, some of which
fail in various ways. The demo compares the results with what the server was told to
answer.

Fetch writes one line of JSON to standard output for each URL that it reads:

  line         number of its line in the input
  url          the URL; *** replaces what may be its user and password, and ...
               what is beyond 4,000 bytes
  status       of the response (the last one, after redirects); 0: no response
  bytes        received of the body, decompressed
  started      when it was sent; absent if it was never its turn
  duration_ms  milliseconds from then to the last byte
  sent         false: certainly nothing was transmitted, so sending again is safe
  kind, error  of the failure; absent for a response with status 2xx
  file         with -dir: name of the body's file in DIR

Characters that would control a terminal are escaped. Fetch reads at most twice
-limit lines ahead of what it writes. Kinds of failure: status (outside 2xx), bad URL,
dns, refused, connect, tls, timeout, reset, cut off, too large, file (a body could not
be written), canceled, other. A line of more than 1 MiB is a bad URL.

With -dir, the body of each response with status 2xx is streamed into a file in DIR.
The file is named after the line's number and URL, and appears when it is complete.
(A name that ends in .part was left by a fetch that was killed.) Other bodies are not
kept.

The archive of -har (HTTP Archive 1.2) has headers, but not the values of
Authorization, Cookie, Set-Cookie and the headers that -H sets. It has the queries of
URLs unchanged, and no bodies.

Ctrl-C or SIGTERM ends fetch early: each URL that was read still has its line of
output, and is in the picture and the archive. A second Ctrl-C kills fetch. On a
terminal, the demo writes no lines unless -out says where.

Exit status: 0 no failure (demo: all results are as planned), 1 some failure, 2 bad
flags or files, 130 Ctrl-C, 143 SIGTERM.

Flags:
`

// options are the settings of the command line.
type options struct {
	limit, hostLimit int
	rate             float64
	timeout          time.Duration
	maxBody          int64
	headers          repeated // as -H gives them
	header           http.Header
	ordered          bool
	dir, out, har    string
	waterfall        bool
	file             string // "": none was named

	flags *flag.FlagSet
}

func parseFlags(args []string) (options, error) {
	o := options{header: make(http.Header), flags: flag.NewFlagSet("fetch", flag.ContinueOnError)}
	f := o.flags
	f.SetOutput(io.Discard) // errors are printed by main
	f.IntVar(&o.limit, "limit", 100, "at most `N` requests in flight")
	f.IntVar(&o.hostLimit, "host-limit", 0, "at most `N` requests in flight to one host; 0: as many as -limit")
	f.Float64Var(&o.rate, "rate", 0, "at most `R` requests a second to all hosts together; 0: no limit")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` for one URL, from when it is sent to the last byte; 0: no limit")
	f.Int64Var(&o.maxBody, "max-body", 0, "fail a URL whose body has more `bytes`; 0: no limit with -dir, else 10 MiB")
	f.Var(&o.headers, "H", "send the header `'Name: value'` (may be repeated; not sent after a redirect to another origin)")
	f.BoolVar(&o.ordered, "ordered", false, "write the lines in the order of the input, not of completion")
	f.StringVar(&o.dir, "dir", "", "write bodies to files in `DIR`, which is created if necessary")
	f.StringVar(&o.out, "out", "", "write the lines to `FILE` instead of standard output (\"-\")")
	f.BoolVar(&o.waterfall, "waterfall", false, "draw the last 40 requests on standard error at the end")
	f.StringVar(&o.har, "har", "", "write an archive of the last 1,000 requests to `FILE`, for a browser's network panel")
	err := f.Parse(args)
	if err == nil {
		err = o.check()
	}
	return o, err
}

func (o *options) check() error {
	switch {
	case o.flags.NArg() > 1:
		return fmt.Errorf("one FILE at most, with the flags before it (got %d)", o.flags.NArg())
	case o.flags.NArg() == 1 && o.flags.Arg(0) == "":
		return errors.New("the name of FILE is empty")
	case strings.Contains(o.flags.Arg(0), "://"): // not shown: it may have a password
		return errors.New("FILE is a URL: the name of a file with URLs is needed, one on a line")
	case o.limit < 1:
		return fmt.Errorf("-limit %d: at least 1 is needed", o.limit)
	case o.hostLimit < 0:
		return fmt.Errorf("-host-limit %d is negative", o.hostLimit)
	case !(o.rate >= 0) || math.IsInf(o.rate, 0): // or no number at all
		return fmt.Errorf("-rate %v is not a number of requests a second", o.rate)
	case o.timeout < 0:
		return fmt.Errorf("-timeout %v is negative", o.timeout)
	case o.har == "-":
		return errors.New("-har needs a file: standard output is for the lines")
	case o.har != "" && o.har == o.out:
		return fmt.Errorf("-har %s is the file that the lines are written to", o.har)
	case o.maxBody < 0:
		return fmt.Errorf("-max-body %d is negative", o.maxBody)
	}
	o.file = o.flags.Arg(0)
	for _, h := range o.headers {
		if err := o.addHeader(h); err != nil {
			return fmt.Errorf("-H: %w", err)
		}
	}
	return nil
}

func (o *options) usage(w io.Writer) {
	fmt.Fprint(w, usage)
	o.flags.SetOutput(w)
	o.flags.PrintDefaults()
}

// given reports whether a flag was set on the command line.
func (o *options) given(name string) bool {
	found := false
	o.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// A repeated is a flag that may be repeated. Set accepts any value: package
// flag would quote one that is refused, and this one may be a password.
type repeated []string

func (r *repeated) String() string     { return "" }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }

// addHeader adds the header that a -H gives.
func (o *options) addHeader(s string) error {
	name, value, ok := strings.Cut(s, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok:
		return errors.New("no colon: 'Name: value' is needed")
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("invalid header name %q", name)
	case strings.ContainsAny(value, "\r\n\x00"):
		return fmt.Errorf("CR, LF or NUL in the value of header %s", name)
	}
	o.header.Add(name, value)
	return nil
}

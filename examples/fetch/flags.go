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
)

const usage = `Usage: fetch [flags] [FILE]

Fetch fetches many URLs side by side. FILE has one URL a line; blank lines
and those that begin with # are skipped. "-" is standard input, also an empty one.

Without FILE, URLs are read from standard input if that is a pipe or a file with
something in it. If it is empty, or a terminal, a demo runs: 1,000 URLs of an
upstream on loopback, some of which fail in one way or another. What comes back is
compared with what the upstream planted.

Every line that is read gets one line of JSON on standard output:

  line         its number in the input
  url          as it was read, without a password
  status       of the response (the last one, after redirects); 0: none came
  bytes        of the body, decompressed, as far as it came
  started      when it was sent; absent if its turn never came
  duration_ms  milliseconds from then to the last byte
  sent         false: it is proved that nothing left, sending again is safe
  kind, error  of the failure; absent for a response with status 2xx
  file         with -dir: the body's name in DIR

Lines are read as they are needed, at most twice the -limit ahead of what is
written. Kinds of failure: status (outside 2xx), bad URL, dns, refused, connect,
tls, timeout, reset, cut off, too large, file (a body could not be kept), cancelled,
other.

With -dir the body of each response with status 2xx is streamed into a file in
DIR, named after the line's number and URL, which appears once it is whole. (A
name that ends in .part is what a killed fetch left.) No other body is kept.

The archive of -har (HTTP Archive 1.2) has headers, but not the values of
Authorization, Cookie, Set-Cookie and of those that -H gives; queries of URLs as they
are; and no bodies.

Ctrl-C, or SIGTERM, ends it early: what was read has its line all the same, and is
in the picture and the archive. Again Ctrl-C kills. The demo shows no lines on a
terminal, unless -out says where to.

Exit status: 0 all is well (the demo: all is as planted), 1 something failed, 2 bad
flags or files, 130 Ctrl-C, 143 SIGTERM.

Flags:
`

// options are what the command line says.
type options struct {
	limit, hostLimit int
	rate             float64
	timeout          time.Duration
	maxBody          int64
	header           headers
	ordered          bool
	dir, out, har    string
	waterfall        bool
	file             string // "": none was named

	flags *flag.FlagSet
}

func parseFlags(args []string) (options, error) {
	o := options{header: make(headers), flags: flag.NewFlagSet("fetch", flag.ContinueOnError)}
	f := o.flags
	f.SetOutput(io.Discard) // errors are printed by main
	f.IntVar(&o.limit, "limit", 100, "at most `N` requests in flight")
	f.IntVar(&o.hostLimit, "host-limit", 0, "at most `N` in flight to one host; 0: as many as the limit")
	f.Float64Var(&o.rate, "rate", 0, "at most `R` requests a second, over all; 0: no such limit")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` for one URL, from its sending to the last byte; 0: none")
	f.Int64Var(&o.maxBody, "max-body", 0, "a body of more `bytes` is a failure; 0: no limit with -dir, else 10 MiB")
	f.Var(o.header, "H", "`'Name: value'` of a header to send (may be repeated; not sent on to another host)")
	f.BoolVar(&o.ordered, "ordered", false, "write the lines in the order of the input, not of arrival")
	f.StringVar(&o.dir, "dir", "", "put bodies into files in `DIR`, which is made if need be")
	f.StringVar(&o.out, "out", "", "write the lines to `FILE`, not to standard output (\"-\")")
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
		return fmt.Errorf("one FILE at most, with the flags before it (got %q)", o.flags.Args())
	case o.flags.NArg() == 1 && o.flags.Arg(0) == "":
		return errors.New("the name of FILE is empty")
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
	return nil
}

func (o *options) usage(w io.Writer) {
	fmt.Fprint(w, usage)
	o.flags.SetOutput(w)
	o.flags.PrintDefaults()
}

// given reports whether a flag is on the command line.
func (o *options) given(name string) bool {
	found := false
	o.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// headers is a flag that may be repeated.
type headers http.Header

func (h headers) String() string { return "" }

func (h headers) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if !ok {
		return errors.New("it has no colon: 'Name: value' is needed")
	}
	value = strings.TrimSpace(value)
	if !isToken(name) {
		return fmt.Errorf("%q is no name of a header", name)
	}
	if strings.ContainsAny(value, "\r\n\x00") {
		return errors.New("the value has a CR, LF or NUL in it")
	}
	http.Header(h).Add(name, value)
	return nil
}

// isToken is what RFC 9110 (5.6.2) lets be a header's name.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

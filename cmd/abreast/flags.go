package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

const usage = `Usage: abreast [flags] [URL | FILE | -]...

Sends many HTTP requests at once and writes one line of JSON for each. FILE, or
- for standard input (the default), has one request per line: a URL, or a JSON
object with url, method, headers, body, form, timeout, file, cost and id. Other
fields come back as input. A value follows its flag after a space. Recipes:
docs/abreast.md at github.com/abreast-go/abreast

What is sent
  -X METHOD   GET, or POST with a body    -d DATA     a body, @FILE from a file
  -H 'K: V'   a header; may be repeated   -json DATA  a body in JSON, or @FILE
  -u USER:PW  Basic authorization         -netrc      the same, from ~/.netrc
  -b 'K=V'    send cookies, or a FILE's   -c FILE     keep cookies that servers
  -proxy URL  http, https, socks5(h)                  set and write them to FILE
  -k          accept any certificate      -cacert F   trust these certificates
  -cert F -key F  client certificate      -compressed is always on
Credentials go to the hosts of the list, and not to others after a redirect.

How fast
  -limit N       in flight (100)          -host-limit N  the same for one host
  -rate 10/s     requests, or 500/m, 9/h  -cost-rate N/m  costs of the lines
  -retries N     further attempts (4); a Retry-After pauses its host
  -timeout TIME  of an attempt (30s; none with -dir)
  -stall TIME    longest time without any byte (none; 30s with -dir)
  TIME is in seconds, or has a unit: 5, 500ms, 2m.

What comes out
  -out FILE      write results to FILE; with -append, add to its end
  -resume FILE   skip the lines that have a result in FILE, append the others
  -resume-failed FILE   the same, but repeat the lines that failed
  -body          with bodies              -headers A,B   with these headers
  -dir DIR       bodies into files        -name '{line}-{host}-{base}'
  -max-body 20M  longest body in bytes, K, M or G (10M; no limit with -dir)
  -ordered       in the order of input    -fail N        stop after N failures
  -quiet         no progress, no summary  -summary       the summary, no results
  -waterfall     draw 40 requests         -har FILE      archive 1,000 requests
  -grace TIME    time to finish after Ctrl-C (2s)
  -demo          fetch from a server of its own          -version, -help

A result has line, id, url, status, bytes, started, duration_ms, attempts, sent
(false: nothing was transmitted), kind and error (of a failure), final_url,
file, headers, input, and the body as json, text or base64.
Exit status: 0 all lines succeeded, 1 some failed or the output could not be
written, 2 bad flags or files, 130 and 143 stopped.
`

// options are the settings of the command line.
type options struct {
	args []string // URLs, files and -

	method     string
	data       repeated
	jsonBody   string
	headers    repeated
	header     http.Header // of headers, user and cookies
	without    []string    // headers that are not sent although they are usual
	user       string
	netrc      bool
	cookies    repeated
	cookieFile string
	proxy      string
	proxyURL   *url.URL
	insecure   bool
	caCert     string
	cert, key  string
	body       lines.Default // of lines without one

	limit, hostLimit, retries int
	rate, costRate            frequency
	timeout, stall, grace     seconds

	out, resume, resumeFailed string
	appendOut                 bool
	withBody                  bool
	headerNames               string
	withHeaders               []string
	dir, name                 string
	maxBody                   size
	ordered                   bool
	fail                      int
	quiet, summary            bool
	waterfall                 bool
	har                       string
	demo, version             bool

	flags *flag.FlagSet
}

func newOptions() *options {
	o := &options{header: make(http.Header), timeout: seconds(30 * time.Second), grace: seconds(2 * time.Second)}
	o.rate.per, o.costRate.per = time.Second, time.Minute
	o.flags = flag.NewFlagSet("abreast", flag.ContinueOnError)
	f := o.flags
	f.SetOutput(io.Discard) // errors are printed by main
	f.StringVar(&o.method, "X", "", "")
	f.Var(&o.data, "d", "")
	f.StringVar(&o.jsonBody, "json", "", "")
	f.Var(&o.headers, "H", "")
	f.StringVar(&o.user, "u", "", "")
	f.BoolVar(&o.netrc, "netrc", false, "")
	f.Var(&o.cookies, "b", "")
	f.StringVar(&o.cookieFile, "c", "", "")
	f.StringVar(&o.proxy, "proxy", "", "")
	f.BoolVar(&o.insecure, "k", false, "")
	f.StringVar(&o.caCert, "cacert", "", "")
	f.Bool("compressed", true, "") // accepted, as curl has it
	f.StringVar(&o.cert, "cert", "", "")
	f.StringVar(&o.key, "key", "", "")
	f.IntVar(&o.limit, "limit", 100, "")
	f.IntVar(&o.hostLimit, "host-limit", 0, "")
	f.Var(&o.rate, "rate", "")
	f.Var(&o.costRate, "cost-rate", "")
	f.IntVar(&o.retries, "retries", 4, "")
	f.Var(&o.timeout, "timeout", "")
	f.Var(&o.stall, "stall", "")
	f.Var(&o.grace, "grace", "")
	f.StringVar(&o.out, "out", "", "")
	f.BoolVar(&o.appendOut, "append", false, "")
	f.StringVar(&o.resume, "resume", "", "")
	f.StringVar(&o.resumeFailed, "resume-failed", "", "")
	f.BoolVar(&o.withBody, "body", false, "")
	f.StringVar(&o.headerNames, "headers", "", "")
	f.StringVar(&o.dir, "dir", "", "")
	f.StringVar(&o.name, "name", "", "")
	f.Var(&o.maxBody, "max-body", "")
	f.BoolVar(&o.ordered, "ordered", false, "")
	f.IntVar(&o.fail, "fail", 0, "")
	f.BoolVar(&o.quiet, "quiet", false, "")
	f.BoolVar(&o.summary, "summary", false, "")
	f.BoolVar(&o.waterfall, "waterfall", false, "")
	f.StringVar(&o.har, "har", "", "")
	f.BoolVar(&o.demo, "demo", false, "")
	f.BoolVar(&o.version, "version", false, "")
	return o
}

// parseFlags parses a command line. Flags may come before and after the
// arguments, as with curl.
func parseFlags(args []string) (*options, error) {
	o := newOptions()
	for {
		if err := o.flags.Parse(args); err != nil {
			return o, o.explain(err)
		}
		rest := o.flags.Args()
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			o.args = append(o.args, rest...)
			rest = nil
		}
		if len(rest) == 0 {
			return o, o.check()
		}
		o.args, args = append(o.args, rest[0]), rest[1:]
	}
}

// elsewhere has what stands for flags of curl, wget, xargs and aria2c.
var elsewhere = map[string]string{
	"i": "name the FILE without a flag", "K": "name the FILE without a flag", "config": "name the FILE without a flag", "input-file": "name the FILE without a flag",
	"o": "-out FILE for the results, -dir DIR for bodies", "output": "-out FILE for the results, -dir DIR for bodies",
	"O": "-dir DIR", "remote-name": "-dir DIR", "output-document": "-dir DIR", "output-dir": "-dir DIR", "directory-prefix": "-dir DIR",
	"P": "-limit N for requests at once, -dir DIR for a folder",
	"j": "-limit N", "Z": "-limit N", "parallel": "-limit N", "parallel-max": "-limit N", "max-concurrent-downloads": "-limit N",
	"L": "redirects are followed", "location": "redirects are followed",
	"s": "-quiet", "silent": "-quiet", "q": "-quiet", "S": "-quiet", "v": "-headers or -har",
	"f": "a status outside 2xx is a failure anyhow",
	"I": "-X HEAD", "head": "-X HEAD", "request": "-X", "header": "-H", "user": "-u", "insecure": "-k", "cookie": "-b", "cookie-jar": "-c",
	"A": "-H 'User-Agent: ...'", "user-agent": "-H 'User-Agent: ...'", "e": "-H 'Referer: ...'", "referer": "-H 'Referer: ...'",
	"F": "a line with a field form, or -d", "form": "a line with a field form, or -d",
	"data": "-d", "data-raw": "-d", "data-binary": "-d", "data-urlencode": "a line with a field form, or -d", "post-data": "-d",
	"x": "-proxy URL", "proxy-user": "-proxy http://user:password@host:8080", "socks5": "-proxy socks5://host:1080",
	"m": "-timeout TIME", "max-time": "-timeout TIME", "connect-timeout": "-timeout TIME", "T": "-timeout TIME", "speed-time": "-stall TIME",
	"retry": "-retries N", "t": "-retries N", "tries": "-retries N", "limit-rate": "-rate limits requests, and nothing limits bytes",
	"E": "-cert FILE", "C": "-resume FILE", "continue": "-resume FILE", "continue-at": "-resume FILE",
}

// explain adds to an error of package flag which flag may be meant. The flag may
// have a password in it: -ume:secret.
func (o *options) explain(err error) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	if meant := elsewhere[name]; meant != "" {
		return fmt.Errorf("-%s is not a flag: %s", name, meant)
	}
	if len(name) > 1 && o.flags.Lookup(name[:1]) != nil {
		return fmt.Errorf("a flag that begins with -%[1]s is unknown (a value needs a space before it: -%[1]s VALUE)", name[:1])
	}
	return err
}

func (o *options) check() error {
	switch {
	case o.limit < 1:
		return fmt.Errorf("-limit %d: at least 1 is needed", o.limit)
	case min(o.hostLimit, o.retries, o.fail) < 0:
		return errors.New("-host-limit, -retries and -fail must not be negative")
	case o.har == "-":
		return errors.New("-har needs a file: standard output is for the lines")
	case o.har != "" && (o.har == o.out || o.har == o.resumed()):
		return fmt.Errorf("-har %s is the file that the lines are written to", o.har)
	case o.resume != "" && o.resumeFailed != "":
		return errors.New("use -resume or -resume-failed, not both")
	case o.resumed() != "" && o.out != "" && o.out != o.resumed():
		return fmt.Errorf("-out %s: a resumed list is appended to %s", o.out, o.resumed())
	case o.resumed() == "-":
		return errors.New("-resume needs a file")
	case o.appendOut && (o.out == "" || o.out == "-"):
		return errors.New("-append needs -out FILE")
	case o.name != "" && o.dir == "":
		return errors.New("-name needs -dir DIR")
	case len(o.data) > 0 && o.given("json"):
		return errors.New("use -d or -json, not both")
	case (o.cert == "") != (o.key == "") && o.key != "":
		return errors.New("-key needs -cert FILE")
	case o.method != "" && !httpguts.ValidHeaderFieldName(o.method):
		return fmt.Errorf("-X %q is not the name of a method", o.method)
	case o.dir != "" && !o.given("timeout") && !o.given("stall"): // a download may take its time
		o.timeout, o.stall = 0, seconds(30*time.Second)
	}
	switch {
	case o.quiet && (o.summary || o.waterfall):
		return errors.New("-quiet prints neither -summary nor -waterfall")
	case o.readsTwice():
		return errors.New("standard input cannot be both @- and the list")
	case o.demo && len(o.args) > 0:
		return errors.New("-demo has a list of its own")
	}
	for _, arg := range o.args {
		if arg == "" {
			return errors.New("an argument is empty")
		}
	}
	if err := checkTemplate(o.name); err != nil {
		return fmt.Errorf("-name: %w", err)
	}
	for _, name := range strings.Split(o.headerNames, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.withHeaders = append(o.withHeaders, textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	if err := o.setProxy(); err != nil {
		return err
	}
	for _, h := range o.headers {
		if err := o.addHeader(h); err != nil {
			return fmt.Errorf("-H: %w", err)
		}
	}
	if o.user != "" {
		user, password, ok := strings.Cut(o.user, ":")
		if !ok {
			return errors.New("-u: no colon: USER:PASSWORD is needed")
		}
		r := http.Request{Header: o.header}
		r.SetBasicAuth(user, password)
	}
	return o.setBody()
}

// resultFile returns the file of the results, or "" if they go elsewhere.
func (o *options) resultFile() string {
	if o.out == "" || o.out == "-" {
		return o.resumed()
	}
	return o.out
}

// resumed returns the file of -resume or -resume-failed.
func (o *options) resumed() string {
	if o.resumeFailed != "" {
		return o.resumeFailed
	}
	return o.resume
}

// readsTwice reports whether standard input is both a body and the list.
func (o *options) readsTwice() bool {
	return (slices.Contains(o.data, "@-") || o.jsonBody == "@-") && (len(o.args) == 0 || slices.Contains(o.args, "-"))
}

// setBody sets what is sent for lines that have no method or body of their own.
func (o *options) setBody() error {
	o.body.Method = lines.Method(o.method)
	var parts []string
	for _, d := range o.data {
		text, err := content("-d", d)
		if err != nil {
			return err
		}
		if strings.HasPrefix(d, "@") {
			text = strings.NewReplacer("\r", "", "\n", "").Replace(text) // as curl does
		}
		parts = append(parts, text)
	}
	switch {
	case parts != nil:
		o.body.HasBody, o.body.Body = true, strings.Join(parts, "&")
		o.body.ContentType = "application/x-www-form-urlencoded"
	case o.given("json"):
		text, err := content("-json", o.jsonBody)
		if err != nil {
			return err
		}
		if !json.Valid([]byte(text)) {
			return errors.New("-json: the value is not valid JSON")
		}
		o.body.HasBody, o.body.Body, o.body.ContentType = true, text, "application/json"
		if o.header.Get("Accept") == "" && !slices.Contains(o.without, "Accept") {
			o.header.Set("Accept", "application/json")
		}
	}
	if ct := o.header.Get("Content-Type"); ct != "" { // Client.Header would not override the body's Content-Type
		o.body.ContentType = ct
	}
	if slices.Contains(o.without, "Content-Type") {
		o.body.ContentType = ""
	}
	return nil
}

// content returns the value of a flag, or what is in the file that it names
// after an "@".
func content(name, value string) (string, error) {
	file, ok := strings.CutPrefix(value, "@")
	if !ok {
		return value, nil
	}
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(os.Stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(text), nil
}

// setProxy checks the URL of the proxy. Its errors do not quote it: it may have
// a password.
func (o *options) setProxy() error {
	if o.proxy == "" {
		return nil
	}
	text := o.proxy
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("-proxy: a URL is needed, such as http://host:8080 (in a password, write %40 %3A %2F for @ : /)")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		o.proxyURL = u
		return nil
	}
	return errors.New("-proxy: http, https, socks5 or socks5h is needed")
}

// addHeader adds the header that a -H gives. As with curl, "X:" means that none
// of that name is sent, and "X;" that an empty one is.
func (o *options) addHeader(s string) error {
	name, value, ok := strings.Cut(s, ":")
	empty := strings.TrimSpace(value) == ""
	if !ok {
		if name, ok = strings.CutSuffix(s, ";"); !ok { // X; sends an empty header, as with curl
			return errors.New("no colon: 'Name: value' is needed")
		}
		empty = false
	}
	value = strings.TrimSpace(value)
	if err := lines.CheckHeader(name, value); err != nil {
		return err
	}
	if name = textproto.CanonicalMIMEHeaderKey(name); empty && name != "User-Agent" { // net/http sends no empty one
		o.without = append(o.without, name)
		return nil
	}
	o.header.Add(name, value)
	return nil
}

// given reports whether a flag was set on the command line.
func (o *options) given(name string) bool {
	found := false
	o.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

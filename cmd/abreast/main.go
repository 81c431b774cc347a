// Abreast sends many HTTP requests at once and writes one line of JSON for each
// line of its input. See usage in flags.go and docs/abreast.md, or run
//
//	go run -C cmd/abreast . -demo
//	go run -C cmd/abreast . -help
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// Exit statuses. After a signal it is 128 plus the signal's number.
const (
	exitGood   = 0
	exitFailed = 1 // a line, reading or writing failed; in the demo, a result is not as planted
	exitUsage  = 2
)

func main() {
	status := run(os.Args[1:])
	runtime.KeepAlive(ballast)
	os.Exit(status)
}

func run(args []string) int {
	opts, err := parseFlags(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return exitGood
	case err != nil:
		return refuse(fmt.Errorf("%w\nabreast -help lists the flags", err))
	case opts.version:
		fmt.Println(version())
		return exitGood
	}
	s, err := open(opts)
	if err != nil {
		return refuse(err)
	}
	defer s.close()
	return s.run()
}

// version returns the version of the program as go install has recorded it.
func version() string {
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return "abreast " + v
}

// A session is one run of the program over its list.
type session struct {
	opts    *options
	stopper *stopper
	demo    *demo // nil without -demo
	list    *input
	out     *output
	done    *finished
	jar     *jar // nil: no cookies are kept
	drawn   *pictures
	fetcher *fetcher
	bar     *progress // nil: none
	sum     *summary
}

// open opens everything that a session needs.
func open(opts *options) (s *session, err error) {
	s = &session{opts: opts, stopper: newStopper(time.Duration(opts.grace)), sum: newSummary()}
	var sources []source
	if opts.demo {
		if s.demo, err = startDemo(opts); err != nil {
			return nil, err
		}
	} else if sources, err = openSources(opts.args); err != nil {
		return nil, err
	}
	s.stopper.onSignal(func() {
		if !opts.quiet {
			complain(fmt.Errorf("stopping: requests in flight have %v to finish; press Ctrl-C again to kill", s.stopper.grace))
		}
	})
	if warning := opts.fitFiles(); warning != "" {
		complain(errors.New(warning))
	}
	if s.jar, err = opts.openJar(); err != nil {
		return nil, err
	}
	conns, err := newConnections(opts)
	if err != nil {
		return nil, err
	}
	auth, err := opts.auth()
	if err != nil {
		return nil, err
	}
	// What can fail without a trace comes before what creates files.
	bodies, err := openFolder(opts.dir, opts.name)
	if err != nil {
		return nil, err
	}
	if s.out, s.done, err = openOutput(opts, sources); err != nil {
		return nil, err
	}
	if s.drawn, err = openPictures(opts, sources); err != nil {
		return nil, err
	}
	var jar http.CookieJar // not a nil *jar
	if s.jar != nil {
		jar = s.jar
	}
	s.fetcher = newFetcher(opts, conns, auth, bodies, s.drawn, jar)
	s.done.isRepeatable, s.done.claim = s.fetcher.isRepeatable, bodies.claim
	if opts.resumed() != "" {
		if err := s.done.checkFiles(sources); err != nil {
			return nil, err
		}
	}
	showBar := isTerminal(os.Stderr) && !opts.quiet
	s.fetcher.told = func(err error) {
		if !showBar && !opts.quiet { // the bar shows pauses
			complain(err)
		}
	}
	var total int64
	switch {
	case s.demo != nil:
		s.list, total = s.demo.list(), s.demo.total()
	case showBar:
		total = max(0, countLines(sources)-int64(s.done.n))
		fallthrough
	default:
		s.list = readInput(sources)
	}
	if showBar {
		s.bar = newProgress(os.Stderr, total)
	}
	s.out.to = s.writer()
	return s, nil
}

// writer returns what the lines are written to.
func (s *session) writer() io.Writer {
	toFile := s.out.file != os.Stdout
	switch {
	case !toFile && s.opts.summary:
		return io.Discard
	case toFile || !isTerminal(s.out.file):
		return s.out.file
	case s.demo != nil && s.opts.out == "":
		return io.Discard // a newcomer wants to see the bar
	case s.bar != nil:
		return s.bar // it prints the lines above itself
	}
	return s.out.file
}

// run sends all requests and returns the exit status.
func (s *session) run() int {
	err := s.fetcher.all(s.stopper.run, s.stopper.begin, s.list, s.done, s.bar, s.report)
	broken := isBrokenPipe(err)
	if broken {
		err = nil
	}
	err = errors.Join(err, s.out.close(), s.drawn.write())
	if s.jar != nil && s.opts.cookieFile != "" {
		err = errors.Join(err, s.jar.save(s.opts.cookieFile))
	}
	if broken {
		return exitFailed
	}
	if !s.opts.quiet {
		s.drawn.print(os.Stderr)
		if err == nil && s.stopper.cause() == nil && s.sum.good+s.sum.failed+s.done.skipped == 0 {
			complain(errors.New("the list is empty"))
		}
		for _, u := range slices.Sorted(maps.Keys(s.fetcher.unknown)) {
			complain(fmt.Errorf("%s with the unknown field %s", counted(s.fetcher.unknown[u], "line"), u))
		}
		s.sum.print(os.Stderr, s.fetcher.conns.opened.Load(), s.done)
	}
	why := s.stopper.cause()
	var signal stopped
	switch {
	case err != nil:
		complain(err)
		return exitFailed
	case why != nil:
		complain(why)
		if file := s.opts.resultFile(); file != "" && !s.opts.quiet {
			complain(fmt.Errorf("the lines that are left: the same list with -resume %s", file))
		}
		if errors.As(why, &signal) {
			return signal.status()
		}
		return exitFailed
	case s.demo != nil:
		return s.demo.verdict(os.Stderr)
	case s.sum.failed+s.done.failures > 0:
		return exitFailed
	}
	return exitGood
}

// report writes a result and counts it. r is nil if the line was not begun.
func (s *session) report(seq int, r *lines.Result) error {
	if r != nil {
		s.sum.add(r)
		if s.demo != nil {
			s.demo.check(r)
		}
		s.bar.step(r)
		if s.opts.fail > 0 && s.sum.failed == s.opts.fail && s.stopper.cause() == nil {
			s.stopper.stop(tooMany(s.sum.failed))
		}
	}
	return s.out.add(seq, r)
}

func (s *session) close() {
	if s.demo != nil {
		s.demo.close()
	}
}

// refuse prints why nothing is sent.
func refuse(err error) int {
	complain(err)
	return exitUsage
}

// complain prints an error on standard error. Others may have written parts of
// it.
func complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(os.Stderr, "abreast:", lines.Printable(strings.TrimSuffix(line, "\n")))
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

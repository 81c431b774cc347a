// Fetch fetches many URLs concurrently and writes one line of JSON for each
// line of its input. Without input it runs a demo. See usage in flags.go, or
// run
//
//	go run -C examples ./fetch
//	go run -C examples ./fetch -h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/abreast-go/abreast/examples/internal/lines"
)

// Exit statuses. After a signal it is 128 plus the signal's number.
const (
	exitGood   = 0
	exitFailed = 1 // a URL, reading or writing failed; in the demo, a result is not as planted
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	opts, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		opts.usage(os.Stdout)
		return exitGood
	}
	if err != nil {
		return refuse(fmt.Errorf("%w\nfetch -h lists the flags", err))
	}
	in, err := openInput(opts.file)
	if err != nil {
		return refuse(err)
	}
	defer in.Close()
	ctx := untilSignal()

	showBar := isTerminal(os.Stderr)
	var total int64
	if showBar {
		total = countLines(in)
	}
	list := readInput(in)
	some, err := list.some(ctx)
	var demo *demo
	switch {
	case err != nil:
		return refuse(err)
	case !some && opts.file == "":
		if demo, err = startDemo(&opts); err != nil {
			return refuse(err)
		}
		defer demo.close()
		list, total = readInput(demo.list()), demo.total()
	}

	bodies, err := openFolder(opts.dir)
	if err != nil {
		return refuse(err)
	}
	out, err := openOutput(opts.out, in)
	if err != nil {
		return refuse(err)
	}
	defer out.Close()
	drawn, err := openPictures(opts, in)
	if err != nil {
		return refuse(err)
	}

	var bar *progress // nil: none
	if showBar {
		bar = newProgress(os.Stderr, total)
	}
	var w io.Writer = out
	switch {
	case !isTerminal(out):
	case demo != nil && opts.out == "":
		w = io.Discard // a newcomer wants to see the bar
	case bar != nil:
		w = bar // it prints the lines above itself
	}

	sum := newSummary()
	write := recordWriter(w)
	f := newFetcher(opts, bodies, drawn)
	err = f.all(ctx, list, bar, func(r record) error {
		sum.add(r)
		if demo != nil {
			demo.check(r)
		}
		bar.step(r.Kind != "")
		return write(r)
	})
	err = errors.Join(err, out.Close(), drawn.write())
	drawn.print(os.Stderr)
	sum.print(os.Stderr, f.opened.Load())

	var stop stopped
	switch {
	case err != nil:
		complain(err)
		return exitFailed
	case errors.As(context.Cause(ctx), &stop):
		complain(stop)
		return stop.status()
	case demo != nil:
		return demo.verdict(os.Stderr)
	case sum.failed > 0:
		return exitFailed
	}
	return exitGood
}

// refuse prints why nothing is fetched.
func refuse(err error) int {
	complain(err)
	return exitUsage
}

// complain prints an error on standard error. Others may have written parts of
// it.
func complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(os.Stderr, "fetch:", lines.Printable(strings.TrimSuffix(line, "\n")))
	}
}

// untilSignal returns a context that is canceled by the first Ctrl-C or
// SIGTERM. The second is not caught and kills the program.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		cancel(stopped{s})
	}()
	// By default, writing to a closed pipe kills the program, which would leave
	// parts of files behind. Now the write fails.
	signal.Ignore(syscall.SIGPIPE)
	return ctx
}

// stopped is the cause of a context that a signal canceled.
type stopped struct{ by os.Signal }

func (s stopped) Error() string { return "stopped by a signal (" + s.by.String() + ")" }

func (s stopped) status() int {
	if s.by == syscall.SIGTERM {
		return 128 + 15
	}
	return 128 + 2
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Fleet fetches a list of URLs with several processes, on one machine or many,
// which share a work queue in NATS JetStream. Each URL gets exactly one result,
// even if processes are killed. See usage in flags.go and README.md, or run
//
//	go run -C examples ./fleet
//	go run -C examples ./fleet -h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// roles are the parts of a fleet, as -role names them.
var roles = map[string]func(context.Context, options) error{
	"":         fleet,
	"feed":     feed,
	"work":     work,
	"collect":  collect,
	"serve":    serve,
	"upstream": serveDemo,
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		o.usage(os.Stdout)
		return 0
	}
	if err != nil {
		complain("%v", err)
		complain("fleet -h lists the flags")
		return 2
	}
	// The first signal cancels the context. The second is not caught and kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err = roles[o.role](ctx, o)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = errors.New("stopped by a signal; if it is started again on the same queue, it continues")
	}
	complain("%v", err)
	return 1
}

// complain prints an error on standard error. Others may have written parts of
// it.
func complain(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "fleet:", lines.Printable(fmt.Sprintf(format, args...)))
}

// pause waits for d or until ctx is done. It reports whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

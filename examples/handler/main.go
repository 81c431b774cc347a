// Handler is a small shop: a web server whose product page is gathered from a database
// and three services side by side, under one deadline, and is shown also when some of
// them are late or fail.
//
//	go run -C examples ./handler          then open http://127.0.0.1:8080
//	go run -C examples ./handler -once    looks at it without a browser
//
// Read gather in page.go first: it is what the library is for. compare.go draws what it
// does, metrics.go counts it. The services (services.go) run in this process, each an
// http.Server on loopback: one is slow, one fails now and then. The database
// (database.go) is SQLite, in a file that is gone in the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/abreast-go/abreast/client"
)

func main() {
	addr := flag.String("addr", "", "`host:port` to listen at; port 0 is any that is free (default 127.0.0.1:8080, with -once 127.0.0.1:0)")
	once := flag.Bool("once", false, "fetch the shop's own pages, print the waterfalls of /compare and exit, with 0 if all was right")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		fmt.Fprintf(os.Stderr, "handler: %q is no flag\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	case *addr == "" && *once:
		*addr = "127.0.0.1:0"
	case *addr == "":
		*addr = "127.0.0.1:8080"
	}
	if err := run(*addr, *once, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(1)
	}
}

func run(addr string, once bool, out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills

	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w (-addr says where else; port 0 is any that is free)", err)
	}
	defer l.Close()
	// What pages are made of is closed after serve has returned: none is being made then.
	dir, err := os.MkdirTemp("", "handler")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	catalogue, err := newCatalogue(filepath.Join(dir, "catalogue.db"))
	if err != nil {
		return err
	}
	defer catalogue.Close()
	metrics := newMetrics()
	asked, stopServices, err := start(services())
	if err != nil {
		return err
	}
	defer stopServices()

	shop := &shop{catalogue, metrics, client.Client{HTTP: asked, Observe: metrics.observe}, patience}
	url := "http://" + l.Addr().String()
	visited := make(chan error, 1)
	if once {
		go func() {
			visited <- visit(ctx, url, out)
			stop()
		}()
	} else {
		fmt.Fprintln(out, "the shop is at", url)
		visited <- nil
	}
	return errors.Join(serve(ctx, l, shop.handler()), <-visited)
}

// serve answers at l until ctx ends, and then finishes the pages it is making.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:      h,
		ReadTimeout:  5 * time.Second,
		WriteTimeout: 10 * time.Second, // a page's patience, and a slow reader's
		IdleTimeout:  time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// Handler is a small shop: a web server whose product page is gathered from a
// database and three services concurrently, under one deadline. The page is
// shown even if some of the services are late or fail.
//
//	go run -C examples ./handler          then open http://127.0.0.1:8080
//	go run -C examples ./handler -once    looks at it without a browser
//
// Read gather in page.go first: it uses the library. compare.go draws its
// requests, and metrics.go counts them. The services (services.go) run in this
// process, each an http.Server on loopback: one is slow, and one fails now and
// then. The database (database.go) is SQLite, in a temporary file.
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
	addr := flag.String("addr", "", "`host:port` to listen at; port 0 means a free port (default 127.0.0.1:8080, with -once 127.0.0.1:0)")
	once := flag.Bool("once", false, "fetch the shop's own pages, print the waterfalls of /compare and exit, with status 0 if all was right")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		fmt.Fprintf(os.Stderr, "handler: %q is not a flag\n", flag.Arg(0))
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
		return fmt.Errorf("%w (-addr says where else; port 0 means a free port)", err)
	}
	defer l.Close()
	// Close the database and the services after serve has returned: no page
	// uses them then.
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

// serve serves pages at l until ctx is done, and then finishes those in
// progress.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:      h,
		ReadTimeout:  5 * time.Second,
		WriteTimeout: 10 * time.Second, // the patience of a page, and time for a slow reader
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// fleet runs all parts: a feed and a collector in this process, worker
// processes, an engine if there is no -nats, and the demo's upstream if there
// is no list.
func fleet(ctx context.Context, o options) error {
	if o.nats == "" {
		return withEngine(loopback, o.store, func(url string) error {
			o.nats = url
			return fleet(ctx, o)
		})
	}
	if o.file == "" {
		d, err := startDemo(o)
		if err != nil {
			return err
		}
		defer d.count()
		o.list = d.list()
	}
	j, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer j.conn.Close()
	running, end := context.WithCancelCause(ctx)
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			if err := runWorker(running, o); running.Err() == nil {
				complain("a worker process has ended (%v); after -ack-wait, others get its URLs", err)
			}
		})
	}
	defer workers.Wait()
	defer end(nil)
	go func() {
		workers.Wait()
		end(errors.New("no worker is left"))
	}()
	go func() { // it may wait for input until this process ends
		if err := j.feed(running, o.list); err != nil {
			end(err)
		}
	}()
	if err := j.collect(running); running.Err() == nil {
		return err
	}
	return context.Cause(running)
}

// runWorker runs a worker process. It stops when ctx is done.
func runWorker(ctx context.Context, o options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, o.workerArgs()...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = stdin.Close // which also happens if this process dies
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "worker         process", cmd.Process.Pid)
	return cmd.Wait()
}

// serve runs -role serve.
func serve(ctx context.Context, o options) error {
	return withEngine(o.listen, o.store, func(url string) error {
		fmt.Println(url)
		<-ctx.Done()
		return nil
	})
}

// withEngine runs a NATS server with JetStream in this process while fn runs. It
// keeps the queue in a folder, or in a temporary one.
func withEngine(address netip.AddrPort, folder string, fn func(url string) error) (err error) {
	if folder == "" {
		if folder, err = os.MkdirTemp("", "fleet-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	}
	s, err := server.NewServer(&server.Options{
		Host: address.Addr().String(), Port: cmp.Or(int(address.Port()), server.RANDOM_PORT),
		JetStream: true, StoreDir: folder, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.SetLogger(engineLog{}, false, false)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("the engine did not start on %s with the folder %s", address, folder)
	}
	return fn(s.ClientURL())
}

// An engineLog prints the errors and warnings of an engine.
type engineLog struct{}

func (engineLog) Fatalf(f string, v ...any) { complain("engine: "+f, v...) }
func (engineLog) Errorf(f string, v ...any) { complain("engine: "+f, v...) }
func (engineLog) Warnf(f string, v ...any)  { complain("engine: "+f, v...) }
func (engineLog) Noticef(string, ...any)    {}
func (engineLog) Debugf(string, ...any)     {}
func (engineLog) Tracef(string, ...any)     {}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
)

// fleet runs all parts: a feed and a collector in this process, worker
// processes, an engine if there is no -nats, and the demo's upstream if there
// is no list.
func fleet(ctx context.Context, o options) (err error) {
	if o.nats == "" {
		var stop func()
		if o.nats, stop, err = startEngine("127.0.0.1:0", o); err != nil {
			return err
		}
		defer stop()
	}
	var list io.Reader
	var demo *demo
	if o.file != "" {
		list, err = openList(o.file)
	} else if demo, err = startDemo(o); err == nil {
		defer demo.Close()
		list = demo.list()
	}
	if err != nil {
		return err
	}

	j, err := openFeed(ctx, o)
	if err != nil {
		return err
	}
	defer j.conn.Close()
	running, end := context.WithCancelCause(ctx)
	wait, err := startWorkers(running, o, end)
	defer wait()
	defer end(nil)
	if err != nil {
		return err
	}
	go func() {
		if err := j.feed(running, list); err != nil {
			end(err)
		}
	}()
	c := newCollector(os.Stdout)
	err = c.collect(running, o)
	if ctx.Err() == nil && running.Err() != nil {
		err = context.Cause(running)
	}
	if demo != nil {
		demo.count()
		if got := c.failures.Load(); err == nil && got != demo.failures {
			err = fmt.Errorf("%d failures, and %d were planted", got, demo.failures)
		}
	}
	return err
}

// startWorkers starts worker processes, which stop when ctx is done. wait waits
// until they have ended. If all of them end before, startWorkers calls fail.
func startWorkers(ctx context.Context, o options, fail func(error)) (wait func(), err error) {
	var left atomic.Int64
	var all sync.WaitGroup
	self, err := os.Executable()
	if err != nil {
		return all.Wait, err
	}
	left.Store(int64(o.workers))
	for range o.workers {
		cmd := exec.CommandContext(ctx, self, o.workerArgs()...)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return all.Wait, err
		}
		cmd.Cancel = stdin.Close // which also happens if this process dies
		if err := cmd.Start(); err != nil {
			return all.Wait, fmt.Errorf("starting a worker: %w", err)
		}
		fmt.Fprintln(os.Stderr, "worker         process", cmd.Process.Pid)
		all.Go(func() {
			err := cmd.Wait()
			if ctx.Err() != nil {
				return
			}
			complain("worker process %d has ended (%v); after -ack-wait, others get its URLs", cmd.Process.Pid, err)
			if left.Add(-1) == 0 {
				fail(errors.New("no worker is left"))
			}
		})
	}
	return all.Wait, nil
}

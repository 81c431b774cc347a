package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startEngine starts a NATS server with JetStream in this process. It keeps the
// queue in -store, or in a temporary folder that stop removes.
func startEngine(address string, o options) (url string, stop func(), err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", nil, err
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return "", nil, err
	}
	dir, remove := o.store, func() {}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fleet-"); err != nil {
			return "", nil, err
		}
		remove = func() { os.RemoveAll(dir) }
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: cmp.Or(port, server.RANDOM_PORT), JetStream: true, StoreDir: dir, NoSigs: true,
	})
	if err != nil {
		remove()
		return "", nil, err
	}
	s.SetLogger(engineLog{}, false, false)
	s.Start()
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
		remove()
	}
	if !s.ReadyForConnections(10 * time.Second) {
		stop()
		return "", nil, fmt.Errorf("the engine did not start on %s with the folder %s", address, dir)
	}
	return s.ClientURL(), stop, nil
}

// An engineLog prints the errors and warnings of an engine.
type engineLog struct{}

func (engineLog) Errorf(f string, v ...any)   { complain("engine: "+f, v...) }
func (l engineLog) Fatalf(f string, v ...any) { l.Errorf(f, v...) }
func (l engineLog) Warnf(f string, v ...any)  { l.Errorf(f, v...) }
func (engineLog) Noticef(string, ...any)      {}
func (engineLog) Debugf(string, ...any)       {}
func (engineLog) Tracef(string, ...any)       {}

// serve runs -role serve.
func serve(ctx context.Context, o options) error {
	url, stop, err := startEngine(o.listen, o)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println(url)
	<-ctx.Done()
	return nil
}

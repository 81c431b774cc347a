package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// startCluster starts three servers that are one engine, by name.
func startCluster(t *testing.T) (servers map[string]*server.Server, urls string) {
	t.Helper()
	listeners := make([]net.Listener, 3)
	var routes []*url.URL
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: listeners[i].Addr().String()})
	}
	servers = make(map[string]*server.Server)
	var all []string
	for i, l := range listeners {
		o := &server.Options{ServerName: fmt.Sprint("server", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			JetStream: true, StoreDir: t.TempDir(), NoSigs: true, Routes: routes}
		o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "cluster", "127.0.0.1", l.Addr().(*net.TCPAddr).Port
		l.Close()
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		if !s.ReadyForConnections(watchdog) {
			t.Fatal("a server did not start")
		}
		servers[s.Name()] = s
		all = append(all, s.ClientURL())
	}
	until(t, func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 {
				return true
			}
		}
		return false
	}, func() string { return "the servers don't become a cluster" })
	return servers, strings.Join(all, ",")
}

// The server of a cluster stops from which the collector reads, whether it is
// connected to that server or to another. It continues with the rest.
func TestCluster_serverStops(t *testing.T) {
	t.Parallel()
	const urls = 1000
	site := startSite(t, nil)
	release := site.hold(300)
	servers, nats := startCluster(t)
	p := start(t, "-nats", nats, "-replicas", "3", "-workers", "2", "-limit", "20", "-batch", "50", "-ack-wait", "5s", "-")
	io.WriteString(p.stdin, site.list(urls))
	p.stdin.Close()
	first := p.result(t)
	asked(t, site, 301)
	results := jobAt(t, nats).results
	var readers []*jetstream.ConsumerInfo
	until(t, func() bool { // it may be about to read from another server
		readers = readers[:0]
		for reader := range results.ListConsumers(t.Context()).Info() {
			readers = append(readers, reader)
		}
		return len(readers) == 1
	}, func() string { return fmt.Sprintf("%d consumers read the results, want 1", len(readers)) })
	servers[readers[0].Cluster.Leader].Shutdown()
	release()
	byNumber(t, urls, append(p.end(t, 0), first))
	p.says(t, "lost           0", "twice          0")
	if n := site.again(t, urls); n > 2*2*50 {
		t.Errorf("%d URLs were fetched twice, want no more than two batches of two workers", n)
	}
}

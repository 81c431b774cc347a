//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// checkAddresses sends to hosts of whose addresses some or all are dead.
func checkAddresses(t *testing.T, s server, proto protocol) result {
	var res result
	r := start(t, s, variation{})
	port := r.BackendPort
	silent(t, [4]byte{127, 0, 0, 3}, port)
	for _, c := range []struct {
		host  string
		want  func(error) bool // nil: the library answers
		event func()
	}{
		{"alive.test", nil, nil},
		{"one-refused.test", nil, nil},
		{"one-hangs.test", nil, nil},
		{"six-refused.test", nil, nil},
		{"refused.test", func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }, nil},
		{"hangs.test", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, nil},
		{"unknown.test", is[*net.DNSError], nil},
		{"alive.test", is[*net.DNSError], r.kill},
	} {
		if c.event != nil {
			c.event()
		}
		for _, hand := range []bool{true, false} {
			tr := r.transport(t, proto, hand)
			jobs := r.jobs(proto, 10)
			for i := range jobs {
				jobs[i].url = fmt.Sprintf("http://%s:%d/?id=%d", c.host, port, i)
			}
			outs := senderOf(hand)(tr, manner{timeout: 2 * time.Second}, jobs)
			tr.CloseIdleConnections()
			t.Logf("%s, by hand %v: %d of %d failed: %s", c.host, hand, len(failed(outs)), len(outs), kinds(failed(outs)))
			for _, o := range outs {
				err := o.right()
				switch {
				case c.want == nil && err != nil:
					res.failed(hand, 1)
					if !hand {
						t.Errorf("%s: %v", c.host, err)
					}
				case c.want != nil && !hand && (err == nil || !c.want(err) || !errors.Is(err, pending.ErrNotSent)):
					t.Errorf("%s: the wrong kind of error: %v", c.host, err)
				}
			}
		}
	}
	res.counted = true
	return res
}

// silent lets an address answer no dial: a socket listens there, and its queue
// is full.
func silent(t *testing.T, addr [4]byte, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: addr}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", net.IP(addr[:]), port), 200*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue does not become full")
}

//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// wrongPassword must be in no text.
const wrongPassword = "hunter2"

// checkPassword sends to a proxy that wants a password: without one, with a
// wrong one, with the right one.
func checkPassword(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{Password: true})
	for _, c := range []struct {
		name string
		user *url.Userinfo
		ok   bool
	}{
		{"none", nil, false},
		{"wrong", url.UserPassword("ann", wrongPassword), false},
		{"right", url.UserPassword("ann", "s3cret"), true},
	} {
		for _, hand := range []bool{true, false} {
			tr := r.transport(t, proto, hand)
			tr.Proxy = r.through(c.user)
			outs := senderOf(hand)(tr, manner{}, r.jobs(proto, 20))
			tr.CloseIdleConnections()
			for _, o := range outs {
				switch {
				case c.ok && o.right() != nil:
					t.Errorf("password %s, by hand %v: %v", c.name, hand, o.right())
				case !c.ok && o.err == nil && o.status != http.StatusProxyAuthRequired && o.status != http.StatusUnauthorized:
					t.Errorf("password %s, by hand %v: status %d", c.name, hand, o.status)
				case !c.ok && o.err != nil && !hand && r.tunnels(proto):
					refusedBy(t, r, o, "password "+c.name)
				case !c.ok && o.err != nil && !hand && !lost(o.err): // tinyproxy resets a connection on which it leaves a body unread
					t.Errorf("password %s, by hand %v: %v", c.name, hand, o.err)
				}
			}
			t.Logf("password %s, by hand %v: status %d, %v", c.name, hand, outs[1].status, outs[1].err)
		}
	}
	return result{}
}

// refusedBy checks the error of a request that a proxy did not let through: it
// names the proxy, has no password, and says that nothing was sent.
func refusedBy(t *testing.T, r *running, o outcome, what string) {
	t.Helper()
	text := o.err.Error()
	if strings.Contains(text, wrongPassword) || strings.Contains(text, "s3cret") {
		t.Errorf("%s: the error has a password: %v", what, o.err)
	}
	if !strings.Contains(text, fmt.Sprintf("127.0.0.1:%d", r.Port)) {
		t.Errorf("%s: the error does not name the proxy: %v", what, o.err)
	}
	if !errors.Is(o.err, pending.ErrNotSent) || r.backend.times(o.id) > 0 {
		t.Errorf("%s: the request came %d times to the backend, and its error is %v", what, r.backend.times(o.id), o.err)
	}
}

// checkProxyDown sends to a proxy that has ended.
func checkProxyDown(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{})
	r.kill()
	for _, hand := range []bool{true, false} {
		tr := r.transport(t, proto, hand)
		tr.Proxy = r.through(url.UserPassword("ann", wrongPassword))
		for _, o := range senderOf(hand)(tr, manner{}, r.jobs(proto, 20)) {
			if o.err == nil {
				t.Errorf("by hand %v: status %d", hand, o.status)
			} else if !hand {
				refusedBy(t, r, o, "proxy down")
			}
			if o.id == 1 {
				t.Logf("by hand %v: %v", hand, o.err)
			}
		}
	}
	return result{}
}

// checkOriginDown sends through a proxy to a port on which nobody listens.
func checkOriginDown(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{})
	nobody := freePort(t)
	scheme := "http"
	if proto.overTLS() {
		scheme = "https"
	}
	for _, hand := range []bool{true, false} {
		tr := r.transport(t, proto, hand)
		jobs := r.jobs(proto, 20)
		for i := range jobs {
			jobs[i].url = fmt.Sprintf("%s://127.0.0.1:%d/?id=%d", scheme, nobody, i)
		}
		for _, o := range senderOf(hand)(tr, manner{}, jobs) {
			if o.id == 1 {
				t.Logf("by hand %v: status %d, %v", hand, o.status, o.err)
			}
			switch {
			case o.err == nil && o.status < 500:
				t.Errorf("by hand %v: status %d", hand, o.status)
			case o.err == nil || hand:
			case r.tunnels(proto):
				refusedBy(t, r, o, "origin down")
			case !lost(o.err):
				t.Error(o.err)
			}
		}
		tr.CloseIdleConnections()
	}
	return result{}
}

// checkProxySilent ends a block whose requests wait for a proxy that accepts
// connections and says nothing. No connection and no goroutine is left.
func checkProxySilent(t *testing.T, s server, proto protocol) result {
	const n = 20
	r := start(t, s, variation{})
	goroutines := runtime.NumGoroutine()
	r.procs[0].group(syscall.SIGSTOP)
	tr := r.transport(t, proto, false)
	c := client.Client{HTTP: &http.Client{Transport: tr.Transport}}
	var handles []*pending.Pending
	c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for i := range n {
			handles = append(handles, r.hanging(p, proto, i))
		}
		if !eventually(func() bool { return connections(t, r.Port) >= n }) {
			t.Errorf("%d connections to the proxy; want %d", connections(t, r.Port), n)
		}
		return nil
	})
	r.awaitNoConnections(t, tr, proto)
	for i, h := range handles {
		_, err := h.Response()
		if !errors.Is(err, parallel.ErrEnded) || r.tunnels(proto) && !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("request %d: the wrong kind of error: %v", i, err)
		}
	}
	if !eventually(func() bool { return runtime.NumGoroutine() <= goroutines }) {
		t.Errorf("%d goroutines; before: %d", runtime.NumGoroutine(), goroutines)
	}
	return result{}
}

//go:build linux

package interop

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// An interruption is what a server does while requests are sent to it.
type interruption struct {
	variation
	timeout time.Duration
	event   func(*testing.T, *running)
	allowed func(error) bool // the kinds of errors; nil: none
}

// checkClosing sends to a server that closes kept connections. After several
// GOAWAYs, net/http waits up to 16 s, which may exceed the Timeout.
func checkClosing(t *testing.T, s server, proto protocol) result {
	return checkInterrupted(t, s, proto, interruption{variation: variation{Closing: true}, allowed: late})
}

// checkReload lets the server reload its configuration, three times.
func checkReload(t *testing.T, s server, proto protocol) result {
	return checkInterrupted(t, s, proto, interruption{allowed: lost, event: func(t *testing.T, r *running) {
		for range 3 {
			r.signal(t, s.reload)
			time.Sleep(200 * time.Millisecond) // of traffic with what was reloaded
		}
	}})
}

// checkKilled kills the server and starts it again.
func checkKilled(t *testing.T, s server, proto protocol) result {
	return checkInterrupted(t, s, proto, interruption{allowed: lost, event: func(t *testing.T, r *running) {
		r.kill()
		r.launch(t)
	}})
}

// checkStopped stops the server for three seconds. Requests time out after one.
func checkStopped(t *testing.T, s server, proto protocol) result {
	return checkInterrupted(t, s, proto, interruption{timeout: time.Second, allowed: late, event: func(t *testing.T, r *running) {
		r.procs[0].group(syscall.SIGSTOP)
		time.Sleep(3 * time.Second)
		r.procs[0].group(syscall.SIGCONT)
	}})
}

// lost reports whether err is that of a connection that was lost or refused.
func lost(err error) bool {
	for _, target := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, target) {
			return true
		}
	}
	return strings.Contains(err.Error(), "server closed idle connection") || strings.Contains(err.Error(), "http2: ")
}

// late reports whether err is a timeout, or that of a connection that was lost.
func late(err error) bool {
	var t interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.As(err, &t) && t.Timeout()
	}
	return lost(err)
}

// checkInterrupted sends GETs and POSTs through an interruption: by hand, with
// the library, and with its retries. The library fails no more often than by
// hand, with the right kind of error. What it calls not sent is not in the
// server's log. No POST comes twice. With retries, all GETs are answered.
func checkInterrupted(t *testing.T, s server, proto protocol, in interruption) result {
	var res result
	for _, how := range []struct {
		name    string
		hand    bool
		retries int
	}{{"by hand", true, 0}, {"abreast", false, 0}, {"with retries", false, 10}} {
		r := start(t, s, in.variation)
		tr := r.transport(t, proto, how.hand)
		m := manner{limit: s.seats, timeout: in.timeout, retries: how.retries, perSecond: 1000}
		if in.event != nil {
			m.event = func() { in.event(t, r) }
		}
		jobs := r.jobs(proto, amount(2000, 1000))
		outs := senderOf(how.hand)(tr, m, jobs)
		errs := failed(outs)
		log := r.settled(proto, len(jobs)-len(errs))
		gets, unsent := 0, 0
		for _, o := range outs {
			err := o.right()
			if o.method == "POST" && (log[o.id] > 1 || r.backend.times(o.id) > 1) {
				report := t.Errorf
				if how.hand {
					report = t.Logf // it has happened, with lighttpd over HTTP/2
				}
				report("%s: POST %d is %d times in the log, and came %d times", how.name, o.id, log[o.id], r.backend.times(o.id))
			}
			if err == nil || how.hand {
				continue
			}
			if o.method == "GET" {
				gets++
			}
			if ue := (*url.Error)(nil); o.err != nil && (!errors.As(err, &ue) || !in.allowed(err)) {
				t.Errorf("%s: %s %d: the wrong kind of error: %v", how.name, o.method, o.id, err)
			}
			if errors.Is(err, pending.ErrNotSent) {
				unsent++
				if log[o.id] > 0 || r.backend.times(o.id) > 0 {
					t.Errorf("%s: %s %d is %d times in the log, and came %d times, and its error is %v", how.name, o.method, o.id, log[o.id], r.backend.times(o.id), err)
				}
			}
		}
		t.Logf("%s: %d of %d failed (%d of them not sent), %d connections: %s", how.name, len(errs), len(jobs), unsent, tr.dials.Load(), kinds(errs))
		if how.retries == 0 {
			res.failed(how.hand, len(errs))
			for _, err := range errs {
				if errors.Is(err, syscall.ECONNREFUSED) && how.hand {
					res.refused[0]++
				} else if errors.Is(err, syscall.ECONNREFUSED) {
					res.refused[1]++
				}
			}
		} else if res.retries, res.retried = true, len(errs); gets > 0 {
			t.Errorf("%d GETs failed in spite of %d retries", gets, how.retries)
		}
		tr.CloseIdleConnections()
		r.stop()
	}
	res.compare(t, 100)
	return res
}

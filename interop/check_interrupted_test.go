//go:build linux

package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	perSecond int           // requests; 0: 2,000
	timeout   time.Duration // of one attempt
	event     func(*testing.T, *running)
	allowed   func(error) bool // the kinds of errors
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

// checkKilled kills the server and starts it again. Some need two seconds.
func checkKilled(t *testing.T, s server, proto protocol) result {
	return checkInterrupted(t, s, proto, interruption{perSecond: 1000, allowed: lost, event: func(t *testing.T, r *running) {
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
// server's log. No POST comes twice, unless that happens by hand. With retries,
// all GETs are answered.
func checkInterrupted(t *testing.T, s server, proto protocol, in interruption) result {
	var res result
	rate := cmp.Or(in.perSecond, 2000)
	wait := 100 * 1000 / rate // milliseconds, so that 100 requests are in flight
	if s.streams > 0 && proto == https2 {
		wait = 3 // the requests wait for a stream as well
	}
	if s.oneByOne {
		wait = 0
	}
	twice := map[bool]int{} // POSTs that came twice, by whether they were sent by hand
	for _, how := range []struct {
		name    string
		hand    bool
		retries int
	}{{"by hand", true, 0}, {"abreast", false, 0}, {"with retries", false, 10}} {
		r := start(t, s, in.variation)
		tr := r.transport(t, proto, how.hand)
		m := manner{limit: s.seats, timeout: in.timeout, retries: how.retries, perSecond: rate}
		if in.event != nil {
			m.event = func() { in.event(t, r) }
		}
		jobs := r.jobs(proto, amount(5000, 1000))
		for i := range jobs {
			jobs[i].url += fmt.Sprintf("&wait=%d", wait)
		}
		outs := senderOf(how.hand)(tr, m, jobs)
		errs := failed(outs)
		log := r.settled(proto, len(jobs)-len(errs))
		gets, unsent := 0, 0
		idle := map[bool]int{} // how many found their connection closed, by whether they match ErrNotSent
		for _, o := range outs {
			err := o.right()
			if o.method == "POST" && (log[o.id] > 1 || r.backend.times(o.id) > 1) {
				twice[how.hand]++
				t.Logf("%s: POST %d is %d times in the log, and came %d times", how.name, o.id, log[o.id], r.backend.times(o.id))
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
			if strings.Contains(err.Error(), "server closed idle connection") {
				idle[errors.Is(err, pending.ErrNotSent)]++
			}
			if errors.Is(err, pending.ErrNotSent) {
				unsent++
				if log[o.id] > 0 || r.backend.times(o.id) > 0 {
					t.Errorf("%s: %s %d is %d times in the log, and came %d times, and its error is %v", how.name, o.method, o.id, log[o.id], r.backend.times(o.id), err)
				}
			}
		}
		if how.retries == 0 && idle[false] > idle[true]+5 {
			t.Errorf("%s: of the requests that found their connection closed, %d match ErrNotSent, and %d do not", how.name, idle[true], idle[false])
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
	// net/http sends a POST again after a PROTOCOL_ERROR, by hand as well: see
	// README.md.
	if hand, library := twice[true], twice[false]; hand == 0 && library > 0 || library > 4*hand+10 {
		t.Errorf("%d POSTs came twice with the library, %d by hand", library, hand)
	}
	res.compare(t, 100)
	return res
}

//go:build linux

package interop

import (
	"testing"
	"time"
)

// checkLoad sends many GETs and POSTs, 100 in flight. Each is answered, and is
// in the server's own log, once.
func checkLoad(t *testing.T, s server, proto protocol) result {
	var res result
	for _, hand := range []bool{true, false} {
		r := start(t, s, variation{})
		tr := r.transport(t, proto, hand)
		jobs := r.jobs(proto, 2*amount(5000, 250))
		began := time.Now()
		outs := senderOf(hand)(tr, manner{limit: s.seats}, jobs)
		took := time.Since(began)
		errs := failed(outs)
		if len(errs) > 0 {
			t.Logf("by hand %v: %d of %d failed: %s", hand, len(errs), len(jobs), kinds(errs))
		}
		log := r.settled(proto, len(jobs)-len(errs))
		for _, o := range outs {
			if o.right() != nil {
				continue
			}
			if n := log[o.id]; r.tells(proto) && (n > 1 || n == 0 && s.origin) { // a busy HAProxy drops lines
				t.Errorf("by hand %v: %s %d is %d times in the log", hand, o.method, o.id, n)
			}
			if n := r.backend.times(o.id); !s.origin && n != 1 {
				t.Errorf("by hand %v: %s %d came %d times to the backend", hand, o.method, o.id, n)
			}
			if (o.proto == 2) != (proto == https2) {
				t.Fatalf("by hand %v: the protocol is HTTP/%d", hand, o.proto)
			}
		}
		// Requests wait for the first connection if it may speak HTTP/2.
		if by := res.dialed[0]; !hand && proto == https2 && tr.dials.Load() > by+by/2+10 {
			t.Errorf("%d connections with the library, %d by hand", tr.dials.Load(), by)
		}
		res.failed(hand, len(errs))
		res.measured(hand, tr.dials.Load(), took)
		tr.CloseIdleConnections()
		r.stop()
	}
	res.compare(t, 100)
	return res
}

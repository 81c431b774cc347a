//go:build linux

package interop

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// checkExpect sends POSTs that wait for "100 Continue" with their bodies.
func checkExpect(t *testing.T, s server, proto protocol) result {
	var res result
	r := start(t, s, variation{})
	for _, hand := range []bool{true, false} {
		tr := r.transport(t, proto, hand)
		jobs := r.jobs(proto, 40)
		for i := range jobs {
			jobs[i].expect100 = jobs[i].method == "POST"
		}
		errs := failed(senderOf(hand)(tr, manner{limit: 10}, jobs))
		if len(errs) > 0 {
			t.Logf("by hand %v: %s", hand, kinds(errs))
		}
		res.failed(hand, len(errs))
		tr.CloseIdleConnections()
	}
	res.compare(t, 0)
	return res
}

// checkTooLarge uploads more than the server accepts; half of the uploads wait
// for "100 Continue". Each gets a 413, or the server resets the connection, or
// lets it hang. None comes to the backend.
func checkTooLarge(t *testing.T, s server, proto protocol) result {
	var res result
	r := start(t, s, variation{MaxBody: 1000})
	for _, hand := range []bool{true, false} {
		tr := r.transport(t, proto, hand)
		jobs := r.jobs(proto, amount(40, 10))
		for i := range jobs {
			jobs[i].method, jobs[i].contentType, jobs[i].body = "POST", "text/plain", strings.Repeat("x", 4<<20)
			jobs[i].expect100 = i%2 == 0
		}
		broken := 0
		for _, o := range senderOf(hand)(tr, manner{limit: 10, timeout: 5 * time.Second}, jobs) {
			switch {
			case o.err == nil && o.status == http.StatusRequestEntityTooLarge:
			case o.err != nil && late(o.err):
				broken++
			default:
				t.Errorf("by hand %v: 100-continue %v: status %d, %v", hand, o.expect100, o.status, o.err)
			}
			if n := r.backend.times(o.id); n > 0 {
				t.Errorf("by hand %v: upload %d came %d times to the backend", hand, o.id, n)
			}
		}
		res.failed(hand, broken)
		tr.CloseIdleConnections()
	}
	res.compare(t, 20)
	return res
}

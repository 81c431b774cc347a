//go:build linux

package interop

import "testing"

// checkRate sends more than the server accepts. With Retries, which wait as
// long as Retry-After says, each request is answered, and comes once.
func checkRate(t *testing.T, s server, proto protocol) result {
	res := result{retries: true}
	for _, retries := range []int{0, 20} {
		for _, hand := range []bool{true, false} {
			if hand && retries > 0 {
				continue
			}
			r := start(t, s, variation{Rate: 100})
			tr := r.transport(t, proto, hand)
			outs := senderOf(hand)(tr, manner{retries: retries}, r.jobs(proto, 400))
			errs := failed(outs)
			if retries == 0 {
				res.failed(hand, len(errs))
			} else if res.retried = len(errs); len(errs) > 0 {
				t.Errorf("with retries: %s", kinds(errs))
			}
			for _, o := range outs {
				want := 1
				if o.right() != nil {
					want = 0
				}
				if n := r.backend.times(o.id); n != want {
					t.Errorf("by hand %v: request %d came %d times to the backend; want %d", hand, o.id, n, want)
				}
			}
			tr.CloseIdleConnections()
			r.stop()
		}
	}
	if res.hand == 0 || res.library == 0 {
		t.Errorf("by hand %d of the requests failed, with the library %d; want some of both", res.hand, res.library)
	}
	return res
}

package pending

import "net/http"

// All claims the handles, waits for all of them, and returns their responses in
// the order of its arguments. Each response is as [Pending.Response] returns
// it.
//
// At the first failure All stops waiting. It returns that error and the
// responses that are complete by then, with nil for the others. The other
// requests continue until their block ends, or until they are canceled.
//
// All accepts any status: if two requests return 401, All returns no error. To
// require 2xx, call Bytes or JSON of each handle.
//
// A nil handle counts as a failure. All of no handles returns an empty slice
// and no error, without blocking.
func All(hs ...*Pending) ([]*http.Response, error) {
	done := make(chan int, len(hs)) // has room for all: a send never blocks
	for i, h := range hs {
		h.orNone().listen(listener{tell: func(i int) { done <- i }, n: i})
	}
	resps := make([]*http.Response, len(hs))
	for range hs {
		i := <-done
		resp, err := hs[i].orNone().response()
		if err == nil {
			resps[i] = resp
			continue
		}
		for {
			select {
			case i := <-done:
				resps[i], _ = hs[i].orNone().response()
			default:
				return resps, err
			}
		}
	}
	return resps, nil
}

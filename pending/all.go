package pending

import "net/http"

// All claims the handles, waits for all of them and returns their responses in
// the order given. Each is as Response would return it.
//
// At the first failure All stops waiting and returns that error, with the
// responses that were there by then and nil in place of the others. The others
// run on until their block ends; to end them sooner, Cancel them.
//
// All does not judge a status: two 401s are a success to it. What needs a
// status of 2xx asks each handle for Bytes or JSON, which do judge it.
//
// A nil handle counts as one that failed. All of none returns an empty slice
// and no error, at once.
func All(hs ...*Pending) ([]*http.Response, error) {
	done := make(chan int, len(hs)) // has room for all: telling never blocks
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

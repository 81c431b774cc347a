// Package parallel is the block: it makes, queues, sends, cancels and joins
// HTTP requests.
//
// [Run] opens a block, and so does
// [github.com/abreast-go/abreast/client.Client.Parallel], which has the
// defaults that most programs want. However the function of the block ends, Run
// cancels the requests that are not done, and waits until they have stopped. It
// does not wait for responses: to wait for all of them, read them:
//
//	for p.HasPending() {
//		resp, err := p.Next()
//		...
//	}
//
// [Parallel.Get], Post, Do and their like make a request. They never block and
// never fail: the handle that they return reports what is wrong.
// [Parallel.Next] and [Parallel.Arrivals] return the results in order of
// completion. [Each] and [Ordered] run a sequence of any length through a block
// in flat memory. [Parallel.Go] returns a handle for any work, and [Go] for
// work whose result is not a response.
package parallel

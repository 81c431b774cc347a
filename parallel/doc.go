// Package parallel is the block: requests are made in it, queued, sent side by
// side, and cancelled and joined when it is left.
//
// A block is opened by [Run], or, with defaults worth having, by
// [github.com/abreast-go/abreast/client.Client.Parallel]. Leaving it, in whatever
// way, cancels what is still pending and waits only for that to have stopped. So
// fifty Posts and "return nil" send nothing, but for what got away before the
// return. This loop waits for everything:
//
//	for p.HasPending() {
//		resp, err := p.Next()
//		...
//	}
//
// The making of a request, [Parallel.Get] and its likes, never blocks and never
// fails: what is wrong comes out of the handle. [Parallel.Next] and
// [Parallel.Arrivals] give the responses in the order in which they came, [Each]
// and [Ordered] take any number of items through a block in flat memory, and
// [Parallel.Go] makes a handle of any work.
package parallel

// Package abreast is the documentation of a library that runs HTTP requests
// concurrently inside a block. A block is a function. However it ends, the
// block cancels its requests that are not done, and the call that opened it
// returns when all of them have stopped. Returning does not wait for responses:
// if you start fifty POSTs and return nil at once, most of them are never sent.
// To wait for all results, read them:
//
//	err := client.Parallel(ctx, func(p *parallel.Parallel) error {
//		for _, order := range orders {
//			p.Post(url, parallel.JSON(order))
//		}
//		for p.HasPending() {
//			resp, err := p.Next()
//			...
//		}
//		return nil
//	})
//
// # Two ways to get results
//
// [parallel.Parallel.Get] and the other methods make a request and return its
// handle at once. A handle waits for its own result:
// [pending.Pending.Response], Bytes and JSON. [pending.As] returns the result
// as a type of yours. [pending.All] waits for several handles.
//
// The block returns results in order of completion: [parallel.Parallel.Next]
// and Arrivals skip the handles whose result you have already asked for.
// [parallel.Each] and [parallel.Ordered] run a sequence of any length through a
// block.
//
// [pending.Race] returns one handle for several, which completes with the first
// to succeed. [parallel.Parallel.Go] returns a handle for any work, and
// [parallel.Go] for work whose result is not a response.
//
// # Errors
//
// Making a request never fails. A problem is reported where the result is
// requested, as a *url.Error with the method and the URL. A failure is not
// reported if nobody requests the result. Response, Next and All accept any
// status. Bytes, JSON, As and Race require 2xx, and return a
// *[pending.StatusError] otherwise.
//
// The error of a canceled request matches context.Canceled and the cause, which
// is [parallel.ErrEnded] if the block ended. The error of a timeout matches
// context.DeadlineExceeded. An error that matches [pending.ErrNotSent] means
// that no byte of the request was sent, so it is safe to send again.
//
// A panic in code that a request runs cancels the block, and is raised again on
// the goroutine that opened it: see [parallel.Run].
//
// # Limits
//
// A [client.Client] holds the settings that requests share. At most Limit
// requests of a block are in flight (100 by default), and at most HostLimit for
// one host. The others are queued. A queued request is a small struct without a
// goroutine. Timeout (30 s by default) starts when a request is sent, and
// covers its body. Stall, if set, ends a request that makes no progress. It
// fits a body of any length, where no Timeout does. Wait paces the requests. A
// Wait that returns [parallel.Later] sets a host aside, and other hosts are
// served.
//
// Limit holds for each block. Shared holds over all blocks of all clients that
// have the same [parallel.Limits], and serves the blocks in turn.
//
// # Retries
//
// Retry of a [client.Client] is asked after each attempt whether the request is
// sent again. [parallel.Retries] returns the usual function, which sends again
// what is safe to send again. Between two attempts the request is queued,
// without a slot. It has one handle, which is done after the last attempt.
//
// # Bodies and memory
//
// A response is complete when its body is in memory. It therefore outlives the
// block, and its connection is reused. MaxBody (10 MiB by default) bounds one
// body, so the bodies in flight take at most Limit × MaxBody: 1,000 MiB with
// the defaults. A response stays in memory for as long as its handle. A program
// that makes many requests uses Each, which starts a bounded number of them
// ahead: twice the Limit, unless Ahead is set. [parallel.File]
// writes a large body to a file, which appears when it is whole, and
// [parallel.Take] decides what becomes of a body when its headers are there.
//
// A body that is delimited only by the close of its connection cannot be told
// from a truncated one (RFC 9112, section 8). Any other short body is an error.
//
// # What a block sends, drawn
//
// Observe of a [client.Client] is called for every request: for spans, metrics
// and logs. A [waterfall.Recorder] uses it to draw the requests of a block.
//
// # What does not fit a block
//
// An answer that ends fits a block, even if it takes minutes and comes in
// pieces: a download, or the answer of a language model, which a writer of
// [parallel.Take] reads as it comes. A response that never ends does not fit:
// server-sent events without an end, or a long poll that trickles. A switch of
// protocols (WebSocket) is refused. Work that must go on after its caller has
// returned needs a block of its own, in a goroutine that the program waits for.
//
// Caches and circuit breakers belong in an http.RoundTripper: a Client uses any
// http.Client. Rates, retry budgets, and pauses that a server asks for are
// functions for Wait and Retry. The [recipes] have one file for each.
//
// # Mistakes
//
// [vet] finds requests that nothing waits for, ignored errors, functions that
// wait for themselves, and more:
//
//	go run github.com/abreast-go/abreast/vet@latest ./...
//
// The library keeps numbered [promises], which its tests cite.
//
// [vet]: https://github.com/abreast-go/abreast/blob/main/docs/vet.md
// [recipes]: https://github.com/abreast-go/abreast/tree/main/examples/recipes
// [promises]: https://github.com/abreast-go/abreast/blob/main/docs/promises.md
// [parallel.Parallel.Get]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Get
// [pending.Pending.Response]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#Pending.Response
// [pending.As]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#As
// [pending.All]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#All
// [parallel.Parallel.Next]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Next
// [parallel.Each]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Each
// [parallel.Ordered]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Ordered
// [pending.Race]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#Race
// [parallel.Parallel.Go]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Go
// [parallel.Go]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Go
// [pending.StatusError]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#StatusError
// [parallel.ErrEnded]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#ErrEnded
// [pending.ErrNotSent]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#ErrNotSent
// [parallel.Run]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Run
// [client.Client]: https://pkg.go.dev/github.com/abreast-go/abreast/client#Client
// [waterfall.Recorder]: https://pkg.go.dev/github.com/abreast-go/abreast/waterfall#Recorder
// [parallel.Later]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Later
// [parallel.Limits]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Limits
// [parallel.Retries]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Retries
// [parallel.File]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#File
// [parallel.Take]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Take
package abreast

// Package abreast is the documentation of a library that sends HTTP requests side
// by side inside a block. A block is a function: whatever is sent in it has ended
// when the call that opened it returns. Leaving it cancels what is still pending,
// and waits only for that to have stopped; it does not wait for completion. Fifty
// Posts and "return nil" send nothing, but for what got away before the return. This
// loop waits for everything:
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
// Making a request ([parallel.Parallel.Get] and its likes) returns a handle at once.
// A handle is asked for its result, which waits for that one:
// [pending.Pending.Response], Bytes, JSON, and [pending.All] for several.
//
// Or the block is asked for what arrives first among the handles nobody asked:
// [parallel.Parallel.Next], Arrivals. [parallel.Each] and [parallel.Ordered] take a
// sequence of any length through a block, as it arrives or in order.
//
// [pending.Race] makes one handle of several, that of the first to succeed;
// [parallel.Parallel.Go] makes a handle of any work.
//
// # Errors
//
// Making a request never fails: what is wrong comes out where its result is asked
// for, as a *url.Error with the method and the URL. A failure that nobody asks about
// stays silent. A status is no failure to Response, Next and All; to Bytes, JSON and
// Race one outside 2xx is a *[pending.StatusError].
//
// What was cancelled is context.Canceled and its cause ([parallel.ErrEnded] for what
// was pending when its block was left), what ran out of time is
// context.DeadlineExceeded. [pending.ErrNotSent] says that no byte of a request left:
// it is safe to send again.
//
// A panic in what a request runs cancels its block and is raised on the goroutine
// that opened it; see [parallel.Run].
//
// # Limits
//
// A [client.Client] holds what requests share. At most Limit of a block are in flight
// (100 by default), at most HostLimit to one host; the others wait in a queue, as
// small structs without a goroutine. Timeout (30 s) runs from the send to the last
// byte of the body. Wait paces the sends.
//
// # Bodies and memory
//
// A response is complete when its body is in memory, so that it outlives the block,
// and its connection is free for the next. MaxBody (10 MiB) bounds one body, so Limit
// × MaxBody is the worst in flight: 1,000 MiB with the defaults. What has arrived and
// is not read is kept as long as its handle is: a program that makes many requests
// takes them through Each, which keeps at most twice the Limit ahead. A large download
// goes to a file with [parallel.To], past memory.
//
// A body that only the connection's close delimits cannot be told from one that was
// cut (RFC 9112, section 8); any other that is short is an error.
//
// # Seeing what happened
//
// Observe of a [client.Client] is called for every request: for spans, metrics and logs.
// A [waterfall.Recorder] hangs on it, and draws what the requests of a block did.
//
// # What it does not do
//
// Streaming: a response whose body never ends (server-sent events, a long poll that
// trickles) has no place in a block, and a switch of protocols (WebSocket) is refused.
// Retries, caches and circuit breakers belong into a transport or a loop of the
// program's own: the client takes any http.Client.
//
// [parallel.Parallel.Get]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Get
// [pending.Pending.Response]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#Pending.Response
// [pending.All]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#All
// [parallel.Parallel.Next]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Next
// [parallel.Each]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Each
// [parallel.Ordered]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Ordered
// [pending.Race]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#Race
// [parallel.Parallel.Go]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Parallel.Go
// [pending.StatusError]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#StatusError
// [parallel.ErrEnded]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#ErrEnded
// [pending.ErrNotSent]: https://pkg.go.dev/github.com/abreast-go/abreast/pending#ErrNotSent
// [parallel.Run]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#Run
// [client.Client]: https://pkg.go.dev/github.com/abreast-go/abreast/client#Client
// [waterfall.Recorder]: https://pkg.go.dev/github.com/abreast-go/abreast/waterfall#Recorder
// [parallel.To]: https://pkg.go.dev/github.com/abreast-go/abreast/parallel#To
package abreast

// Package waterfall shows what the requests of a block did, and when: as lines
// for a log, a terminal or a failing test, as a picture for a page, and as a
// file for the network panel of a browser.
//
//	var rec waterfall.Recorder
//	c := client.Client{Observe: rec.Observe}
//	err := c.Parallel(ctx, func(p *parallel.Parallel) error { ... })
//	rec.Text(os.Stderr, 100)
//
// A [Recorder] sees every request when it is made and when it is done,
// including a request that fails immediately or never gets a slot. Between the
// two it follows the request with net/http/httptrace. Each request has one row.
// Rows are in the order in which the requests were made. A row shows how the
// time of its request was spent:
//
//	queued   before it had a slot, or before its After was over
//	pause    before another attempt, and then queued again
//	held     with a slot: in Wait, in Auth, or waiting for a connection
//	DNS      looking up the name
//	dial     making a connection
//	TLS      shaking hands
//	send     writing the request
//	wait     for the first byte of the response
//	body     reading the rest
//
// The phases cover all hops of a request: they begin again with a redirect, and
// when net/http sends a request again because a kept connection broke. A phase
// that was not seen takes no time. A request on a kept connection has no dial.
// If the transport does not trace, wait covers all from the slot to the end of
// the response.
//
// A row also says how its request ended: with a status; timed out; canceled (by
// Cancel, by a lost race or by the caller's context); canceled by the end of
// the block; or failed, with the kind of failure. If the request was sent
// again, the row has the number of attempts. It says "not sent" where that is
// proved: see [pending.ErrNotSent].
//
// Functions started with Go and Races are not requests and have no rows. Their
// requests do.
//
// # Secrets
//
// A Recorder does not keep the values of the headers Authorization,
// Proxy-Authorization, Cookie and Set-Cookie, the values of headers that Redact
// names, or the part of a URL before its "@". No output can contain them. It
// keeps the values of queries unless RedactQuery is set. It keeps no bodies
// unless Bodies is set, and then shows what is in them.
//
// # runtime/trace
//
// While an execution trace is being taken, a Recorder adds a task for each
// block, and in that task a region for each request, from when it is made until
// it is done. "go tool trace" lists them under user-defined tasks and regions.
// The task of a block is a child of the task in its caller's context.
package waterfall

// Package waterfall shows what the requests of a block did, and when: as lines for a
// log, a terminal or a failing test, as a picture for a page, and as a file for the
// network panel of a browser.
//
//	var rec waterfall.Recorder
//	c := client.Client{Observe: rec.Observe}
//	err := c.Parallel(ctx, func(p *parallel.Parallel) error { ... })
//	rec.Text(os.Stderr, 100)
//
// A [Recorder] sees every request as it is made and as it settles, also one that fails
// at once or never gets its turn, and by net/http/httptrace what happens on its way.
// Each has one row, in the order in which they were made, which says how its time was
// spent:
//
//	queued   until it had a slot, or its After was over
//	held     with a slot: by Wait, by Auth, or for want of a connection
//	DNS      looking up the name
//	dial     making a connection
//	TLS      shaking hands
//	send     writing the request
//	wait     for the first byte of the response
//	body     reading the rest
//
// The phases are those of all its hops: a redirect, or net/http's sending again after
// a kept connection broke, begins anew. What was not seen takes no time: a connection
// that is kept has no dial, and of a transport that doesn't trace only queued and wait
// are known.
//
// And how it ended: with a status; timed out; cancelled (by Cancel, a lost race or the
// caller's context), or cancelled by leaving the block; or failed, and with what. "Not
// sent" is said where that is proved: see pending.ErrNotSent.
//
// A Go function and a Race are no requests: what they send has rows.
//
// # Secrets
//
// The values of the headers Authorization, Proxy-Authorization, Cookie and Set-Cookie,
// and of those that Redact names, are not kept, nor is what a URL has before its @; so
// they are in no output. The values of queries are kept unless RedactQuery is set.
// Bodies are not kept unless Bodies is set; what is in them is shown as it is.
//
// # runtime/trace
//
// While an execution trace is being taken, a Recorder adds a task for each block, and
// in it a region for each request, from its making to its settling: "go tool trace"
// lists them under user-defined tasks and regions. A block's task belongs to the
// task that its caller's context has.
package waterfall

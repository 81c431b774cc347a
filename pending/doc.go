// Package pending is the result of a request: a handle that settles once and can
// be asked any number of times.
//
// Handles come from a block of package [github.com/abreast-go/abreast/parallel].
// [Pending.Response], [Pending.Bytes] and [Pending.JSON] wait for one; [All] waits
// for several, in the order given; [Race] makes one handle of several, which
// settles with the first to succeed.
//
// Response, Next and All do not judge a status: a 404 is a response. What chooses
// or decodes, [Race], Bytes and JSON, does: to them a status outside 2xx is a
// *[StatusError]. Other errors of a request are a *url.Error, also where nothing is
// wrong with the network (a body that doesn't decode, an option that failed): ask for
// the special ones first.
//
// [Answer], [Arrivals], [Canceler], [Claim], [InMemory], [Named] and [NewGet] are
// the writing end, for those who build a block.
package pending

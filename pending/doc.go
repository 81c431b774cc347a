// Package pending has the results of requests: handles that complete once and
// can be read any number of times.
//
// Handles come from a block of package
// [github.com/abreast-go/abreast/parallel]. [Pending.Response],
// [Pending.Bytes], [Pending.JSON] and [As] wait for one handle. [All] waits for
// several and returns their responses in the order of its arguments. [Race]
// returns one handle for several, which completes with the first of them to
// succeed.
//
// Response, Next and All accept any status: a 404 is a response. Race, Bytes,
// JSON and As require 2xx, because they choose or decode a response. To them
// any other status is a *[StatusError].
//
// Every other error of a request is a *url.Error, also if the network is not
// the reason (the body does not decode, an option failed). So test for a
// *[StatusError], a *[BodyTooLargeError] and [ErrNotSent] before you test for a
// *url.Error.
//
// [Arrivals] is for package parallel, which makes the handles.
package pending

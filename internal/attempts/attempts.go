// Package attempts lets package parallel tell package waterfall about the
// attempts of a request. Client.Observe is called once for a request, however
// often it is sent.
package attempts

import (
	"net/http"
	"time"
)

// A Watcher is the value under [Key] of the context that Observe returned. Its
// methods are called in the order of the attempts, one at a time.
type Watcher interface {
	// Ended is called after an attempt that is followed by a pause and another
	// attempt.
	Ended(a Attempt)

	// Begins is called when a further attempt has got its slot.
	Begins(at time.Time)
}

// Key is the key of a Watcher.
type Key struct{}

// An Attempt is one that has ended.
type Attempt struct {
	Sent, Done time.Time      // from when it got its slot to its end
	Response   *http.Response // nil if it failed
	Received   int64          // bytes of the body
	Err        error          // of this attempt alone
}

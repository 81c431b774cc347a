package pending

import (
	"net/http"
	"time"
)

// An Outcome is what became of a request, as the function that Client.Observe
// returned is told.
type Outcome struct {
	Made time.Time // when the handle was made
	Sent time.Time // when it got a slot, before Wait; zero where it never held one
	Done time.Time // when nothing but this call was left to do

	// Response is what the handle settles with, nil on failure. Its body is the
	// handle's and not to be read here.
	Response *http.Response

	// Bytes is the length of the body as it was read, decompressed: whole on
	// success, what came before the failure otherwise.
	Bytes int64

	// Err is what the handle settles with, nil on success.
	Err error
}

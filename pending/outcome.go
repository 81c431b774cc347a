package pending

import (
	"net/http"
	"time"
)

// An Outcome describes the end of one request. The function that Client.Observe
// returns is called with it.
type Outcome struct {
	Made time.Time // when the handle was made
	Sent time.Time // when it got a slot for its first attempt, before Wait; zero if it never held one
	Done time.Time // when the function was called, as the last step before the handle is done

	// Attempts is how often the request was sent. It is more than 1 after a
	// retry, and 0 if the request never held a slot.
	Attempts int

	// Response is the response of the handle, or nil if the request failed. Its
	// body belongs to the handle: do not read or close it.
	Response *http.Response

	// Bytes is the number of bytes of the body that were read, decompressed. If
	// the request failed, these are the bytes that came before the failure.
	Bytes int64

	// Err is the error of the handle, or nil if the request succeeded.
	Err error
}

package pending

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// ErrNotSent says that no byte of a request left: errors.Is(err, ErrNotSent) holds
// for the error of a handle only where that is proved. Either the request never
// came to the transport (cancelled in the queue or before its After, impossible to
// build, refused by an option, by Wait or by the first hop's Auth), or the
// transport said that it wanted a connection and never that it had one, as after a
// refused dial, or a timeout in DNS, dial or TLS handshake.
//
// Such a request is safe to send again, POST or not. Of any other failure the
// server may have seen, and done, what was asked. A transport that doesn't trace
// (see net/http/httptrace) gives no proof.
//
// It does not say that sending again helps: a bad URL stays bad, and whatever is made
// on a block that has ended fails with it at once. So a loop has an end, asks the
// block's Context().Err() too, and pauses with parallel.After.
var ErrNotSent = fail.ErrNotSent

// A StatusError is a response whose status is outside 2xx, where one inside was
// needed: by Bytes, JSON or Race.
type StatusError struct {
	// Response is what the server answered. Its Body is in memory and reads from
	// the start.
	Response *http.Response

	asked asked
}

// Error names the method and URL asked for and the status:
// "Get "https://api.example.com/users/7": 404 Not Found". What the server says is
// quoted if it isn't printable, and at most 8 KiB of it are shown.
func (e *StatusError) Error() string {
	what := e.asked.or(e.Response)
	if what == (asked{}) {
		return status(e.Response)
	}
	op, u := what.named()
	return fmt.Sprintf("%s %q: %s", op, u, status(e.Response))
}

// statusError is the *StatusError of a handle that settled with a response, nil
// for a status of 2xx.
func statusError(h *Pending) error {
	if h.resp.StatusCode/100 == 2 {
		return nil
	}
	return &StatusError{Response: readable(h.resp, h.body), asked: h.asked}
}

// A BodyTooLargeError is a response whose body, decompressed, is longer than what
// the client keeps in memory (Client.MaxBody).
type BodyTooLargeError struct {
	// Response has the status and the header. Its body was not kept.
	Response *http.Response
	// Limit is what the body exceeds, in bytes.
	Limit int64
}

// Error says the limit and the status. What names the request is the *url.Error
// around it.
func (e *BodyTooLargeError) Error() string {
	return fmt.Sprintf("response body exceeds %d bytes (status %s)", e.Limit, status(e.Response))
}

func status(resp *http.Response) string {
	if resp == nil {
		return "no response"
	}
	if resp.Status != "" {
		return fail.Quoted(resp.Status)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode)))
}

package pending

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
)

// ErrNotSent reports that no byte of a request was transmitted. The error of a handle
// matches it only where that is proved:
//
//   - The request never came to the transport. It was canceled in the queue or before its
//     After, it could not be built, or an option, Wait, or the first hop's Auth refused it.
//   - The transport reported (see net/http/httptrace) that it wanted a connection to the
//     request's address, or to the proxy, and never that it got one, as after a refused
//     dial, or a timeout in DNS, dial or TLS handshake. A proxy is known if the transport is
//     an *http.Transport, or if it is that of the environment.
//   - net/http reported that the server had closed the connection while it was idle, and
//     never that it wrote a header. A request line of more than the transport's
//     WriteBufferSize may have left before; if the transport is not an *http.Transport, one
//     of more than half a KiB.
//
// Nothing is proved if something of the body was read, after a redirect was answered, or by
// a transport that doesn't trace. A transport of your own that sends a request in two ways,
// one after the other, must trace both or read the body.
//
// Such a request is safe to send again, even a POST. After any other failure the server may
// have acted on the request.
//
// ErrNotSent does not mean that sending again helps: a bad URL stays bad, and a request made
// on a block that has ended fails with it at once. So a retry loop has an end, checks the
// block's Context().Err(), and pauses with parallel.After.
var ErrNotSent = fail.ErrNotSent

// A StatusError is a response whose status is outside 2xx, where one inside was
// needed: by Bytes, JSON or Race.
type StatusError struct {
	// Response is what the server answered. Its Body is in memory and reads from
	// the start.
	Response *http.Response

	asked ask.Ask
}

// Error names the method and URL asked for and the status:
// "Get "https://api.example.com/users/7": 404 Not Found". What the server says is
// quoted if it isn't printable, and at most 8 KiB of it are shown.
func (e *StatusError) Error() string {
	what := e.asked.Or(e.Response)
	if what.IsNone() {
		return status(e.Response)
	}
	op, u := what.Name()
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

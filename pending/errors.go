package pending

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
)

// ErrNotSent reports that no byte of a request was transmitted. The error of a
// handle matches it only on proof:
//
//   - The request never reached the transport. It was canceled in the queue or
//     before its After, it could not be built, or it was refused by an option,
//     by Wait, or by Auth on the first hop.
//   - The transport reported through net/http/httptrace that it wanted a
//     connection to the request's address, or to the proxy, and never that it
//     got one. A refused dial is an example, and so is a timeout in DNS, dial
//     or TLS handshake. The proxy is known if the transport is an
//     *http.Transport, or if the proxy is that of the environment.
//   - net/http reported that the server closed an idle connection, and never
//     that a header field was written. A request line that is longer than the
//     transport's WriteBufferSize (half a KiB, if the transport is not an
//     *http.Transport) may have been transmitted before that, so the error of
//     such a request does not match.
//
// There is no proof if a byte of the request's body was read, if a redirect was
// received, or if the transport does not trace. A transport of your own that
// tries two ways to send a request, one after the other, must trace both or
// read the body.
//
// A request whose error matches ErrNotSent is safe to send again, even a POST.
// After any other failure the server may have acted on the request.
//
// ErrNotSent does not mean that sending again helps. A bad URL stays bad, and a
// request made on a block that has ended fails with ErrNotSent immediately. A
// retry loop must therefore be bounded, check the Context().Err() of its block,
// and pause with parallel.After.
var ErrNotSent = fail.ErrNotSent

// A StatusError reports a response whose status is outside 2xx. Bytes, JSON, As
// and Race require 2xx.
type StatusError struct {
	// Response is the response. Its Body is in memory and reads from the start.
	Response *http.Response

	asked ask.Ask
}

// Error returns the method and URL of the original request, the status, and the
// beginning of the body, in which a server often says why:
//
//	Get "https://api.example.com/users/7": 404 Not Found: "no such user\n"
//
// The beginning has at most 200 bytes, and is quoted. It is there only if the
// body is in memory, is not encoded, and is text, JSON or XML. The Content-Type
// decides that, or without one [http.DetectContentType]. It is the server's
// text, which may contain anything, even a secret of the request. The reason
// phrase is cut off after 8 KiB, and quoted if it is not printable.
func (e *StatusError) Error() string {
	text := status(e.Response)
	if what := e.asked.Or(e.Response); !what.IsNone() {
		op, u := what.Name()
		text = fmt.Sprintf("%s %q: %s", op, u, text)
	}
	if why := reason(e.Response, e.Bytes()); why != "" {
		text += ": " + why
	}
	return text
}

// Bytes returns the body of Response, from its start, even if Response.Body was
// read. It does not block. All callers share the bytes and must not modify
// them. It returns nil if the body is empty or not in memory: a writer received
// it, or the program changed Response.
func (e *StatusError) Bytes() []byte {
	if e.Response == nil {
		return nil
	}
	body, _ := ask.InMemory(e.Response)
	return body
}

// statusError returns a *StatusError if the response of h, which is done, has a
// status outside 2xx. Otherwise it returns nil.
func statusError(h *Pending) error {
	if h.resp.StatusCode/100 == 2 {
		return nil
	}
	return &StatusError{Response: readable(h.resp, h.body), asked: h.asked}
}

// A BodyTooLargeError reports a response whose decompressed body is longer than
// the limit for a body in memory (Client.MaxBody). The *url.Error around it
// names the request.
type BodyTooLargeError struct {
	// Response has the status and the header. Its body is not kept.
	Response *http.Response
	// Limit is the limit that the body exceeds, in bytes.
	Limit int64
}

// Error returns the limit and the status.
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
	if resp.StatusCode == 0 {
		return "0 (the transport set no StatusCode)"
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode)))
}

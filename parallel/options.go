package parallel

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/internal/exchange"
)

// An Option changes a request as it is made, on the goroutine that makes it. If
// it returns an error, the request fails with that error and is not sent.
// Options are applied in the order given. All are applied, even after one has
// failed, so that every body that an option brings is closed.
//
// The options of this package may be used for many requests, except Body with a
// reader that can be read only once, and To with any writer but io.Discard.
type Option func(*Request) error

// Header sets a header of the request, replacing its values. "Host" sets
// Request.Host, because net/http takes the Host header from there. If the value
// contains a CR, LF or NUL, the request fails.
func Header(key, value string) Option {
	return func(r *Request) error {
		if http.CanonicalHeaderKey(key) == "Host" {
			r.Host = value
			return nil
		}
		r.Request.Header.Set(key, value)
		return nil
	}
}

// Query adds a parameter to the query of the request's URL, escaped. The
// existing query is kept, escaped as by [Parallel.Get].
func Query(key, value string) Option {
	return func(r *Request) error {
		q := url.QueryEscape(key) + "=" + url.QueryEscape(value)
		if r.URL.RawQuery != "" {
			q = r.URL.RawQuery + "&" + q
		}
		r.URL.RawQuery = q
		return nil
	}
}

// Body sets the body of the request, and its Content-Type unless contentType is
// empty. A nil body is an empty one.
//
// If body is a *bytes.Reader, *bytes.Buffer or *strings.Reader, its unread
// content is taken when Body is called. The option can then be used for many
// requests, and each request can be redirected or sent again. The reader itself
// is not advanced.
//
// Any other reader works for one request. A second request with the option
// fails. The request reads from it as it is sent, and closes it if it is an
// io.Closer (a file, for example), whether or not the request is sent. The body
// cannot be sent again, so a redirect that requires it is not followed. The end
// of the block waits for a Read of body to return. If a Read may block, Close
// must end it, as it does for an io.Pipe.
//
// For a regular *os.File, the length is determined just before the request is
// sent, from the current offset. At most that many bytes are sent, and the
// request fails if the file has become shorter. The length of any other reader
// is unknown, and the body is sent chunked.
func Body(contentType string, body io.Reader) Option {
	open, length := content(body)
	var used atomic.Bool
	return func(r *Request) error {
		if contentType != "" {
			r.Request.Header.Set("Content-Type", contentType)
		}
		if open != nil {
			return r.setBody(open, length)
		}
		if used.Swap(true) {
			return errors.New("the reader given to Body can be read once, and another request has used it")
		}
		r.GetBody, r.ContentLength = nil, -1
		switch b := body.(type) {
		case *os.File:
			r.Request.Body, r.ContentLength = exchange.File(b)
		case io.ReadCloser:
			r.Request.Body = b
		default:
			r.Request.Body = io.NopCloser(body)
		}
		return nil
	}
}

// content returns a function that opens the content of body any number of
// times, and its length. It returns nil if body can be read only once. Content
// that is short, or that its owner may change, is copied to a string.
func content(body io.Reader) (open func() io.Reader, length int64) {
	switch b := body.(type) {
	case nil:
		return text("")
	case *bytes.Buffer:
		if b == nil {
			return text("")
		}
		return text(b.String()) // its owner may go on using it
	case *bytes.Reader:
		if b == nil {
			return text("")
		}
		at := *b
		if b.Len() <= exchange.Small {
			own := make([]byte, b.Len())
			io.ReadFull(&at, own)
			return text(string(own))
		}
		return func() io.Reader { r := at; return &r }, int64(b.Len())
	case *strings.Reader:
		if b == nil {
			return text("")
		}
		at := *b
		return func() io.Reader { r := at; return &r }, int64(b.Len())
	}
	return nil, 0
}

func text(s string) (open func() io.Reader, length int64) {
	return func() io.Reader { return strings.NewReader(s) }, int64(len(s))
}

func (r *Request) setBody(open func() io.Reader, length int64) error {
	r.ContentLength = length
	if length == 0 {
		r.Request.Body = http.NoBody
		r.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
		return nil
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(open()), nil }
	r.Request.Body = io.NopCloser(open())
	return nil
}

// JSON sets the body of the request to v, encoded with json.Marshal when JSON
// is called, and the Content-Type to application/json. If v cannot be encoded,
// the request fails. Pass text that is JSON already as a json.RawMessage: a
// []byte or a string would be encoded as a JSON string.
func JSON(v any) Option {
	b, err := json.Marshal(v)
	if err != nil {
		return func(*Request) error { return err }
	}
	open, length := text(string(b))
	return func(r *Request) error {
		r.Request.Header.Set("Content-Type", "application/json")
		return r.setBody(open, length)
	}
}

// Form sets the body of the request to v, encoded when Form is called, and the
// Content-Type to application/x-www-form-urlencoded.
func Form(v url.Values) Option {
	open, length := text(v.Encode())
	return func(r *Request) error {
		r.Request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r.setBody(open, length)
	}
}

// Timeout sets the time for this request, in place of the client's. It starts
// when the request holds a slot and Wait has returned, and ends with the last
// byte of the body. It does not cover the time in the queue: for that, give the
// block or the request a context with a deadline. 0 means the client's Timeout;
// negative means none.
func Timeout(d time.Duration) Option {
	return func(r *Request) error { r.Timeout = d; return nil }
}

// Stall sets the longest time in which this request may make no progress, in
// place of the client's. A request that makes none for longer fails, with an
// error that matches context.DeadlineExceeded. 0 means the client's Stall;
// negative means none.
//
// The time starts when the request holds a slot and Wait has returned. Each
// sign of progress starts it again: a connection, the header of the request
// written, a response 1xx, the first byte of the response, a Read of the
// response's body that returns bytes, and a Read of the request's body by the
// transport. The time stands still while a [Take] runs, during a Write to its
// writer or that of [To], and while a redirect waits for its place at another
// host. It does not run in the queue or in the pause of a Retry, and each
// attempt has the whole time.
//
// Stall suits bodies of any length, for which no Timeout fits: set a negative
// [Timeout] as well. Without a Timeout, a server that sends a byte now and then
// holds the request, and its slot, for as long as it likes.
//
// A transport that does not call the hooks of net/http/httptrace shows only
// some signs: that it reads the request's body, that it returns a response, and
// the bytes of the response's body. With such a transport, the time covers
// connecting and waiting for the response together. A request that Auth or Take
// sends is no progress, even if it has the context of this request.
func Stall(d time.Duration) Option {
	return func(r *Request) error { r.Stall = d; return nil }
}

// After delays the request by d, from when it is made. Use it for a hedge (see
// [pending.Race]), or for a pause before you send a request again. With Retry,
// it delays only the first attempt. Until d has passed, the request holds no
// slot and counts as Queued. It is never sent if it is canceled first. 0 or
// negative means no delay.
func After(d time.Duration) Option {
	return func(r *Request) error { r.After = d; return nil }
}

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

// An Option changes a request as it is made, on the goroutine that makes it. Its
// error becomes that of the handle, and the request is not sent. The options of
// this package can be used for many requests, except a Body of a reader that can
// be read once. Options are applied in the order given; those after one that failed
// too, since each may bring a body that is to be closed.
type Option func(*Request) error

// Header sets a header in place of what it was. "Host" sets Request.Host, since
// net/http takes the Host header from there. A value with a CR, LF or NUL is an
// error of the request.
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

// Query adds a parameter to the URL's query, escaped. What the query has already
// is escaped as in [Parallel.Get].
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

// Body gives the request a body, and a Content-Type unless contentType is empty.
//
// A *bytes.Reader, *bytes.Buffer or *strings.Reader is read in Body's place when
// the option is made, from where it stands: its content is good for many
// requests, redirects and sending again, and the reader itself stays as it was.
// A nil body is an empty one.
//
// Any other reader is good for one request, which reads it as it is sent, closes it
// if it is an io.Closer (a file too) whether or not it is sent, and fails if another
// one took it. It cannot be sent again, by a redirect either. Leaving the block waits
// for a Read of it to return: one that may block should be ended by Close, as that of
// an io.Pipe is.
//
// The length of a regular *os.File is determined just before it is sent, from where it
// stands. It is sent up to that length, and the request fails if it gets shorter
// meanwhile. Any other body is sent chunked.
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
			return errors.New("the reader given to Body was used by a request already: it can be read once")
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

// content returns how to read what body has, as often as one likes, or nil if it
// can be read once. What is short, or may change, is copied to a string.
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

// JSON gives the request v, encoded with json.Marshal as the option is made, for a
// body, and the Content-Type application/json. What cannot be encoded is an error
// of the request.
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

// Form gives the request v, encoded as it is when the option is made, for a body,
// and the Content-Type application/x-www-form-urlencoded.
func Form(v url.Values) Option {
	open, length := text(v.Encode())
	return func(r *Request) error {
		r.Request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r.setBody(open, length)
	}
}

// Timeout gives the request a time of its own in place of the client's: from its
// send to the last byte of its body. It does not bound the time in the queue: for a
// deadline give the block, or the request, a context with one. Negative: none; 0: the
// client's.
func Timeout(d time.Duration) Option {
	return func(r *Request) error { r.Timeout = d; return nil }
}

// After has the request sent d after it is made, or not at all once it is
// cancelled: for a hedge (see pending.Race), or a pause before sending again. Till
// then it holds no slot. 0 or negative: at once.
func After(d time.Duration) Option {
	return func(r *Request) error { r.After = d; return nil }
}

// To has the body of a 2xx response written to w as it comes, in place of memory
// and without regard to MaxBody. Any other status's body is kept as if To were not
// there, so that w never gets an error page. On a failure w may have been given a
// part.
//
// Ask Bytes, whose error judges the status too, and not Response, whether w has the
// whole body; there are no bytes then, and JSON has nothing to decode. Nothing is
// written once the handle is done. w is never closed, and is not to be shared by the
// racers of one Race.
func To(w io.Writer) Option {
	return func(r *Request) error {
		if w == nil {
			return errors.New("To was given a nil io.Writer")
		}
		r.To = w
		return nil
	}
}

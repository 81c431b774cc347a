// Package ask holds what was requested of a handle, and what came back: the one
// owner of the original request, which the handle, its errors and its exchange
// all refer to.
package ask

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// An Ask is the original request of a handle. It is one of three things: an
// http.Request; a GET of a URL and nothing else, which needs no http.Request
// until it is sent; or nothing, for a function.
//
// Nobody else knows that a bare GET is not an http.Request.
type Ask struct {
	request *http.Request
	url     *url.URL // of a bare GET; nil if it is parsed from text
	text    string   // of a bare GET
}

// An Answer is what a handle completes with: a response and its body, or an
// error. Response.Body is not used, except to hold a Value.
type Answer struct {
	Response *http.Response
	Body     []byte
	Err      error
	NotSent  bool // Err matches ErrNotSent (a Race must not ask Err: its methods may be user code)
}

// Succeeded reports whether a is a response with a 2xx status.
func (a *Answer) Succeeded() bool {
	return a.Err == nil && a.Response != nil && a.Response.StatusCode/100 == 2
}

// Readable returns a copy of the response whose Body reads from the start, or
// nil if there is none.
func (a *Answer) Readable() *http.Response {
	if a.Response == nil {
		return nil
	}
	c := &struct {
		resp http.Response
		body Memory
	}{resp: *a.Response}
	c.body.Set(a.Body)
	c.resp.Body = &c.body
	return &c.resp
}

// Of returns the Ask for r, which nobody may change from here on. r may be nil:
// then the Ask is that of a function.
func Of(r *http.Request) Ask { return Ask{request: r} }

// Get returns the Ask for a GET of a URL and nothing else. The URL is u, which
// nobody may change from here on, or if that is nil, text, which is absolute
// and can be parsed.
func Get(text string, u *url.URL) Ask { return Ask{url: u, text: text} }

// IsNone reports whether a is that of a function.
func (a Ask) IsNone() bool { return a == Ask{} }

// Or returns a, or if a is that of a function, the Ask for the request that
// resp answers.
func (a Ask) Or(resp *http.Response) Ask {
	if a.IsNone() && resp != nil {
		return Of(resp.Request)
	}
	return a
}

// Method returns the method of the request.
func (a Ask) Method() string {
	if a.request == nil {
		return http.MethodGet
	}
	return a.request.Method
}

// URL returns the URL of the request, which must not be changed, or nil.
func (a Ask) URL() *url.URL {
	switch {
	case a.request != nil:
		return a.request.URL
	case a.url != nil:
		return a.url
	case a.text != "":
		u, err := url.Parse(a.text)
		if err != nil { // not what Get is to be called with
			return &url.URL{Opaque: fail.BadURL(a.text)}
		}
		return u
	}
	return nil
}

// Header returns a copy of the header of the request.
func (a Ask) Header() http.Header {
	if a.request == nil || a.request.Header == nil {
		return make(http.Header)
	}
	return a.request.Header.Clone()
}

// Body returns how to open the body of the request again. It returns false if
// that can't be done, and nil if the request has no body.
func (a Ask) Body() (open func() (io.ReadCloser, error), ok bool) {
	r := a.request
	if r == nil || r.Body == nil || r.Body == http.NoBody {
		return nil, true
	}
	return r.GetBody, r.GetBody != nil
}

// Trailer returns the Trailer of the request, which must not be changed.
func (a Ask) Trailer() http.Header {
	if a.request == nil {
		return nil
	}
	return a.request.Trailer
}

// Name returns the method and the URL with which errors name the request: the
// method as net/http writes it ("Get"), and the URL without a password.
func (a Ask) Name() (op, u string) {
	op = "Get"
	if m := a.Method(); m != "" {
		op = fail.Printable(m[:1] + strings.ToLower(m[1:]))
	}
	if at := a.URL(); at != nil {
		u = fail.URL(at)
	}
	return op, u
}

// Request returns a copy of the request with a body that can be read: see
// Fresh. The copy has the request's own context, context.Background for a bare
// GET. Request returns nil for a function.
func (a Ask) Request() *http.Request {
	if a.request == nil {
		return a.Copy(context.Background())
	}
	r := a.Copy(a.request.Context())
	r.Body = Fresh(r)
	return r
}

// Copy returns a copy of the request with the context ctx and the same body, or
// nil for a function.
func (a Ask) Copy(ctx context.Context) *http.Request {
	if a.request != nil {
		return a.request.Clone(ctx)
	}
	u := a.URL()
	if u == nil {
		return nil
	}
	if u == a.url {
		return newGetOf(ctx, u)
	}
	return newGet(ctx, u)
}

// newGet returns a GET of u, with the fields that http.NewRequest sets.
func newGet(ctx context.Context, u *url.URL) *http.Request {
	r := blank.WithContext(ctx)
	r.URL, r.Host, r.Header = u, u.Host, make(http.Header)
	return r
}

// newGetOf returns a GET of a copy of u.
func newGetOf(ctx context.Context, u *url.URL) *http.Request {
	both := &struct { // one allocation
		request http.Request
		url     url.URL
	}{*blank.WithContext(ctx), *u} // the User of a URL is immutable
	r := &both.request
	r.URL, r.Host, r.Header = &both.url, u.Host, make(http.Header)
	return r
}

// blank is an http.NewRequest without a URL.
var blank = &http.Request{Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// An Outgoing is an Ask that is to be sent. For a bare GET it may own a URL,
// which it hands to the transport in place of a copy.
type Outgoing struct {
	Ask
	own *url.URL
}

// Out returns a to be sent. The URL of a bare GET is u, which belongs to the
// result. u may be nil.
func (a Ask) Out(u *url.URL) Outgoing { return Outgoing{a, u} }

// URL returns the URL of the request, which must not be changed, or nil.
func (o *Outgoing) URL() *url.URL {
	if o.own != nil {
		return o.own
	}
	return o.Ask.URL()
}

// View returns a copy of the request with the context ctx.
func (o *Outgoing) View(ctx context.Context) *http.Request {
	if o.own != nil {
		return newGetOf(ctx, o.own)
	}
	return o.Copy(ctx)
}

// ToSend returns the request as it is to be sent, with the context ctx. It
// belongs to the transport.
func (o *Outgoing) ToSend(ctx context.Context) *http.Request {
	if u := o.own; u != nil {
		o.own = nil // the transport may change it
		return newGet(ctx, u)
	}
	return o.Copy(ctx)
}

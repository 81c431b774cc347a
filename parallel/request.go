package parallel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/internal/spent"
	"github.com/abreast-go/abreast/pending"
)

// Request is a request being made, as an Option sees it. An option of the user's
// own may change any of it. Its http.Request is a copy that belongs to the block,
// with an absolute URL and a Header that is not nil.
type Request struct {
	*http.Request

	// Timeout is this request's own, in place of the client's: from its send to
	// the last byte of its body. 0: the client's; negative: none.
	Timeout time.Duration

	// After is how much later than its making the request is sent: a hedge. Until
	// then it waits outside the queue and counts as Queued. 0 or negative: at once.
	After time.Duration

	// To takes the body of a 2xx response, which then is neither kept in memory
	// nor held to MaxBody; any other status's body is kept as if To were not
	// there. It is written to by one goroutine, not after the handle is done, and
	// never closed. It is not to be shared by racers.
	To io.Writer
}

// Get makes a GET request of url and returns its handle at once. The URL is
// absolute or relative to the client's BaseURL (a link that a server sent is relative
// to its page: see resp.Request.URL.Parse). Get neither blocks nor fails: a
// bad URL or a failing option comes out of the handle.
//
// What may not be in a URL is escaped, in its query as browsers do it: a space, quotes,
// "<", ">", and characters that are not ASCII. Escapes that are there stay.
//
// The handle's request joins the queue and is sent as soon as the limits allow. It
// ends with the block at the latest.
func (p *Parallel) Get(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodGet, url, opts)
}

// Head makes a HEAD request; see Get.
func (p *Parallel) Head(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodHead, url, opts)
}

// Options makes an OPTIONS request; see Get.
func (p *Parallel) Options(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodOptions, url, opts)
}

// Post makes a POST request; see Get. Its body comes from an option: JSON, Form or
// Body.
func (p *Parallel) Post(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPost, url, opts)
}

// Put makes a PUT request; see Post.
func (p *Parallel) Put(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPut, url, opts)
}

// Patch makes a PATCH request; see Post.
func (p *Parallel) Patch(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPatch, url, opts)
}

// Delete makes a DELETE request; see Get.
func (p *Parallel) Delete(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodDelete, url, opts)
}

func (p *Parallel) method(method, rawURL string, opts []Option) *pending.Pending {
	u, err := p.resolve(rawURL)
	if method == http.MethodGet && len(opts) == 0 && err == nil && checkURL(u) == nil {
		return p.get(rawURL, u, origin.Mend(u))
	}
	r := &http.Request{Method: method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header)}
	if err == nil {
		r.Host = u.Host
	}
	return p.make(r, err, opts)
}

// Do makes a request of the user's own and returns its handle at once; see Get.
// req is copied and neither changed nor kept; the options are applied to the copy.
// A relative URL is resolved as Get's is.
//
// The end of req's context ends this request alone, and its values are seen
// before the block's.
//
// A request with a GetBody (http.NewRequest sets it for bytes and strings) can be
// passed to Do many times: each send opens a body of its own. One without can be
// passed once. req.Body is closed by the time the handle settles in either case.
func (p *Parallel) Do(req *http.Request, opts ...Option) *pending.Pending {
	if req == nil {
		return p.make(&http.Request{Method: http.MethodGet, Header: make(http.Header)}, errors.New("Do was given a nil *http.Request"), opts)
	}
	r := req.Clone(req.Context())
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	var err error
	switch {
	case r.URL == nil:
		err = errors.New("the request has no URL")
	case r.URL.Scheme == "" && r.URL.Opaque != "": // see resolve
		err = errors.New("the URL is what stood for one that could not be parsed")
	case !r.URL.IsAbs():
		var u *url.URL
		if u, err = p.resolve(r.URL.String()); err == nil {
			if r.Host == r.URL.Host {
				r.Host = u.Host
			}
		}
		r.URL = u
	}
	return p.make(r, err, opts)
}

// resolve returns, with an error, a URL that is fit to be shown in place of the
// one that is bad.
func (p *Parallel) resolve(raw string) (*url.URL, error) {
	parse := p.cfg.Resolve
	if parse == nil {
		parse = url.Parse
	}
	u, err := parse(raw)
	if err != nil {
		return &url.URL{Opaque: fail.URL(raw)}, fail.ParseError(raw, err)
	}
	return u, nil
}

// make makes the handle of a request: the options are applied, the observer is
// told, and the request joins the queue. An error that made the request impossible
// before, or is found here, settles the handle before make returns.
func (p *Parallel) make(r *http.Request, err error, opts []Option) *pending.Pending {
	s := &sending{p: p, request: Request{Request: r}}
	if r.URL == nil {
		r.URL = new(url.URL)
	}
	s.takeGiven()
	if err != nil { // the options only bring their bodies
		s.request.Request = r.Clone(r.Context())
		s.apply(opts)
		s.request.Request = r
	} else if err = s.apply(opts); err == nil {
		s.request.mend()
		err = check(s.request.Request)
	}
	r = s.request.Request
	r.Response = nil // of a redirect that led to the one r was made from: r begins here
	if own := p.distinct(r.Context()); own != nil {
		s.own = p.guard.context(own)
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = taken
	}
	return s.made("", nil, err)
}

// get makes the handle of a GET of a URL and nothing else: u, which is sent. The handle
// has raw alone, and makes another URL of it when it is asked; but only Resolve knows what
// raw stands for, if there is one, and it may keep what it gave. A URL that was mended
// isn't what raw stands for either.
func (p *Parallel) get(raw string, u *url.URL, mended bool) *pending.Pending {
	if p.cfg.Resolve != nil || mended {
		sent := *u
		return (&sending{p: p, get: &sent}).made("", u, nil)
	}
	return (&sending{p: p, get: u}).made(raw, nil, nil)
}

// made is the end of making s. For its handle a GET of a URL has either the text of that
// or one to keep.
func (s *sending) made(text string, kept *url.URL, err error) *pending.Pending {
	s.place.Item, s.listed.Item = s, s
	if s.p.queue.slots.LimitsHosts() {
		u := s.get
		if u == nil {
			u = s.request.URL
		}
		s.place.Host = hostOf(u)
	}
	if s.p.cfg.Observe != nil {
		if failed := s.observe(s.p.cfg.Observe); err == nil {
			err = failed
		}
	}
	if s.get == nil {
		s.handle = s.p.handles.MakeFor(s.request.Request, s)
	} else {
		s.handle = s.p.handles.MakeGet(text, kept, s)
	}
	if err == nil {
		err = s.enqueue()
	}
	if err != nil {
		s.abandon(err)
	}
	return s.handle
}

// distinct is ctx, the own context of a request, unless it adds nothing to the
// block's.
func (p *Parallel) distinct(ctx context.Context) context.Context {
	if ctx == context.Background() || ctx == p.ctx {
		return nil
	}
	if reflect.ValueOf(ctx).Comparable() && ctx == p.caller {
		return nil
	}
	return ctx
}

// apply applies the options in turn, and returns the first error. All are applied,
// whatever became of those before, so that each body which one brings is taken, and
// closed.
func (s *sending) apply(opts []Option) (first error) {
	for _, o := range opts {
		err := s.applyOne(o)
		if first == nil {
			first = err
		}
	}
	return first
}

func (s *sending) applyOne(o Option) error {
	if o == nil {
		return errors.New("a nil Option was given")
	}
	was := s.request.Request
	err := o(&s.request)
	if r := s.request.Request; r != nil && r != was {
		s.request.Request = r.Clone(r.Context()) // r may be the user's
	}
	s.take()
	r := s.request.Request
	if r == nil || r.URL == nil {
		s.request.Request = was
		if was.URL == nil {
			was.URL = new(url.URL)
		}
		return cmp.Or(err, errors.New("an option took the request, or its URL, away"))
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	return err
}

// mend has the URL written as it may go onto the wire. The URL may be one that an Option
// shares, so it is not written to.
func (r *Request) mend() {
	u := *r.URL
	if origin.Mend(&u) {
		r.URL = &u
	}
}

// check finds what no transport could send, so that it is said at the call site
// and proved not to be sent.
func check(r *http.Request) error {
	if err := checkURL(r.URL); err != nil {
		return err
	}
	switch {
	case r.Body == (spent.Body{}):
		return spent.Err
	case r.Method != "" && !isToken(r.Method):
		return fmt.Errorf("%q is no method", r.Method)
	case r.RequestURI != "":
		return errors.New("RequestURI is set: this is a request that a server received; set its URL and clear RequestURI")
	}
	if strings.ContainsFunc(r.Host, isControl) {
		return errors.New("the Host has a control character in it")
	}
	for key, values := range r.Header {
		if !isToken(key) {
			return fmt.Errorf("%q is no name of a header", key)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, isControl) {
				return fmt.Errorf("the value of header %q has a control character in it", key)
			}
		}
	}
	return nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "":
		return errors.New("the URL is relative, and there is no BaseURL")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return errors.New("the URL has no host")
	case strings.ContainsFunc(u.Host, isControl):
		return errors.New("the URL's host has a control character in it")
	case origin.TooLong(u):
		return errors.New("the URL's host is too long")
	}
	return nil
}

// isToken reports whether s is a token, as methods and names of headers are (RFC
// 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isControl reports whether c must not be in a header's value (RFC 9110, section 5.5):
// CR and LF would end it, and let what follows pass for another.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// hostOf names the host of a URL as limits count it: name and port.
func hostOf(u *url.URL) string { return origin.Of(u).HostPort() }

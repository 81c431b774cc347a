package parallel

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/pending"
)

// Request is a request being made, as an Option sees it. An option of the
// user's own may change any of it. Its http.Request is a copy that belongs to
// the block, with an absolute URL and a Header that is not nil.
type Request struct {
	*http.Request

	// Timeout is this request's own, in place of the client's: from its send to
	// the last byte of its body. 0: the client's; negative: none.
	Timeout time.Duration

	// After is how much later than its making the request is sent: a hedge.
	// Until then it waits outside the queue and counts as Queued. 0 or
	// negative: at once.
	After time.Duration

	// To takes the body of a 2xx response, which then is neither kept in memory
	// nor held to MaxBody; any other status's body is kept as if To were not
	// there. It is written to by one goroutine, not after the handle is done,
	// and never closed. It is not to be shared by racers.
	To io.Writer
}

// Get makes a GET request of url and returns its handle at once. The URL is
// absolute or relative to the client's BaseURL (a link that a server sent is
// relative to its page: see resp.Request.URL.Parse). Get neither blocks nor
// fails: a bad URL or a failing option comes out of the handle.
//
// What may not be in a URL is escaped, in its query as browsers do it: a space,
// quotes, "<", ">", and characters that are not ASCII. Escapes that are there
// stay.
//
// The handle's request joins the queue and is sent as soon as the limits allow.
// It ends with the block at the latest.
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

// Post makes a POST request; see Get. Its body comes from an option: JSON, Form
// or Body.
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
	if method == http.MethodGet && len(opts) == 0 {
		if u, err := p.resolve(rawURL); err == nil && checkURL(u) == nil {
			return p.get(rawURL, u, origin.Mend(u))
		}
	}
	r := &http.Request{Method: method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header)}
	s := p.sending()
	s.request.Request = r
	return s.make((*sending).parseURL, rawURL, opts)
}

// parseURL sets the URL of a request that is made from its text.
func (s *sending) parseURL(raw string) error {
	u, err := s.p.resolve(raw)
	s.request.URL = u
	if err == nil {
		s.request.Host = u.Host
	}
	return err
}

// Do makes a request of the user's own and returns its handle at once; see Get.
// req is copied and neither changed nor kept; the options are applied to the
// copy. A relative URL is resolved as Get's is.
//
// The end of req's context ends this request alone, and its values are seen
// before the block's.
//
// A request with a GetBody (http.NewRequest sets it for bytes and strings) can
// be passed to Do many times: each send opens a body of its own. One without
// can be passed once. req.Body is closed by the time the handle settles in
// either case.
//
// A body may fill req.Trailer while it is read. The map is read as the body
// ends, so such a request must not be in two blocks, or two times in one, at
// once.
func (p *Parallel) Do(req *http.Request, opts ...Option) *pending.Pending {
	s := p.sending()
	if req == nil {
		s.request.Request = &http.Request{Method: http.MethodGet, Header: make(http.Header)}
		return s.make((*sending).refuseNil, "", opts)
	}
	s.request.Request = s.CopyOf(req)
	return s.make((*sending).completeURL, "", opts)
}

func (s *sending) refuseNil(string) error { return errors.New("Do was given a nil *http.Request") }

// completeURL makes the URL of a request that was given to Do an absolute one.
func (s *sending) completeURL(string) error {
	r := s.request.Request
	switch {
	case r.URL == nil:
		return errors.New("the request has no URL")
	case r.URL.Scheme == "" && r.URL.Opaque != "": // see resolve
		return errors.New("the URL is what stood for one that could not be parsed")
	case r.URL.IsAbs():
		return nil
	}
	u, err := s.p.resolve(r.URL.String())
	if err == nil && r.Host == r.URL.Host {
		r.Host = u.Host
	}
	r.URL = u
	return err
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
		return &url.URL{Opaque: fail.BadURL(raw)}, fail.ParseError(raw, err)
	}
	return u, nil
}

// make makes the handle of a request. It takes the request's body, sets its URL
// with locate, applies the options, tells the observer, and queues the request.
// An error that is found here completes the handle before make returns.
//
// If user code panics or ends the goroutine meanwhile, that goes on when all
// bodies are closed. There is no handle then, Stats counts no request, and the
// function that Observe returns is not called: if Observe was called, it was
// Observe that ended.
func (s *sending) make(locate func(*sending, string) error, rawURL string, opts []Option) *pending.Pending {
	left, returned := opts, false
	defer func() {
		switch {
		case returned:
		case s.handle == nil:
			s.discard(left)
		default: // a method of the request's own context ended it
			s.abandon(exchange.ErrGoexit)
		}
	}()
	r := s.request.Request
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	s.TakeGiven(r)
	err := locate(s, rawURL)
	badURL := err != nil
	if r.URL == nil {
		r.URL = new(url.URL)
	}
	if badURL { // the options only bring their bodies
		s.request.Request = r.Clone(r.Context())
	}
	for len(left) > 0 {
		o := left[0]
		left = left[1:]
		if failed := s.apply(o); err == nil {
			err = failed
		}
	}
	if err == nil {
		s.request.mend()
		err = check(s.request.Request)
	} else if badURL {
		s.request.Request = r
	}
	r = s.request.Request
	r.Response = nil // of a redirect that led to the one r was made from: r begins here
	if own := s.p.distinct(r.Context()); own != nil {
		s.Own = s.Guard.Context(own)
	}
	s.Made(r)
	s.Ask = ask.Of(r).Out(nil)
	h := s.made(err)
	returned = true
	return h
}

// discard closes the bodies of a request that was not made: those it took, and
// those that the options which are left bring.
func (s *sending) discard(left []Option) {
	defer func() {
		if len(left) > 0 {
			s.discard(left)
		} else {
			s.Discard()
		}
	}()
	for len(left) > 0 {
		o := left[0]
		left = left[1:]
		panics.Try(func() { s.apply(o) }) // the panic that led here goes on
	}
}

// get makes the handle of a GET of a URL and nothing else. u is sent. The
// handle has raw alone, and parses it when it is asked for its request. But
// only Resolve knows which URL raw stands for, if there is a Resolve, and it
// may keep the one that it returned. Nor does raw stand for a URL that was
// mended.
func (p *Parallel) get(raw string, u *url.URL, mended bool) *pending.Pending {
	s := p.sending()
	if p.cfg.Resolve != nil || mended {
		sent := *u
		s.Ask = ask.Get("", u).Out(&sent)
	} else {
		s.Ask = ask.Get(raw, nil).Out(u)
	}
	return s.made(nil)
}

// sending returns a request of the block that is being made.
func (p *Parallel) sending() *sending {
	s := &sending{p: p}
	s.Guard = p.guard
	return s
}

// made makes the handle of s, tells the observer, and queues the request, or
// completes it with err.
func (s *sending) made(err error) *pending.Pending {
	s.place.Item, s.listed.Item = s, s
	s.Timeout, s.To = s.request.Timeout, s.request.To
	if s.p.queue.slots.LimitsHosts() {
		s.place.Host = hostOf(s.Ask.URL())
	}
	if s.p.cfg.Observe != nil {
		if failed := s.observe(s.p.cfg.Observe); err == nil {
			err = failed
		}
	}
	s.handle = s.p.handles.Make(s.Ask.Ask, s)
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

// apply applies an option. Every option is applied, even if one before it
// failed, so that each body which one brings is closed.
func (s *sending) apply(o Option) error {
	if o == nil {
		return errors.New("a nil Option was given")
	}
	was := s.request.Request
	defer s.takeAgain(was)
	return cmp.Or(o(&s.request), s.checkChanged())
}

func (s *sending) checkChanged() error {
	if r := s.request.Request; r == nil || r.URL == nil {
		return errors.New("an option took the request, or its URL, away")
	}
	return nil
}

// takeAgain takes the bodies that an option brought, however it ended. The
// request was was, and is what the option made of it.
func (s *sending) takeAgain(was *http.Request) {
	r := s.request.Request
	if r != was {
		s.Take(was)
	}
	if r != nil {
		if r != was {
			r = s.CopyOf(r) // r may be the user's
		}
		s.Take(r)
	}
	if r == nil || r.URL == nil {
		r = was
		if r.URL == nil {
			r.URL = new(url.URL)
		}
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	s.request.Request = r
}

// mend has the URL written as it may go onto the wire. The URL may be one that
// an Option shares, so it is not written to.
func (r *Request) mend() {
	u := *r.URL
	if origin.Mend(&u) {
		r.URL = &u
	}
}

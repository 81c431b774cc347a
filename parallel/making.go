package parallel

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/pending"
)

// A making is a sending that is being made. It has the methods that a request
// needs only until it is queued. A GET with a URL and nothing else needs none
// of them: see [Parallel.get].
type making struct{ *sending }

// make makes the handle of a request. It takes the request's body, sets its URL
// with locate, applies the options, calls Observe, and queues the request. An
// error on the way completes the handle before make returns.
//
// An option or Resolve may panic or end the goroutine, and Observe may end it.
// Then make closes all bodies, and no handle is made. Stats does not count the
// request, and no observer waits for its end, because Observe did not return.
// (A panic in Observe is an error of the request: see observe.)
func (s making) make(locate func(making, string) error, rawURL string, opts []Option) *pending.Pending {
	left, returned := opts, false
	defer func() {
		switch {
		case returned:
		case s.handle == nil:
			s.discard(left)
		default: // a method of the request's own context ended the goroutine
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
	if badURL { // the options are applied to a copy, only to close their bodies
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
	r.Response = nil // the redirect that led to the request that r was copied from; r follows none
	if own := s.p.distinct(r.Context()); own != nil {
		s.Own = s.Guard.Context(own)
	}
	s.Timeout, s.Stall, s.Pick, s.Once = s.request.Timeout, s.request.Stall, s.request.Take, s.request.once
	s.Strip(r)
	s.Ask = ask.Of(r).Out(nil)
	h := s.makeHandle(err)
	returned = true
	return h
}

// discard closes the bodies of a request that was not made: those that it has
// taken, and those of the options that are left.
func (s making) discard(left []Option) {
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
		panics.Try(func() { s.apply(o) }) // the panic that led here continues after this one
	}
}

// parseURL sets the URL of a request that is made from text.
func (s making) parseURL(raw string) error {
	u, err := s.p.resolve(raw)
	s.request.URL = u
	if err == nil {
		s.request.Host = u.Host
	}
	return err
}

// completeURL makes the URL of a request that was passed to Do absolute.
func (s making) completeURL(string) error {
	r := s.request.Request
	switch {
	case r.URL == nil:
		return errors.New("the URL of the request is nil")
	case r.URL.Scheme == "" && r.URL.Opaque != "": // see resolve
		return errors.New("invalid URL: it stands for a URL that could not be parsed")
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

// refuseNil fails a request for which Do was called with nil.
func (s making) refuseNil(string) error { return errors.New("Do called with a nil *http.Request") }

// resolve returns the URL for a text. If there is none, it returns an error,
// and a URL to show in place of the text.
func (p *Parallel) resolve(raw string) (*url.URL, error) {
	parse := p.settings.resolve
	if parse == nil {
		parse = url.Parse
	}
	u, err := parse(raw)
	if err != nil {
		return &url.URL{Opaque: fail.BadURL(raw)}, fail.ParseError(raw, err)
	}
	return u, nil
}

// apply applies an option. All options are applied, even after one has failed,
// so that every body that an option brings is closed.
func (s making) apply(o Option) error {
	if o == nil {
		return errors.New("an Option is nil")
	}
	was := s.request.Request
	defer s.takeAgain(was)
	return cmp.Or(o(s.request), s.checkChanged())
}

// checkChanged returns an error if an option removed the request or its URL.
func (s making) checkChanged() error {
	if r := s.request.Request; r == nil || r.URL == nil {
		return errors.New("an Option set the request or its URL to nil")
	}
	return nil
}

// takeAgain takes the bodies of a request that an option changed, however the
// option ended. was is the request before the option. If the option replaced
// it, the bodies of both requests are taken.
func (s making) takeAgain(was *http.Request) {
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

// mend rewrites the URL as it can be sent. It changes a copy, because an Option
// may share the URL.
func (r *Request) mend() {
	if u := *r.URL; origin.Mend(&u) {
		mended := u // so that u is not allocated if it is in order
		r.URL = &mended
	}
}

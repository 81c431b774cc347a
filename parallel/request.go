package parallel

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/origin"
	"github.com/abreast-go/abreast/pending"
)

// A Request is a request that is being made, as an Option sees it. An Option
// may change any part of it. Its http.Request is a copy that belongs to the
// block. It has an absolute URL, and its Header is not nil.
type Request struct {
	*http.Request

	// Timeout replaces the client's Timeout for this request. It starts when
	// the request holds a slot and Wait has returned, and ends with the last
	// byte of the body. 0 means the client's; negative means none.
	Timeout time.Duration

	// After delays the request by this duration from when it is made, for
	// example to hedge another request. Until then the request holds no slot
	// and counts as Queued. 0 or negative means no delay.
	After time.Duration

	// Take is called when the headers of the final response have arrived. It
	// returns the writer that receives the body, or nil to keep the body in
	// memory, or an error to refuse the response unread: see the option [Take].
	// A nil Take keeps every body in memory.
	Take func(*http.Response) (io.Writer, error)

	// Retry replaces the client's Retry for this request. nil means the
	// client's. (The option Retry(nil) sets a function that returns false.)
	Retry func(Attempt) (time.Duration, bool)

	// Stall replaces the client's Stall for this request: see the option
	// [Stall]. 0 means the client's; negative means none.
	Stall time.Duration

	once bool  // Take returns the writer of a To, which can receive one body
	file *file // of the option File, or nil
}

// Get makes a GET request and returns its handle. It never blocks and never
// fails: if the URL is bad or an option fails, the handle reports it. The
// request joins the queue, and is sent as soon as the limits allow. If it is
// not done when the block ends, it is canceled. On a block that has ended, Get
// returns a handle that has failed with ErrEnded.
//
// The URL is absolute, or relative to the client's BaseURL. A link that a
// server sent is not relative to BaseURL but to its page: resolve it with
// resp.Request.URL.Parse.
//
// Characters that may not be in a URL are escaped: spaces, double quotes, "<",
// ">", and those that are not ASCII. In the query, single quotes are escaped
// too, as by browsers. Escapes in the URL are kept.
func (p *Parallel) Get(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodGet, url, opts)
}

// Head makes a HEAD request. See [Parallel.Get].
func (p *Parallel) Head(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodHead, url, opts)
}

// Options makes an OPTIONS request. See [Parallel.Get].
func (p *Parallel) Options(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodOptions, url, opts)
}

// Post makes a POST request. Its body is set by an option: [JSON], [Form] or
// [Body]. See [Parallel.Get].
func (p *Parallel) Post(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPost, url, opts)
}

// Put makes a PUT request. See [Parallel.Post].
func (p *Parallel) Put(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPut, url, opts)
}

// Patch makes a PATCH request. See [Parallel.Post].
func (p *Parallel) Patch(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodPatch, url, opts)
}

// Delete makes a DELETE request. See [Parallel.Get].
func (p *Parallel) Delete(url string, opts ...Option) *pending.Pending {
	return p.method(http.MethodDelete, url, opts)
}

// method makes a request from a method, the text of a URL, and options. A GET
// with a good URL and no options does not need an http.Request yet.
func (p *Parallel) method(method, rawURL string, opts []Option) *pending.Pending {
	p.mustBeOpen()
	if method == http.MethodGet && len(opts) == 0 {
		if u, err := p.resolve(rawURL); err == nil && checkURL(u) == nil {
			return p.get(rawURL, u, origin.Mend(u))
		}
	}
	r := &http.Request{Method: method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header)}
	s := making{p.withOptions()}
	s.request.Request = r
	return s.make(making.parseURL, rawURL, opts)
}

// Do makes a request from a copy of req and returns its handle. Like
// [Parallel.Get], it never blocks and never fails, and it resolves a relative
// URL. req is neither changed nor kept; the options are applied to the copy. If
// req is nil, the handle fails.
//
// req's context applies in addition to the block's. When it ends, only this
// request is canceled. The values of req's context are looked up before the
// block's.
//
// A request with GetBody may be passed to Do many times: each send opens its
// own body. http.NewRequest sets GetBody for bytes and strings. A request with
// a body but no GetBody may be passed once. In either case req.Body is closed
// by the time the handle is done, even if the request is not sent.
//
// A body may fill req.Trailer while it is read. The map is read when the body
// ends, so such a request must not be sent twice at the same time.
func (p *Parallel) Do(req *http.Request, opts ...Option) *pending.Pending {
	p.mustBeOpen()
	s := making{p.withOptions()}
	if req == nil {
		s.request.Request = &http.Request{Method: http.MethodGet, Header: make(http.Header)}
		return s.make(making.refuseNil, "", opts)
	}
	s.request.Request = s.CopyOf(req)
	return s.make(making.completeURL, "", opts)
}

// get makes the handle of a GET with a URL and nothing else. The request is
// sent with u. The handle keeps only the text raw, and parses it when its
// Request method is called.
//
// The text is not enough in three cases. With a Resolve, only Resolve knows the
// URL for raw; and since it may keep the URL that it returned, a copy of that
// is sent. If the URL was mended, raw is not what is sent. And if raw may have
// a password, package fmt would show it in the text of a handle.
func (p *Parallel) get(raw string, u *url.URL, mended bool) *pending.Pending {
	s := new(sending)
	s.init(p, noRequest, exchange.NoOptions)
	if p.settings.resolve != nil || mended || strings.Contains(raw, "@") || strings.Contains(raw, "%") {
		sent := *u
		s.Ask = ask.Get("", u).Out(&sent)
	} else {
		s.Ask = ask.Get(raw, nil).Out(u)
	}
	return s.makeHandle(nil)
}

// withOptions returns a new request of the block, which options may change.
func (p *Parallel) withOptions() *sending {
	s := new(struct { // one allocation
		sending
		request Request
		options exchange.Options
	})
	s.init(p, &s.request, &s.options)
	return &s.sending
}

// noRequest is the Request of a GET without options. It is not changed.
var noRequest = new(Request)

// init makes s a new request of p.
func (s *sending) init(p *Parallel, r *Request, options *exchange.Options) {
	s.p, s.request = p, r
	s.Exchange = &s.first
	s.Options, s.Guard = options, p.guard
}

// makeHandle calls Observe and makes the handle of s. If err is nil, it queues
// the request. Otherwise it completes the handle with err.
func (s *sending) makeHandle(err error) *pending.Pending {
	s.entry.Item, s.listed.Item = s, s
	if s.p.queue.limits != nil {
		s.held = &holding{&s.entry}
	}
	if s.p.queue.slots.ByHost() {
		s.entry.Host = hostOf(s.Ask.URL())
	}
	if s.p.settings.observe != nil {
		if failed := s.observe(s.p.settings.observe); err == nil {
			err = failed
		}
	}
	s.handle = s.p.handles.Make(s.Ask.Ask, s, &s.p.left)
	if err == nil {
		err = s.enqueue()
	}
	if err != nil {
		s.abandon(err)
	}
	return s.handle
}

// distinct returns ctx, the own context of a request, or nil if it adds nothing
// to the block's context.
func (p *Parallel) distinct(ctx context.Context) context.Context {
	if ctx == context.Background() || ctx == p.ctx {
		return nil
	}
	if reflect.ValueOf(ctx).Comparable() && ctx == p.caller {
		return nil
	}
	return ctx
}

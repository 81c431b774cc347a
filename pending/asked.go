package pending

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// asked is what a handle was asked for: a request, or a GET of a URL and nothing else,
// or, of Go, neither.
type asked struct {
	request *http.Request
	url     *url.URL // of a GET; or, in place of it,
	text    string   // which is parsed for those who ask
}

func asks(r *http.Request) asked { return asked{request: r} }

// or is a, or where that is neither what resp answers.
func (a asked) or(resp *http.Response) asked {
	if a == (asked{}) && resp != nil {
		return asks(resp.Request)
	}
	return a
}

// again is a copy of what was asked for, with the same body.
func (a asked) again() *http.Request {
	if a.request != nil {
		return a.request.Clone(a.request.Context())
	}
	if u := a.getURL(); u != nil {
		return NewGet(context.Background(), u)
	}
	return nil
}

// getURL is the URL of a GET of nothing else, for whoever may change it.
func (a asked) getURL() *url.URL {
	switch {
	case a.url != nil:
		u := *a.url // its User is immutable
		return &u
	case a.text != "":
		u, err := url.Parse(a.text)
		if err != nil { // not what MakeGet is to be given
			u = &url.URL{Opaque: fail.BadURL(a.text)}
		}
		return u
	}
	return nil
}

// NewGet is a GET of u, with the fields that http.NewRequest sets. It is for those who
// build a block.
func NewGet(ctx context.Context, u *url.URL) *http.Request {
	r := blank.WithContext(ctx)
	r.URL, r.Host, r.Header = u, u.Host, make(http.Header)
	return r
}

// blank is an http.NewRequest without a URL.
var blank = &http.Request{Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// named is how errors name what was asked for: see Named.
func (a asked) named() (op, u string) {
	if u := a.getURL(); u != nil {
		return Named(&http.Request{URL: u})
	}
	return Named(a.request)
}

// Named is how errors name a request: its method as net/http writes it ("Get"),
// and its URL without a password. r, and its URL, may be nil.
func Named(r *http.Request) (op, u string) {
	if r == nil {
		return "Get", ""
	}
	op = "Get"
	if m := r.Method; m != "" {
		op = fail.Printable(m[:1] + strings.ToLower(m[1:]))
	}
	if r.URL != nil {
		u = fail.URL(r.URL)
	}
	return op, u
}

package client

import (
	"net/http"
	"reflect"

	"github.com/abreast-go/abreast/internal/hops"
)

// A dispatcher sends the requests of a block. It is a copy of the user's
// http.Client, with a hopTransport around the user's transport. http.Client
// follows the redirects. The hopTransport applies this client's rules about what
// is sent where.
type dispatcher struct {
	client http.Client // of which following returns a copy
	hops   hopTransport
}

// dispatcher returns a dispatcher with the settings of c. base is c.BaseURL.
func (c *Client) dispatcher(base base) *dispatcher {
	d := new(dispatcher)
	if c.HTTP != nil {
		d.client = *c.HTTP
	}
	hc := &d.client
	hc.Timeout = 0 // the block applies it: see Config.HTTPTimeout
	d.hops = hopTransport{next: hc.Transport, header: c.Header, auth: c.Auth, base: base, check: hc.CheckRedirect}
	if d.hops.next == nil {
		d.hops.next, d.hops.shared = shared(), true
	}
	d.hops.id = d.hops.next
	if _, ok := d.hops.next.(*http.Transport); !ok && !reflect.ValueOf(d.hops.next).Comparable() {
		d.hops.id = &d.hops // no key for the gate: it is then one per block
	}
	if hc.Jar != nil {
		d.hops.jar = hc.Jar
		hc.Jar = storing{hc.Jar}
	}
	return d
}

// following returns an http.Client that follows redirects. It sends its first
// hop through first.
func (d *dispatcher) following(first http.RoundTripper) *http.Client {
	hc := d.client
	hc.Transport, hc.CheckRedirect = first, d.hops.checkRedirect
	return &hc
}

// Do sends req and follows redirects, as the Do of the http.Client does.
//
// Before the first hop, http.Client allocates what later hops need. Without
// cookies or userinfo in the URL, it is needed only if the first hop fails or
// is redirected. So Do sends the first hop itself, which saves five allocations
// per request, and calls http.Client only in these two cases, with a transport
// that first returns the answer of the first hop.
//
// req is sent for a block. Do stays on the stack while net/http sends it, so
// it has few variables of its own: see worker in package parallel.
func (d *dispatcher) Do(req *http.Request) (*http.Response, error) {
	if d.hops.jar != nil || req.URL.User != nil {
		return d.following(&d.hops).Do(withTrail(req))
	}
	resp, err := d.hops.RoundTrip(req)
	if err == nil && resp.StatusCode/100 != 3 && resp.Body != nil {
		return resp, nil
	}
	return d.goOn(req, resp, err)
}

// goOn lets the http.Client continue from resp and err, the result of the first
// hop of req. http.Client makes the next hops with the header that req was made
// with: the transport may have changed the header that it was given, or may
// still be reading it.
func (d *dispatcher) goOn(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	header := hops.Header(req)
	req = withTrail(req)
	req.Header = header
	if resp != nil {
		resp.Request = req
	}
	return d.following(&replay{resp: resp, err: err, next: &d.hops}).Do(req)
}

// A replay is the transport for a request whose first hop Do has sent itself.
// Its first RoundTrip returns resp and err, with which that hop came back. It
// sends all others through next.
type replay struct {
	resp *http.Response
	err  error
	told bool // resp and err were returned
	next http.RoundTripper
}

func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.told {
		r.told = true
		return r.resp, r.err
	}
	return r.next.RoundTrip(req)
}

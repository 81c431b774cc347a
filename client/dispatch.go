package client

import (
	"net/http"
	"reflect"

	"github.com/abreast-go/abreast/internal/hops"
)

// A dispatcher is a copy of the user's http.Client, with a hopTransport around
// the user's transport. http.Client follows the redirects. The hopTransport
// applies this client's rules about what is sent where. A block has one
// dispatcher.
type dispatcher struct {
	client http.Client
	hops   hopTransport // the transport of client
	plain  bool         // client has no Jar
}

// dispatcher returns a dispatcher with the settings of c. base is c.BaseURL.
func (c *Client) dispatcher(base base) *dispatcher {
	d := new(dispatcher)
	if c.HTTP != nil {
		d.client = *c.HTTP
	}
	hc := &d.client
	hc.Timeout = 0 // the block applies it: see Config.HTTPTimeout
	d.plain = hc.Jar == nil
	d.hops = hopTransport{next: hc.Transport, header: c.Header, auth: c.Auth, base: base}
	if d.hops.next == nil {
		d.hops.next, d.hops.shared = shared(), true
	}
	d.hops.id = d.hops.next
	if _, ok := d.hops.next.(*http.Transport); !ok && !reflect.ValueOf(d.hops.next).Comparable() {
		d.hops.id = &d.hops // no key for the gate: it is then one per block
	}
	hc.Transport = &d.hops
	if hc.Jar != nil {
		d.hops.jar = hc.Jar
		hc.Jar = storing{hc.Jar}
	}
	hc.CheckRedirect = d.hops.checkRedirect(hc.CheckRedirect)
	return d
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
	if !d.plain || req.URL.User != nil {
		return d.client.Do(withTrail(req))
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
	hc := d.client
	hc.Transport = &replay{resp: resp, err: err, next: &d.hops}
	return hc.Do(req)
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

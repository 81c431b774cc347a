package client

import (
	"net/http"
	"reflect"
)

// A dispatcher is a copy of the user's http.Client, with a hop as its
// transport: the hop applies this client's rules about what is sent where. A
// block has one dispatcher.
type dispatcher struct {
	client http.Client
	hop    hop  // the transport of every hop
	plain  bool // client has neither a Jar nor a Timeout
}

// dispatcher returns a dispatcher with the settings of c. base is c.BaseURL.
func (c *Client) dispatcher(base base) *dispatcher {
	d := new(dispatcher)
	if c.HTTP != nil {
		d.client = *c.HTTP
	}
	hc := &d.client
	d.plain = hc.Jar == nil && hc.Timeout <= 0
	d.hop = hop{next: hc.Transport, header: c.Header, auth: c.Auth, base: base}
	if d.hop.next == nil {
		d.hop.next, d.hop.shared = shared(), true
	}
	d.hop.id = d.hop.next
	if !reflect.ValueOf(d.hop.next).Comparable() {
		d.hop.id = &d.hop // no key for the gate: it is then one per block
	}
	hc.Transport = &d.hop
	if hc.Timeout > 0 {
		hc.Transport = timed{&d.hop}
	}
	if hc.Jar != nil {
		d.hop.jar = hc.Jar
		hc.Jar = storing{hc.Jar}
	}
	hc.CheckRedirect = d.hop.redirected(hc.CheckRedirect)
	return d
}

// Do sends req and follows redirects, as the Do of the http.Client does.
//
// http.Client allocates before the first hop what it needs for the hops to
// come. Without cookies, a timeout or userinfo in the URL, it needs none of
// that unless the first hop fails or is redirected. So Do sends the first hop
// itself, which saves five allocations per request, and calls http.Client only
// in these two cases: with a transport that begins with the answer of the first
// hop.
func (d *dispatcher) Do(req *http.Request) (*http.Response, error) {
	if !d.plain || req.URL.User != nil {
		return d.client.Do(withTrail(req))
	}
	var header http.Header
	if len(req.Header) > 0 {
		header = req.Header.Clone()
	}
	resp, err := d.hop.RoundTrip(req)
	if err == nil && resp.StatusCode/100 != 3 && resp.Body != nil {
		return resp, nil
	}

	// http.Client makes the next hops from a request with the header as it was
	// before the first hop. The transport may have changed the header that it
	// was given, or may still be reading it.
	if header == nil {
		header = make(http.Header)
	}
	req = withTrail(req)
	req.Header = header
	if resp != nil {
		resp.Request = req
	}
	hc := d.client
	hc.Transport = &begun{resp: resp, err: err, next: &d.hop}
	return hc.Do(req)
}

// A begun is a transport for a request whose first hop was sent. Its first
// RoundTrip returns resp and err. All others are those of next.
type begun struct {
	resp *http.Response
	err  error
	told bool // resp and err were returned
	next http.RoundTripper
}

func (b *begun) RoundTrip(req *http.Request) (*http.Response, error) {
	if !b.told {
		b.told = true
		return b.resp, b.err
	}
	return b.next.RoundTrip(req)
}

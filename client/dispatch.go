package client

import (
	"net/http"
	"reflect"
)

// A dispatcher is the user's http.Client with this client's rules about what goes
// where.
type dispatcher struct {
	client http.Client
	hop    *hop // every hop's transport
	plain  bool // the client has neither a Jar nor a Timeout
}

func (c *Client) dispatcher(base base) *dispatcher {
	d := new(dispatcher)
	if c.HTTP != nil {
		d.client = *c.HTTP
	}
	hc := &d.client
	d.plain = hc.Jar == nil && hc.Timeout <= 0
	d.hop = &hop{next: hc.Transport, header: c.Header, auth: c.Auth, base: base}
	if d.hop.next == nil {
		d.hop.next, d.hop.shared = shared(), true
	}
	d.hop.id = d.hop.next
	if !reflect.ValueOf(d.hop.next).Comparable() {
		d.hop.id = d.hop // a gate for this block alone
	}
	hc.Transport = d.hop
	if hc.Timeout > 0 {
		hc.Transport = timed{d.hop}
	}
	if hc.Jar != nil {
		d.hop.jar = hc.Jar
		hc.Jar = storing{hc.Jar}
	}
	hc.CheckRedirect = d.hop.redirected(hc.CheckRedirect)
	return d
}

// Do is the Do of the http.Client. Without cookies, a timeout or a user in the URL to
// see to, all that this has to do comes after a first hop that failed or is redirected.
// Most aren't, and do without what it allocates before.
func (d *dispatcher) Do(req *http.Request) (*http.Response, error) {
	if !d.plain || req.URL.User != nil {
		return d.client.Do(req)
	}
	var header http.Header
	if len(req.Header) > 0 {
		header = req.Header.Clone()
	}
	resp, err := d.hop.RoundTrip(req)
	if err == nil && resp.StatusCode/100 != 3 && resp.Body != nil {
		return resp, nil
	}

	// The hops to come begin with the header as it was, whatever a transport made of it.
	// It may still be reading what it was given.
	if header == nil {
		header = make(http.Header)
	}
	req = req.WithContext(req.Context())
	req.Header = header
	if resp != nil {
		resp.Request = req
	}
	hc := d.client
	hc.Transport = &begun{resp: resp, err: err, next: d.hop}
	return hc.Do(req)
}

// begun is a transport whose first answer is there already.
type begun struct {
	resp *http.Response
	err  error
	told bool // the first answer was given
	next http.RoundTripper
}

func (b *begun) RoundTrip(req *http.Request) (*http.Response, error) {
	if !b.told {
		b.told = true
		return b.resp, b.err
	}
	return b.next.RoundTrip(req)
}

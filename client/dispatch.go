package client

import "net/http"

// A dispatcher is the user's http.Client with this client's rules about what goes
// where.
type dispatcher struct {
	client http.Client
	direct *hop // client's Transport, where a first hop may do without the client; or nil
}

func (c *Client) dispatcher(base base) *dispatcher {
	d := new(dispatcher)
	if c.HTTP != nil {
		d.client = *c.HTTP
	}
	hc := &d.client
	h := &hop{next: hc.Transport, header: c.Header, auth: c.Auth, base: base}
	if h.next == nil {
		h.gate = shared()
		h.next = h.gate.next
	}
	hc.Transport = h
	if hc.Timeout > 0 {
		hc.Transport = timed{h}
	}
	hc.CheckRedirect = stripCredentials(hc.CheckRedirect)

	// What http.Client copies of a request before its first hop, for those to come, is
	// the same after it only if the transport left the request alone.
	if _, ok := h.next.(*http.Transport); ok && hc.Jar == nil && hc.Timeout <= 0 {
		d.direct = h
	}
	return d
}

// Do is the Do of the http.Client. Without cookies, a timeout or a user in the URL to
// see to, all that this has to do comes after a first hop that failed or is redirected.
// Most aren't, and do without the five allocations with which it begins.
func (d *dispatcher) Do(req *http.Request) (*http.Response, error) {
	if d.direct == nil || req.URL.User != nil {
		return d.client.Do(req)
	}
	resp, err := d.direct.RoundTrip(req)
	if err == nil && resp.StatusCode/100 != 3 {
		return resp, nil
	}
	hc := d.client
	hc.Transport = &begun{resp: resp, err: err, next: d.direct}
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

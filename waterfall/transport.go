package waterfall

import (
	"encoding/base64"
	"io"
	"net/http"
	"unicode/utf8"
)

// Transport is next, seen from close by: what a request of next's has in its header,
// with what Client.Header, Auth and a Jar put on, is kept in place of what was asked
// for; the status of a response is known also where its body breaks off; and of the
// bodies, sent and received, up to Bodies bytes are kept, for HAR. Of a request with
// several hops it is the last one that is kept. (What net/http puts on below, such as
// User-Agent and Accept-Encoding, is not seen.)
//
// It is for Client.HTTP, around client.NewTransport() or one's own; requests that
// the Recorder doesn't observe pass through it unseen. A nil next is
// http.DefaultTransport.
func (rec *Recorder) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &closeBy{rec, next}
}

type closeBy struct {
	rec  *Recorder
	next http.RoundTripper
}

func (c *closeBy) RoundTrip(req *http.Request) (*http.Response, error) {
	s, ok := req.Context().Value(recordKey{c.rec}).(*record)
	if !ok {
		return c.next.RoundTrip(req)
	}
	header := c.rec.header(req.Header)
	s.mu.Lock()
	s.entry.header, s.entry.sent, s.entry.came = header, kept{}, kept{}
	s.mu.Unlock()

	out := req
	if c.rec.Bodies > 0 && req.Body != nil && req.Body != http.NoBody {
		out = req.Clone(req.Context())
		out.Body = &tee{req.Body, s, &s.entry.sent}
		if open := req.GetBody; open != nil {
			out.GetBody = func() (io.ReadCloser, error) {
				body, err := open()
				if err != nil {
					return nil, err
				}
				s.mu.Lock()
				s.entry.sent = kept{} // it is sent once more
				s.mu.Unlock()
				return &tee{body, s, &s.entry.sent}, nil
			}
		}
	}
	resp, err := c.next.RoundTrip(out)
	if err != nil || resp == nil {
		return resp, err
	}
	s.mu.Lock()
	s.answered(resp)
	s.mu.Unlock()
	if c.rec.Bodies > 0 && resp.Body != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &tee{resp.Body, s, &s.entry.came}
	}
	return resp, nil
}

// A kept is the beginning of a body.
type kept struct {
	bytes []byte
	more  int64 // that were not kept
}

// A tee is a body of which the beginning is kept.
type tee struct {
	io.ReadCloser
	record *record
	kept   *kept // guarded by record.mu
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.record.mu.Lock()
	defer t.record.mu.Unlock()
	fits := max(0, min(n, t.record.rec.Bodies-len(t.kept.bytes)))
	t.kept.bytes = append(t.kept.bytes, p[:fits]...)
	t.kept.more += int64(n - fits)
	return n, err
}

// text is a body as JSON can have it: in what encoding, if it is not as it stands.
func (k *kept) text() (text, encoding string) {
	for cut := range utf8.UTFMax { // the last character may be kept in part
		whole := k.bytes[:max(0, len(k.bytes)-cut)]
		if utf8.Valid(whole) {
			return string(whole), ""
		}
		if k.more == 0 {
			break
		}
	}
	return base64.StdEncoding.EncodeToString(k.bytes), "base64"
}

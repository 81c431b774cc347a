package waterfall

import (
	"encoding/base64"
	"io"
	"net/http"
	"unicode/utf8"
)

// Transport returns a RoundTripper that sends requests with next and records
// more about them than Observe can:
//
//   - the header that was sent, with what Client.Header, Auth and a Jar added;
//   - the status of a response whose body broke off;
//   - up to Bodies bytes of each body, sent and received, for HAR.
//
// It keeps these for the last hop of a request only. It does not see headers
// that net/http adds later, such as User-Agent and Accept-Encoding.
//
// Use it as the Transport of Client.HTTP. next may be client.NewTransport() or
// your own; nil means http.DefaultTransport. Requests that the Recorder does
// not observe pass through unchanged.
func (rec *Recorder) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &recording{rec, next}
}

// A recording is the RoundTripper that Transport returns.
type recording struct {
	rec  *Recorder
	next http.RoundTripper
}

func (c *recording) RoundTrip(req *http.Request) (*http.Response, error) {
	s, ok := req.Context().Value(recordKey{c.rec}).(*record)
	if !ok {
		return c.next.RoundTrip(req)
	}
	w := s.lock()
	if w == nil { // somebody sends a request of its own with the context of one that is done
		return c.next.RoundTrip(req)
	}
	w.entry.header = c.rec.header(w.entry.header, req.Header)
	var x *extra // of the entry; nil if no bodies are kept
	if c.rec.Bodies > 0 {
		x = w.entry.own()
		x.sent, x.came = kept{}, kept{}
	}
	w.mu.Unlock()

	out := req
	if x != nil && req.Body != nil && req.Body != http.NoBody {
		// A shallow copy: a body may fill the map of the Trailer while it is
		// read.
		out = req.WithContext(req.Context())
		out.Body = &tee{req.Body, c.rec, w, &x.sent}
		if open := req.GetBody; open != nil {
			out.GetBody = func() (io.ReadCloser, error) {
				body, err := open()
				if err != nil {
					return nil, err
				}
				w.mu.Lock()
				x.sent = kept{} // it is sent again
				w.mu.Unlock()
				return &tee{body, c.rec, w, &x.sent}, nil
			}
		}
	}
	resp, err := c.next.RoundTrip(out)
	if err != nil || resp == nil {
		return resp, err
	}
	if w := s.lock(); w != nil {
		w.answeredLocked(resp)
		w.mu.Unlock()
	}
	if x != nil && resp.Body != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &tee{resp.Body, c.rec, w, &x.came}
	}
	return resp, nil
}

// A kept is the beginning of a body.
type kept struct {
	bytes []byte
	more  int64 // the number of bytes that were not kept
}

// A tee is a body whose beginning is kept as it is read.
type tee struct {
	io.ReadCloser
	rec  *Recorder
	row  *row
	kept *kept // guarded by row.mu; it is not that of another request, even if the row is
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.row.mu.Lock()
	defer t.row.mu.Unlock()
	fits := max(0, min(n, t.rec.Bodies-len(t.kept.bytes)))
	t.kept.bytes = append(t.kept.bytes, p[:fits]...)
	t.kept.more += int64(n - fits)
	return n, err
}

// text returns the kept part of a body as JSON can hold it, and its encoding
// unless it is plain text.
func (k *kept) text() (text, encoding string) {
	for cut := range utf8.UTFMax { // the last character may be incomplete
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

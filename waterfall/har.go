package waterfall

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// HAR writes an HTTP Archive 1.2 to w, which the network panels of Chrome and
// Firefox can import. It has an entry for each request, in the order in which
// the requests were made. A request that was sent again has an entry for each
// attempt. Each begins where the one before it ended. A request that was
// redirected has one entry, with the URL that was requested and the last
// response.
//
// In the timings of an entry, blocked is the sum of queued, pause and held.
// Steps towards a connection that did not happen are left out. A failed request
// has the text of its error in _error, and the status 0 unless a response
// arrived. The request header is the one that the request set, without what
// Client.Header and Auth add; with [Recorder.Transport] it is the header that
// was sent. A request in flight has an entry with what is known so far.
//
// HAR may be called at any time, from any goroutine. It takes no lock while it
// writes to w. It returns only errors of w.
func (rec *Recorder) HAR(w io.Writer) error {
	var entries []entry
	for _, e := range rec.entries() {
		entries = append(entries, e.all()...)
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.made.Compare(b.made) })
	log := harLog{Version: "1.2", Creator: harCreator{"abreast", "0"}, Pages: []int{}, Entries: []harEntry{}}
	for i := range entries {
		log.Entries = append(log.Entries, entries[i].har())
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]harLog{"log": log}); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// escapeJSON returns text, which is JSON, with escapes for unprintable
// characters. Package json leaves DEL, C1 controls, and characters that change
// the writing direction as they are, and a terminal would obey them.
func escapeJSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r == '\n' || strconv.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// The following types describe the part of HAR 1.2 that is written here. Names
// that begin with an underscore are not part of HAR; Chrome's network panel
// reads them.
type (
	harLog struct {
		Version string     `json:"version"`
		Creator harCreator `json:"creator"`
		Pages   []int      `json:"pages"` // empty; Firefox requires the field
		Entries []harEntry `json:"entries"`
	}
	harCreator struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started      string      `json:"startedDateTime"`
		Time         millis      `json:"time"`
		Request      harRequest  `json:"request"`
		Response     harResponse `json:"response"`
		Cache        struct{}    `json:"cache"`
		Timings      harTimings  `json:"timings"`
		Server       string      `json:"serverIPAddress,omitempty"`
		Port         string      `json:"connection,omitempty"` // the server's port, as browsers write it
		ConnectionID string      `json:"_connectionId,omitempty"`
		Comment      string      `json:"comment"` // how it ended
		ResourceType string      `json:"_resourceType"`
	}
	harRequest struct {
		Method      string   `json:"method"`
		URL         string   `json:"url"`
		HTTPVersion string   `json:"httpVersion"`
		Cookies     []field  `json:"cookies"` // empty: cookies are secrets
		Headers     []field  `json:"headers"`
		Query       []field  `json:"queryString"`
		PostData    *harPost `json:"postData,omitempty"`
		HeadersSize int      `json:"headersSize"`
		BodySize    int64    `json:"bodySize"`
	}
	harPost struct {
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Encoding string `json:"_encoding,omitempty"`
		Comment  string `json:"comment,omitempty"`
	}
	harResponse struct {
		Status      int        `json:"status"`
		StatusText  string     `json:"statusText"`
		HTTPVersion string     `json:"httpVersion"`
		Cookies     []field    `json:"cookies"`
		Headers     []field    `json:"headers"`
		Content     harContent `json:"content"`
		RedirectURL string     `json:"redirectURL"`
		HeadersSize int        `json:"headersSize"`
		BodySize    int64      `json:"bodySize"`
		Transferred int64      `json:"_transferSize"` // of the body alone
		Error       string     `json:"_error,omitempty"`
	}
	harContent struct {
		Size     int64  `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text,omitempty"`
		Encoding string `json:"encoding,omitempty"`
		Comment  string `json:"comment,omitempty"`
	}
	harTimings struct {
		Blocked millis  `json:"blocked"`
		DNS     *millis `json:"dns,omitempty"`
		Connect *millis `json:"connect,omitempty"` // TLS included
		SSL     *millis `json:"ssl,omitempty"`
		Send    millis  `json:"send"`
		Wait    millis  `json:"wait"`
		Receive millis  `json:"receive"`
		Queued  millis  `json:"_blocked_queueing"` // part of blocked
	}
)

// millis is a number of microseconds that is written in milliseconds. Sums of
// it are therefore exact in the output.
type millis int64

func (m millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%03d", m/1000, m%1000), nil
}

// har returns the entry as HAR has it.
func (e *entry) har() harEntry {
	timings := e.timings()
	h := harEntry{
		Started:      e.made.UTC().Format("2006-01-02T15:04:05.000000Z"),
		Time:         timings.sum(),
		Timings:      timings,
		Comment:      e.outcome(),
		ResourceType: "fetch",
		Request: harRequest{
			Method:      e.method,
			HTTPVersion: e.proto,
			Cookies:     []field{},
			Headers:     orNone(e.header),
			PostData:    e.posted(),
			HeadersSize: -1,
			BodySize:    e.length,
		},
		Response: harResponse{
			Status:      e.status,
			StatusText:  http.StatusText(e.status),
			HTTPVersion: e.proto,
			Cookies:     []field{},
			Headers:     orNone(e.answered),
			Content:     e.content(),
			RedirectURL: value(e.answered, "Location"),
			HeadersSize: -1,
			BodySize:    e.bytes,
			Error:       e.err,
		},
	}
	h.Request.URL, h.Request.Query = e.requested()
	if e.unpacked {
		h.Response.BodySize = -1
	}
	h.Response.Transferred = max(0, h.Response.BodySize)
	if e.broken() {
		h.Response.StatusText = e.outcome() // Chrome's panel shows nothing else of a failure
	}
	if server, ok := e.remote.(*net.TCPAddr); ok {
		at := server.AddrPort()
		h.Server, h.Port = at.Addr().Unmap().WithZone("").String(), strconv.Itoa(int(at.Port()))
		h.ConnectionID = e.local.String()
	}
	return h
}

// timings returns the time of each phase, in whole microseconds.
func (e *entry) timings() (t harTimings) {
	var took [phases]time.Duration
	for _, s := range e.spans() {
		took[s.phase] += s.to - s.from
	}
	in := func(p phase) millis { return millis(took[p].Microseconds()) }
	some := func(m millis) *millis {
		if m == 0 {
			return nil
		}
		return &m
	}
	t = harTimings{
		Blocked: in(queued) + in(pausing) + in(held),
		DNS:     some(in(lookup)),
		Connect: some(in(dialing) + in(handshake)),
		SSL:     some(in(handshake)),
		Send:    in(sending),
		Wait:    in(waiting),
		Receive: in(reading),
		Queued:  in(queued) + in(pausing),
	}
	return t
}

// sum returns the total time of an entry.
func (t *harTimings) sum() millis {
	sum := t.Blocked + t.Send + t.Wait + t.Receive
	for _, m := range []*millis{t.DNS, t.Connect} { // connect includes ssl
		if m != nil {
			sum += *m
		}
	}
	return sum
}

// requested returns the URL of the request without its fragment, and its query.
func (e *entry) requested() (address string, query []field) {
	query = []field{}
	u, err := url.Parse(e.url)
	if err != nil || !u.IsAbs() || u.Host == "" {
		return "about:invalid", query // HAR requires a URL
	}
	address, _, _ = strings.Cut(e.url, "#")
	for _, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' }) {
		name, value, _ := strings.Cut(pair, "=")
		query = append(query, field{unescaped(name), unescaped(value)})
	}
	return address, query
}

// unescaped returns s without its query escapes, or s if one of them is
// invalid.
func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// posted returns the kept part of the request body.
func (e *entry) posted() *harPost {
	if len(e.sent.bytes) == 0 {
		return nil
	}
	text, encoding := e.sent.text()
	return &harPost{value(e.header, "Content-Type"), text, encoding, e.sent.missing()}
}

// content returns the kept part of the response body.
func (e *entry) content() harContent {
	c := harContent{Size: e.bytes, MimeType: cmp.Or(value(e.answered, "Content-Type"), "x-unknown")}
	if len(e.came.bytes) > 0 {
		c.Text, c.Encoding = e.came.text()
		c.Comment = e.came.missing()
	}
	return c
}

// missing returns a note if only the beginning of a body was kept.
func (k *kept) missing() string {
	if k.more == 0 {
		return ""
	}
	return fmt.Sprintf("the first %d bytes of %d", len(k.bytes), int64(len(k.bytes))+k.more)
}

// value returns the first value of the header called name.
func value(header []field, name string) string {
	for _, f := range header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// orNone returns header, or an empty slice in place of nil, which JSON would
// write as null.
func orNone(header []field) []field {
	if header == nil {
		return []field{}
	}
	return header
}

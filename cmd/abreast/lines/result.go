package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/abreast-go/abreast/pending"
)

// A Result is a line of output.
type Result struct {
	Line       int               `json:"line"`
	ID         json.RawMessage   `json:"id,omitempty"`
	URL        string            `json:"url"`
	Status     int               `json:"status"`
	Bytes      int64             `json:"bytes"`
	Started    time.Time         `json:"started,omitzero"`
	DurationMS float64           `json:"duration_ms"`
	Attempts   int               `json:"attempts"`
	Sent       bool              `json:"sent"`
	Kind       Kind              `json:"kind,omitempty"`
	Error      string            `json:"error,omitempty"`
	FinalURL   string            `json:"final_url,omitempty"`
	File       string            `json:"file,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	JSON       json.RawMessage   `json:"json,omitempty"`
	Text       string            `json:"text,omitempty"`
	Base64     []byte            `json:"base64,omitempty"`
	Input      json.RawMessage   `json:"input,omitempty"`
}

// Result returns the result of r. o is how its request ended. started is when
// it was sent, or zero if it was not.
func (r *Request) Result(o pending.Outcome, started time.Time) Result {
	res := Result{
		Line: r.Line, ID: r.ID, Input: r.Input, URL: r.Shown(),
		Bytes: o.Bytes, Attempts: o.Attempts, Sent: !errors.Is(o.Err, pending.ErrNotSent),
	}
	if !started.IsZero() {
		res.Started = started.UTC().Truncate(time.Microsecond)
		res.DurationMS = math.Round(o.Done.Sub(started).Seconds()*1e6) / 1e3
	}
	if resp := o.Response; resp != nil {
		res.Status = resp.StatusCode
		res.FinalURL = finalURL(resp)
	}
	switch {
	case r.Err != nil:
		res.Kind, res.Error, res.Attempts = BadLine, Reason(r.Err), 0
	case o.Err != nil:
		res.Kind, res.Error = KindOf(o.Err), Reason(o.Err)
		if o.Sent.IsZero() && res.Kind == Other { // refused when it was made
			res.Kind = BadLine
		}
	case o.Response.StatusCode/100 != 2:
		res.Kind, res.Error = Status, Reason(errors.New(o.Response.Status))
	}
	return res
}

// Shown returns the URL as it was written, without a password. The text of a line
// that is not a request is cut.
func (r *Request) Shown() string {
	if r.Err != nil {
		return cut(Shown(r.URL), maxShown)
	}
	return Shown(r.URL)
}

// finalURL returns the URL of the response if redirects led to it. On the way, a
// URL can lose the colon before a password: a ".." in a Location removes a part
// of the path, and a fragment is inherited. So if any URL on the way may have a
// password, finalURL hides all before the last "@".
func finalURL(resp *http.Response) string {
	r := resp.Request
	if r == nil || r.Response == nil {
		return ""
	}
	text := Shown(r.URL.Redacted())
	at := max(strings.LastIndexByte(text, '@'), lastEscapedAt(text))
	for ; at >= 0 && r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		for _, on := range []string{r.Response.Header.Get("Location"), r.Response.Request.URL.Redacted()} {
			if Shown(on) != on {
				return scheme.FindString(text) + hidden + text[at:]
			}
		}
	}
	return text
}

// SetBody adds a body to the result: as JSON if it is JSON, as text if it is
// text, else in base64.
func (r *Result) SetBody(header http.Header, body []byte) {
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	sniffed := media == "" || media == "application/octet-stream"
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json") || strings.HasPrefix(media, "application/x-ndjson")
	if sniffed {
		trimmed := bytes.TrimSpace(body)
		isJSON = bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("["))
	}
	switch {
	case isJSON && utf8.Valid(body) && json.Valid(body):
		r.JSON = body
	case utf8.Valid(body) && bytes.IndexByte(body, 0) < 0:
		r.Text = string(body)
	default:
		r.Base64 = body
	}
}

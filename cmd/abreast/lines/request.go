package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/abreast-go/abreast/parallel"
)

// A Request is a line of input.
type Request struct {
	Line  int             // number of the line
	URL   string          // as it was written; of a line that is no request its text
	ID    json.RawMessage // of the line, or nil
	Input json.RawMessage // an object with the fields that this package does not know, or nil
	File  string          // name for the body, or ""
	Cost  int             // 1 if the line does not say

	// Unknown has the fields of Input that may be meant as others, such as
	// `"header" (headers?)`.
	Unknown []string

	// Err says why the line is not a request. It is nil if the line is one.
	Err error

	method      string
	timeout     time.Duration
	header      http.Header
	contentType string
	body        io.Reader // a *strings.Reader or *bytes.Reader, or nil
}

// Parse returns the request of a line: a URL, or an object in JSON. If the line
// is not a request, its Err says why, without a password.
func Parse(number int, text string, max int) *Request {
	r := &Request{Line: number, URL: text, Cost: 1}
	switch {
	case len(text) > max:
		r.fail(fmt.Errorf("it has more than %d bytes", max))
	case strings.HasPrefix(text, "{"):
		if err := r.parseObject(text); err != nil {
			r.fail(err)
		}
	default:
		r.checkURL()
	}
	return r
}

func (r *Request) fail(err error) {
	r.Err = fmt.Errorf("line %d is not a request: %w", r.Line, err)
}

var anyScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// Address returns the URL that is requested. A URL that was written without a
// scheme has http.
func (r *Request) Address() string {
	if hasHTTP(r.URL) || anyScheme.MatchString(r.URL) {
		return r.URL
	}
	return "http://" + strings.TrimPrefix(r.URL, "//")
}

// hasHTTP reports whether text begins with http:// or https://.
func hasHTTP(text string) bool {
	rest, ok := strings.CutPrefix(text, "http")
	if !ok {
		return anyHTTP.MatchString(text)
	}
	rest = strings.TrimPrefix(rest, "s")
	return strings.HasPrefix(rest, "://") || anyHTTP.MatchString(text)
}

var anyHTTP = regexp.MustCompile(`^(?i:https?)://`)

// otherScheme matches a URL whose scheme has no "//". A host and its port look
// alike, so only known schemes are taken for one.
var (
	otherScheme = regexp.MustCompile(`^(?i:mailto|javascript|tel|sms|data|about|urn|news|blob|file|magnet|cid|callto):`)
	portFirst   = regexp.MustCompile(`^[a-z]+:\d{1,5}(?:[/?#]|$)`)
)

// secondURL matches another URL in a line.
var secondURL = regexp.MustCompile(`\s[A-Za-z][A-Za-z0-9+.-]*://`)

// notInHost has the characters that the name of a host never has. Package url
// allows some of them.
const notInHost = "\"'<>()=,;!$&*+~|\\`{}^ "

// checkURL sets Err if the URL has another scheme than http and https, or
// cannot be parsed. It also refuses what would only be a request by accident: a
// word in quotes, a path, an option, two URLs.
func (r *Request) checkURL() {
	address := r.Address()
	switch {
	case !hasHTTP(address), !hasHTTP(r.URL) && otherScheme.MatchString(r.URL) && !portFirst.MatchString(r.URL):
		r.fail(errors.New("the URL must begin with http:// or https://"))
		return
	case strings.HasPrefix(r.URL, `"`), strings.HasPrefix(r.URL, "'"):
		r.fail(errors.New("the URL is in quotes"))
		return
	case strings.ContainsAny(r.URL, " \t") && secondURL.MatchString(r.URL):
		r.fail(errors.New("there are two URLs: one on each line is needed"))
		return
	case strings.Contains(r.URL, "\t"):
		r.fail(errors.New("there is a tab in the URL"))
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil && Shown(r.URL) != r.URL:
		r.fail(errors.New("invalid URL (details omitted: they may contain a password)"))
	case err != nil:
		r.fail(errors.New(Reason(err)))
	case u.Host == "":
		r.fail(errors.New("the URL has no host"))
	case u.Host[0] == '.' || u.Host[0] != '[' && strings.ContainsAny(u.Host, notInHost):
		r.fail(errors.New("the URL has an invalid host"))
	}
}

// parseObject fills r from an object in JSON.
func (r *Request) parseObject(text string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.Token() // the brace
	fields := make(map[string]json.RawMessage)
	var unknown []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return asJSON(err)
		}
		name, _ := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return asJSON(err)
		}
		if _, twice := fields[name]; twice {
			return fmt.Errorf("the field %q appears twice", name)
		}
		fields[name] = value
		if !isKnown(name) {
			unknown = append(unknown, name)
		}
	}
	if _, err := dec.Token(); err != nil {
		return asJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is something after the JSON object")
	}
	var input []byte
	for _, name := range unknown {
		key, _ := json.Marshal(name)
		if m := meant(name); m != "" {
			r.Unknown = append(r.Unknown, fmt.Sprintf("%q (%s?)", name, m))
		}
		input = append(input, ',')
		input = append(append(append(input, key...), ':'), fields[name]...)
	}
	if input != nil {
		input[0] = '{'
		r.Input = append(input, '}')
	}
	r.ID = fields["id"]
	if err := r.setURL(fields["url"]); err != nil {
		return err
	}
	for name, value := range fields { // null counts as absent
		if string(value) == "null" {
			delete(fields, name)
		}
	}
	for _, f := range fieldsKnown {
		if value := fields[f.name]; value != nil {
			if err := f.set(r, value); err != nil {
				return fmt.Errorf("the field %q: %w", f.name, err)
			}
		}
	}
	if fields["body"] != nil && fields["form"] != nil {
		return errors.New("use body or form, not both")
	}
	return nil
}

func asJSON(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON object has no end")
	}
	return fmt.Errorf("invalid JSON: %w", err)
}

// A field sets a part of a request from its value in JSON.
type field struct {
	name string
	set  func(*Request, json.RawMessage) error
}

// fieldsKnown has the fields of a line beside url and id, in the order in which
// they are set: the body decides on the Content-Type, and a header replaces it.
var fieldsKnown = []field{
	{"method", (*Request).setMethod},
	{"body", (*Request).setBody},
	{"form", (*Request).setForm},
	{"headers", (*Request).setHeaders},
	{"timeout", (*Request).setTimeout},
	{"file", (*Request).setFile},
	{"cost", (*Request).setCost},
}

// isKnown reports whether a line's field is not part of its input.
func isKnown(name string) bool {
	return name == "url" || name == "id" || slices.ContainsFunc(fieldsKnown, func(f field) bool { return f.name == name })
}

// synonyms has names of fields in other programs. Names that are as likely of
// the user's own data are left out.
var synonyms = map[string]string{
	"data": "body", "json": "body", "payload": "body", "content": "body", "params": "form", "verb": "method", "filename": "file", "output": "file",
}

// meant returns the field that an unknown one may be meant as, or "".
func meant(name string) string {
	lower := strings.ToLower(name)
	if lower != name && isKnown(lower) {
		return lower
	}
	for _, known := range []string{"headers", "method", "timeout"} { // shorter names are near too many words
		if isNear(lower, known) {
			return known
		}
	}
	return synonyms[lower]
}

// isNear reports whether a becomes b if one letter is added, removed or
// replaced, or two neighbors are exchanged.
func isNear(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return max(len(a), len(b)) == 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

func (r *Request) setURL(value json.RawMessage) error {
	var u string
	if json.Unmarshal(value, &u) != nil || u == "" {
		return errors.New(`the field "url" is missing or not a string`)
	}
	r.URL = u
	r.checkURL()
	return nil
}

func (r *Request) setMethod(value json.RawMessage) error {
	if json.Unmarshal(value, &r.method) != nil || !httpguts.ValidHeaderFieldName(r.method) {
		return errors.New("the name of a method is needed")
	}
	r.method = Method(r.method)
	return nil
}

// Method returns a method in upper case if it is one of HTTP's. Methods are case
// sensitive, and no server knows "post".
func Method(name string) string {
	switch upper := strings.ToUpper(name); upper {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return upper
	}
	return name
}

func (r *Request) setBody(value json.RawMessage) error {
	var text string
	if json.Unmarshal(value, &text) == nil {
		r.body = strings.NewReader(text)
		return nil
	}
	r.body, r.contentType = bytes.NewReader(value), "application/json"
	return nil
}

func (r *Request) setForm(value json.RawMessage) error {
	form, err := texts(value)
	if err == nil {
		r.body, r.contentType = strings.NewReader(url.Values(form).Encode()), "application/x-www-form-urlencoded"
	}
	return err
}

func (r *Request) setHeaders(value json.RawMessage) error {
	header, err := texts(value)
	if err != nil {
		return err
	}
	r.header = make(http.Header)
	for name, values := range header {
		for _, v := range values {
			if err := CheckHeader(name, v); err != nil {
				return err
			}
			r.header.Add(name, v)
		}
	}
	return nil
}

// CheckHeader reports why a request cannot have a header.
func CheckHeader(name, value string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("invalid header name %q", name)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("invalid value for header %s", name)
	}
	return nil
}

// texts returns the values of an object. Each is a string, a number or a
// boolean, or an array of these.
func texts(value json.RawMessage) (map[string][]string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return nil, errors.New("an object is needed")
	}
	all := make(map[string][]string, len(object))
	for name, value := range object {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			list = []json.RawMessage{value}
		}
		for _, v := range list {
			text := string(v)
			switch {
			case text == "null":
				continue
			case strings.HasPrefix(text, `"`):
				json.Unmarshal(v, &text)
			case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
				return nil, fmt.Errorf("the value of %q is not a text", name)
			}
			all[name] = append(all[name], text)
		}
	}
	return all, nil
}

func (r *Request) setTimeout(value json.RawMessage) error {
	text := string(value)
	json.Unmarshal(value, &text)
	d, err := ParseSeconds(text)
	if err == nil && d <= 0 {
		err = errors.New("it must be more than 0")
	}
	r.timeout = d
	return err
}

// ParseSeconds returns the duration of a text such as "5", "0.5", "5s" or
// "2m30s". A number without a unit is in seconds.
func ParseSeconds(text string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(n) || math.Abs(n) > 1e9 {
			return 0, errors.New("it is not a number of seconds")
		}
		return time.Duration(n * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("a time is needed, such as 5, 500ms or 2m")
	}
	return d, nil
}

func (r *Request) setFile(value json.RawMessage) error {
	if json.Unmarshal(value, &r.File) != nil || !filepath.IsLocal(r.File) || strings.ContainsAny(r.File, "\x00") {
		return errors.New("must be a relative path inside -dir")
	}
	return nil
}

func (r *Request) setCost(value json.RawMessage) error {
	var cost float64
	if json.Unmarshal(value, &cost) != nil || cost < 0 || cost > 1e9 {
		return errors.New("must be a number from 0 to 1e9")
	}
	r.Cost = int(math.Ceil(cost))
	return nil
}

// A Default is what a request has for which its line does not say otherwise.
type Default struct {
	Method      string // "": GET, or POST if there is a body
	Body        string
	ContentType string // of Body
	HasBody     bool
}

// Option returns an option that makes a request of r.
func (r *Request) Option(d *Default) parallel.Option {
	return func(to *parallel.Request) error { return r.apply(d, to) }
}

func (r *Request) apply(d *Default, to *parallel.Request) error {
	if r.Err != nil {
		return r.Err
	}
	body, contentType := r.body, r.contentType
	if body == nil && d.HasBody {
		body, contentType = strings.NewReader(d.Body), d.ContentType
	}
	switch {
	case r.method != "":
		to.Method = r.method
	case d.Method != "":
		to.Method = d.Method
	case body != nil:
		to.Method = http.MethodPost
	}
	if body != nil {
		if err := parallel.Body(contentType, body)(to); err != nil {
			return err
		}
	}
	for name, values := range r.header {
		if name == "Host" {
			to.Host = values[0]
			continue
		}
		to.Header[name] = values
	}
	to.Timeout = r.timeout
	return nil
}

// RemoveHeaders removes the headers that the line has from h, except for the
// Content-Type of a body that is sent on.
func (r *Request) RemoveHeaders(h http.Header) {
	for name := range r.header {
		if name != "Content-Type" {
			delete(h, name)
		}
	}
}

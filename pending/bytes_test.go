package pending_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// Promise 11: Bytes and JSON require a status of 2xx; Response accepts any
// status.
func TestBytes_requires2xx(t *testing.T) {
	for _, test := range []struct {
		status int
		ok     bool
	}{
		{199, false}, {200, true}, {204, true}, {299, true}, {300, false}, {304, false}, {404, false}, {503, false},
	} {
		var b block
		h := b.responded("/x", test.status, `"why"`)
		wantBody(t, h, `"why"`)

		got, err := h.Bytes()
		var v string
		jsonErr := h.JSON(&v)
		if test.ok {
			if string(got) != `"why"` || err != nil || v != "why" || jsonErr != nil {
				t.Errorf("status %d: Bytes() = %q, %v and JSON() = %q, %v; want the body", test.status, got, err, v, jsonErr)
			}
			continue
		}
		if got != nil || v != "" {
			t.Errorf("status %d: Bytes() = %q and JSON decoded %q; want nothing", test.status, got, v)
		}
		for _, err := range []error{err, jsonErr} {
			var se *pending.StatusError
			if !errors.As(err, &se) || se.Response.StatusCode != test.status {
				t.Errorf("status %d: error %v, want a *StatusError", test.status, err)
			} else if body := read(se.Response); body != `"why"` {
				t.Errorf("status %d: the body of the error's Response = %q, want it from the start", test.status, body)
			}
		}
	}
}

func TestBytes_failure(t *testing.T) {
	var b block
	h := b.request("/")
	b.fail(h, errBroken)
	if got, err := h.Bytes(); got != nil || err != errBroken {
		t.Errorf("Bytes() = %q, %v; want nil, %v", got, err, errBroken)
	}
	if err := h.JSON(new(any)); err != errBroken {
		t.Errorf("JSON() = %v, want %v", err, errBroken)
	}
}

func TestBytes_shared(t *testing.T) {
	var b block
	h := b.responded("/", 200, "body")
	one, _ := h.Bytes()
	two, _ := h.Bytes()
	if &one[0] != &two[0] {
		t.Error("two calls of Bytes returned different slices, want the same")
	}
}

// Promise 20: if the body does not decode, the error is a *url.Error that wraps
// the decoder's error.
func TestJSON_decodeError(t *testing.T) {
	req, _ := http.NewRequest("POST", "https://user:secret@h/x", nil)
	answered := &http.Response{StatusCode: 200, Request: req}
	for _, test := range []struct {
		name, body string
		req        *http.Request
		resp       *http.Response
		op, url    string
		as         any
	}{
		{"not JSON", "{", req, answered, "Post", "https://user:xxxxx@h/x", new(*json.SyntaxError)},
		{"of another type", `"text"`, req, answered, "Post", "https://user:xxxxx@h/x", new(*json.UnmarshalTypeError)},
		{"from a function with the response of a request", "", nil, answered, "Post", "https://user:xxxxx@h/x", new(*json.SyntaxError)},
	} {
		var b block
		h := b.Make(test.req, nil)
		b.Complete(h, ask.Answer{Response: test.resp, Body: []byte(test.body)})
		err := h.JSON(new(int))
		ue, ok := err.(*url.Error)
		if !ok || ue.Op != test.op || ue.URL != test.url || !errors.As(err, test.as) {
			t.Errorf("%s: JSON() = %#v; want a *url.Error of %s %q around a %T", test.name, err, test.op, test.url, test.as)
		}
	}
}

// The error for a function whose response answers no request named a request:
// Get "".
func TestJSON_namesNoRequestForFunction(t *testing.T) {
	var b block
	h := b.Make(nil, nil)
	b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: 200}, Body: []byte("{")})
	err := h.JSON(new(int))
	if diff := cmp.Diff("the response of a function: unexpected end of JSON input", fmt.Sprint(err)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if syntax := new(*json.SyntaxError); !errors.As(err, syntax) {
		t.Errorf("JSON() = %#v, want an error around a %T", err, *syntax)
	}
}

// A login page in place of JSON failed with "invalid character '<'", and a 204
// with "unexpected end of JSON input". Neither said what had come instead.
func TestJSON_namesWhatCameInstead(t *testing.T) {
	const noBody = "no body to decode (status 204 No Content): unexpected end of JSON input"
	for _, test := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"page", "text/html; charset=utf-8", "<html>", 200, `the body has Content-Type "text/html; charset=utf-8": invalid character '<' looking for beginning of value`},
		{"long type", strings.Repeat("x", 1000), "<", 200, `the body has Content-Type "` + strings.Repeat("x", 40) + `": invalid character '<' looking for beginning of value`},
		{"broken JSON", "application/json", "<", 200, `invalid character '<' looking for beginning of value`},
		{"JSON by its suffix", "application/problem+JSON", "<", 200, `invalid character '<' looking for beginning of value`},
		{"no type", "", "<", 200, `invalid character '<' looking for beginning of value`},
		{"JSON of another type", "text/plain", `"text"`, 200, "json: cannot unmarshal string into Go value of type int"},
		{"no body", "", "", 204, noBody},
		{"no body of a type", "text/html", "", 204, noBody},
	} {
		var b block
		h := b.Make(nil, nil)
		resp := &http.Response{StatusCode: test.status, Header: http.Header{"Content-Type": {test.kind}}}
		b.Complete(h, ask.Answer{Response: resp, Body: []byte(test.body)})
		if diff := cmp.Diff(test.want, fmt.Sprint(errors.Unwrap(h.JSON(new(int))))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// Promise 20: the text of a *StatusError has the method, the URL and the
// status. Each error has a text, even without a Request.
func TestErrors_text(t *testing.T) {
	req, _ := http.NewRequest("DELETE", "https://user:secret@h/x", nil)
	ofRequest := func(req *http.Request, resp *http.Response) error {
		var b block
		h := b.Make(req, nil)
		b.Complete(h, ask.Answer{Response: resp})
		_, err := h.Bytes()
		return err
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{ofRequest(req, &http.Response{StatusCode: 404}), `Delete "https://user:xxxxx@h/x": 404 Not Found`},
		{ofRequest(req, &http.Response{StatusCode: 404, Status: "404 Gone Fishing"}), `Delete "https://user:xxxxx@h/x": 404 Gone Fishing`},
		{ofRequest(nil, &http.Response{StatusCode: 404, Request: req}), `Delete "https://user:xxxxx@h/x": 404 Not Found`},
		{ofRequest(nil, &http.Response{StatusCode: 599}), `599`},
		{ofRequest(req, &http.Response{}), `Delete "https://user:xxxxx@h/x": 0 (the transport set no StatusCode)`},
		{ofRequest(nil, &http.Response{StatusCode: 404, Status: "404 \x1b[2J\rGone\u202e"}), `"404 \x1b[2J\rGone\u202e"`},
		{&pending.BodyTooLargeError{Limit: 7, Response: &http.Response{Status: "200 \u009b2J"}}, `response body exceeds 7 bytes (status "200 \u009b2J")`},
		{&pending.StatusError{}, "no response"},
		{&pending.BodyTooLargeError{Limit: 7}, "response body exceeds 7 bytes (status no response)"},
		{&pending.BodyTooLargeError{Limit: 7, Response: &http.Response{StatusCode: 200}}, "response body exceeds 7 bytes (status 200 OK)"},
		{fail.NotSent(errBroken), "request not sent: broken"},
	} {
		if diff := cmp.Diff(test.want, test.err.Error()); diff != "" {
			t.Errorf("text of a %T (-want +got):\n%s", test.err, diff)
		}
	}
}

// The text of a decoder's error contained a number of a megabyte that the
// server had sent. The text of a *StatusError contained a reason phrase of that
// length.
func TestErrors_boundForeignText(t *testing.T) {
	long := strings.Repeat("1", 1<<20)
	var b block
	number := b.Make(nil, nil)
	b.Complete(number, ask.Answer{Response: &http.Response{StatusCode: 200}, Body: []byte(`"` + long + `"`)})
	reason := b.Make(nil, nil)
	b.Complete(reason, ask.Answer{Response: &http.Response{StatusCode: 404, Status: "404 " + long}})
	_, status := reason.Bytes()
	for name, err := range map[string]error{"JSON": number.JSON(new(numeric)), "Bytes": status} {
		if err == nil || len(err.Error()) > 9<<10 {
			t.Errorf("%s: the error has %d bytes, want at most 9 KiB", name, len(fmt.Sprint(err)))
		}
	}
}

// A numeric quotes a text that does not decode.
type numeric int

func (n *numeric) UnmarshalJSON(b []byte) error { return fmt.Errorf("no number: %s", b) }

// Promise 21: an error that matches ErrNotSent still reports true from Timeout.
func TestNotSent_keepsTimeout(t *testing.T) {
	for _, test := range []struct {
		err     error
		timeout bool
	}{
		{errBroken, false},
		{&url.Error{Op: "Get", Err: errBroken}, false},
		{&url.Error{Op: "Get", Err: timeout{}}, true},
	} {
		err := fail.NotSent(test.err)
		if !errors.Is(err, pending.ErrNotSent) || !errors.Is(err, test.err) {
			t.Errorf("NotSent(%v) = %v, want an error that matches it and ErrNotSent", test.err, err)
		}
		if (&url.Error{Op: "Get", Err: err}).Timeout() != test.timeout {
			t.Errorf("NotSent(%v): Timeout() = %t, want %t", test.err, !test.timeout, test.timeout)
		}
		if again := fail.NotSent(err); strings.Count(again.Error(), "not sent") != 1 {
			t.Errorf("NotSent of NotSent = %q, want \"not sent\" once", again)
		}
	}
}

type timeout struct{}

func (timeout) Error() string { return "timeout" }
func (timeout) Timeout() bool { return true }

package pending_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// refusal returns the *StatusError of a 400 with a body.
func refusal(header http.Header, body string) *pending.StatusError {
	var b block
	h := b.Make(nil, nil)
	b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: 400, Header: header}, Body: []byte(body)})
	_, err := h.Bytes()
	return err.(*pending.StatusError)
}

// Promise 35: the text of a *StatusError ends in the beginning of the body,
// quoted, if that is text.
func TestStatusError_reason(t *testing.T) {
	const png = "\x89PNG\x0D\x0A\x1A\x0A"
	for _, test := range []struct {
		kind, body, want string
	}{
		{"text/plain", "no such user\n", `"no such user\n"`},
		{"text/plain; charset=utf-8", "naïve", `"naïve"`},
		{"Text/HTML", "<p>", `"<p>"`},
		{"application/json", `{"a":1}`, `"{\"a\":1}"`},
		{"application/problem+json; charset=utf-8", "{}", `"{}"`},
		{"application/xml", "<a/>", `"<a/>"`},
		{"application/vnd.x+y+XML", "<a/>", `"<a/>"`},
		{" application/json ;", "{}", `"{}"`},
		{"application/octet-stream", "text", ""},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "PK", ""},
		{"application/x-jsonish", "{}", ""},
		{"image/png", "text", ""},
		{"json", "{}", ""},
		{"text", "text", `"text"`}, // no subtype
		{";", "text", ""},
		{"", "text", `"text"`},
		{"", "<html>", `"<html>"`},
		{"", "<?xml?>", `"<?xml?>"`},
		{"", `{"a":1}`, `"{\"a\":1}"`},
		{"", png, ""},
		{"", "\x00\x01", ""},
		{"text/plain", "", ""},
		{"", "", ""},
		{"text/plain", "\x1b[2J\a\r\n\x00\u009b\u202e\x9b\xff\x7f\u2028", `"\x1b[2J\a\r\n\x00\u009b\u202e\x9b\xff\x7f\u2028"`},
		{"text/plain", strings.Repeat("x", 200), `"` + strings.Repeat("x", 200) + `"`},
		{"text/plain", strings.Repeat("x", 201), `"` + strings.Repeat("x", 200) + `"`},
		{"text/plain", strings.Repeat("\x00", 201), `"` + strings.Repeat(`\x00`, 200) + `"`},
	} {
		want := "400 Bad Request"
		if test.want != "" {
			want += ": " + test.want
		}
		header := http.Header{"Content-Type": {test.kind}}
		if test.kind == "" {
			header = nil
		}
		err := refusal(header, test.body)
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%q of type %q (-want +got):\n%s", test.body, test.kind, diff)
		}
		if got := string(err.Bytes()); got != test.body {
			t.Errorf("Bytes() = %q, want %q", got, test.body)
		}
	}
}

// Promise 35: a text in UTF-8 is cut between characters.
func TestStatusError_reasonCutAtRune(t *testing.T) {
	text := http.Header{"Content-Type": {"text/plain"}}
	for _, test := range []struct {
		before    int // bytes
		character string
		want      int // bytes
	}{
		{200, "é", 200}, {199, "é", 199}, {198, "é", 200},
		{199, "€", 199}, {198, "€", 198}, {197, "€", 200},
		{199, "😀", 199}, {198, "😀", 198}, {197, "😀", 197}, {196, "😀", 200},
		{199, "\xe9t\xe9", 199},     // may be the beginning of a character
		{198, "\xe9\xe9t\xe9", 200}, // Latin-1
		{199, "\x80\x80", 200},
		{196, "\x80\x80\x80\x80\x80", 200},
	} {
		body := strings.Repeat("x", test.before) + test.character + "more"
		want := "400 Bad Request: " + strconv.Quote(body[:test.want])
		if got := refusal(text, body).Error(); got != want {
			t.Errorf("%d bytes before %q: text %s, want %s", test.before, test.character, got, want)
		}
	}
	if got, want := refusal(text, "only \xe2\x82").Error(), `400 Bad Request: "only \xe2\x82"`; got != want {
		t.Errorf("short text: %s, want %s", got, want)
	}
}

// A body that is still encoded is not text, with any Content-Type.
func TestStatusError_reasonOfEncodedBody(t *testing.T) {
	for coding, want := range map[string]string{
		"br": "400 Bad Request", "Identity": `400 Bad Request: "text"`, "": `400 Bad Request: "text"`,
	} {
		header := http.Header{"Content-Type": {"text/plain"}, "Content-Encoding": {coding}}
		if got := refusal(header, "text").Error(); got != want {
			t.Errorf("Content-Encoding %q: text %s, want %s", coding, got, want)
		}
	}
}

// Promise 35: the excerpt cannot control a terminal or a log.
func TestStatusError_reasonIsPrintable(t *testing.T) {
	header := http.Header{"Content-Type": {"text/plain"}}
	check := func(body string) {
		text := refusal(header, body).Error()
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("text %q of %q, want printable characters only", text, body)
		}
	}
	for b := range 256 {
		check(string([]byte{byte(b)}))
	}
	var all strings.Builder
	for r := range rune(unicode.MaxRune + 1) {
		if all.WriteRune(r); all.Len() > 190 {
			check(all.String())
			all.Reset()
		}
	}
}

// The text of an error is made each time that it is shown. Its cost does not
// grow with the body.
func TestStatusError_reasonOfLargeBody(t *testing.T) {
	for _, header := range []http.Header{nil, {"Content-Type": {"text/plain"}}} {
		shortest := func(length int) (least time.Duration) {
			err := refusal(header, strings.Repeat(" ", length))
			for try := range 5 {
				start := time.Now()
				for range 200 {
					if n := len(err.Error()); n > 300 {
						t.Fatalf("the text has %d bytes", n)
					}
				}
				if took := time.Since(start); try == 0 || took < least {
					least = took
				}
			}
			return least
		}
		if short, long := shortest(8<<10), shortest(8<<20); long > 50*max(short, time.Millisecond) {
			t.Errorf("texts of an error take %v with a body of 8 KiB and %v with one of 8 MiB; want about the same", short, long)
		}
	}
}

// Promise 35: Bytes returns the whole body, even if Response.Body was read.
func TestStatusError_bytes(t *testing.T) {
	var b block
	h := b.responded("/", 404, "why")
	_, err := h.Bytes()
	se := err.(*pending.StatusError)
	io.ReadAll(se.Response.Body)
	if got := se.Bytes(); string(got) != "why" {
		t.Errorf("Bytes() after the body was read = %q, want all of it", got)
	}
	_, again := h.Bytes()
	if one, two := se.Bytes(), again.(*pending.StatusError).Bytes(); &one[0] != &two[0] || cap(one) != len(one) {
		t.Error("Bytes() of two errors are two slices, or can be appended to; want one that cannot")
	}
	own := &pending.StatusError{Response: &http.Response{StatusCode: 404, Body: io.NopCloser(strings.NewReader("why"))}}
	for _, se := range []*pending.StatusError{{}, {Response: &http.Response{StatusCode: 404}}, own} {
		if got := se.Bytes(); got != nil {
			t.Errorf("Bytes() of %v = %q, want nil", se, got)
		}
	}
	if got := own.Error(); got != "404 Not Found" {
		t.Errorf("text of an error that a program made = %s, want no excerpt", got)
	}
}

// Promise 35: a body that a writer received is not kept, and the error has no
// excerpt. The racers of a Race have one.
func TestStatusError_reasonOfRequests(t *testing.T) {
	respond := func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no"+r.URL.Path, http.StatusNotFound) }
	inBlock(t, client.Client{}, respond, func(t *testing.T, p *parallel.Parallel) {
		var written bytes.Buffer
		take := parallel.Take(func(*http.Response) (io.Writer, error) { return &written, nil })
		_, err := p.Get("/taken", take).Bytes()
		if got, want := fmt.Sprint(err), `Get "http://h/taken": 404 Not Found`; got != want || written.String() != "no/taken\n" {
			t.Errorf("error of a body that was written = %s, want %s; the writer got %q", got, want, &written)
		}
		_, err = p.Get("/x", parallel.To(io.Discard)).Bytes()
		if se := new(pending.StatusError); !errors.As(err, &se) || string(se.Bytes()) != "no/x\n" {
			t.Errorf("error with To = %v, want the body: To receives 2xx only", err)
		}
		_, err = pending.Race(p.Get("/1"), pending.Race(p.Get("/2"), p.Get("/3"))).Response()
		const want = `Get "http://h/1": 404 Not Found: "no/1\n"
Get "http://h/2": 404 Not Found: "no/2\n"
Get "http://h/3": 404 Not Found: "no/3\n"`
		if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
			t.Errorf("error of a Race (-want +got):\n%s", diff)
		}
		if _, err := pending.As[int](p.Get("/as")); fmt.Sprint(err) != `Get "http://h/as": 404 Not Found: "no/as\n"` {
			t.Errorf("error of As = %v", err)
		}
	})
}

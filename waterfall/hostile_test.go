package waterfall_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// hostile has texts that come from outside and must do no harm in a picture.
var hostile = []string{
	`</title><script>alert(1)</script>`,
	`"><image href="http://evil.test/"/>`,
	"a\xff\xfeb\x00\x01\x1b[2J\x7f\u0085\u202e",
	"日本語/\U0001f980",
	"&lt;&#0;]]>",
	strings.Repeat("long/", 4000),
	"line\nbreak\rand\ttab",
}

// recordHostile records requests that have these texts wherever they can.
func recordHostile() *waterfall.Recorder {
	rec := new(waterfall.Recorder)
	for _, text := range hostile {
		for _, u := range []*url.URL{
			{Scheme: "http", Host: "h.test", Path: "/" + text},
			{Scheme: "http", Host: "h.test", RawQuery: text},
			{Scheme: "http", Host: text},
			{Opaque: text},
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL, r.Method = u, "GET"+text[:1]
			r.Header.Set("X-Text", text)
			_, end := rec.Observe(r)
			end(pending.Outcome{Sent: time.Now(), Done: time.Now(), Err: errors.New(text)})
			_, end = rec.Observe(r)
			end(pending.Outcome{Sent: time.Now(), Done: time.Now(), Response: &http.Response{
				StatusCode: 200, Status: text, Proto: text, Header: http.Header{"X-Text": {text}, "Location": {text}, "Content-Type": {text}},
			}})
		}
	}
	return rec
}

// elements parses the SVG of rec and counts its elements by name.
func elements(t *testing.T, rec *waterfall.Recorder) map[string]int {
	t.Helper()
	var b bytes.Buffer
	if err := rec.SVG(&b); err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	dec := xml.NewDecoder(&b)
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return count
		}
		if err != nil {
			t.Fatalf("the SVG is not XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
		}
	}
}

func TestHostileText_staysText(t *testing.T) {
	rec := recordHostile()
	rows := 8 * len(hostile)
	count := elements(t, rec)
	if count["g"] != rows {
		t.Errorf("the SVG has %d rows, want %d", count["g"], rows)
	}
	for name := range count {
		if !strings.Contains(" svg title desc style rect line text g path ", " "+name+" ") {
			t.Errorf("the SVG has an element <%s>", name)
		}
	}

	var text bytes.Buffer
	rec.Text(&text, 100)
	if n := strings.Count(text.String(), "\n"); n != rows+3 {
		t.Errorf("the text has %d lines, want %d rows, title, axis and legend", n, rows)
	}
	for _, c := range text.String() {
		if c != '\n' && c != 'µ' && (c < ' ' || c > '~') {
			t.Errorf("the text has the character %q", c)
		}
	}
	parseHAR(t, rec)
}

// A part of a password was kept where a long text was cut.
func TestCutText_hasNoPassword(t *testing.T) {
	var rec waterfall.Recorder
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for n := 8100; n < 8200; n++ {
		r.Header.Add("X-Link", strings.Repeat("x", n)+" http://user:"+strings.Repeat("secret", 20)+"@h.test/")
		rec.Observe(r)
		r.Header.Del("X-Link")
	}
	var b bytes.Buffer
	if rec.HAR(&b); strings.Contains(b.String(), "secret") {
		t.Error("a part of a password is kept")
	}
}

// An error whose Error method panics must not break other requests.
func TestError_panics(t *testing.T) {
	var rec waterfall.Recorder
	_, end := rec.Observe(httptest.NewRequest(http.MethodGet, "/", nil))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the end of the request did not panic: is Error still called?")
			}
		}()
		end(pending.Outcome{Done: time.Now(), Err: panicking{}})
	}()
	var text bytes.Buffer
	if rec.Text(&text, 80); !strings.Contains(text.String(), "in flight") {
		t.Errorf("the text is\n%s", &text)
	}
}

type panicking struct{}

func (panicking) Error() string { panic("no text") }

// Texts that others determine are kept up to a limit.
func TestMemory_boundedPerRequest(t *testing.T) {
	var rec waterfall.Recorder
	header := make(http.Header)
	for n := range 1000 {
		header.Set(fmt.Sprint("X-", n), strings.Repeat("x", 1000))
	}
	header.Set("A", strings.Repeat("x", 1<<20))
	r := httptest.NewRequest(http.MethodGet, "/?"+strings.Repeat("x", 1<<20), nil)
	_, end := rec.Observe(r)
	end(pending.Outcome{Done: time.Now(), Response: &http.Response{StatusCode: 200, Header: header}})
	var b bytes.Buffer
	rec.HAR(&b)
	if b.Len() > 100<<10 {
		t.Errorf("%d bytes are kept of one request", b.Len())
	}
	if n := len(*parseHAR(t, &rec)[0].Response.Headers); n < 20 {
		t.Errorf("%d lines of the header are kept", n)
	}
}

// Redirects cannot add phases without end.
func TestPhases_boundedPerRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec waterfall.Recorder
		ctx, _ := rec.Observe(httptest.NewRequest(http.MethodGet, "/", nil))
		trace := httptrace.ContextClientTrace(ctx)
		for range 1000 {
			for _, tell := range []func(){
				func() { trace.GetConn("h.test:80") },
				func() { trace.GotConn(httptrace.GotConnInfo{}) },
				trace.GotFirstResponseByte,
			} {
				tell()
				<-time.After(ms)
			}
		}
		if count := elements(t, &rec); count["rect"] > 250 {
			t.Errorf("one request has %d phases", count["rect"])
		}
	})
}

// The picture of a thousand requests is no larger than it must be.
func TestPicture_thousandRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec waterfall.Recorder
		for n := range 1000 {
			_, end := rec.Observe(httptest.NewRequest(http.MethodGet, fmt.Sprintf("http://h.test/%d/%s", n, strings.Repeat("long/", n%40)), nil))
			<-time.After(time.Second)
			end(pending.Outcome{Sent: time.Now(), Done: time.Now(), Response: &http.Response{StatusCode: 200}})
		}
		if count := elements(t, &rec); count["g"] != 1000 || count["line"] > 12 {
			t.Errorf("the SVG has %d rows and %d lines on its axis", count["g"], count["line"])
		}
		var svg, text bytes.Buffer
		rec.SVG(&svg)
		if svg.Len() > 1<<20 {
			t.Errorf("the SVG has %d bytes", svg.Len())
		}
		rec.Text(&text, 100)
		for line := range strings.Lines(text.String()) {
			if n := utf8.RuneCountInString(line); n > 100+1 {
				t.Fatalf("%d columns: %s", n, line)
			}
		}
		if !strings.Contains(text.String(), "5m ") || !strings.Contains(text.String(), "GET /999/long/l...long/long/long/ |") {
			t.Errorf("the text is\n%.300s...%s", &text, text.String()[text.Len()-300:])
		}
	})
}

// The axis has a few round times for any span.
func TestAxis(t *testing.T) {
	for span, want := range map[time.Duration]string{
		0:                      "0s 1ns",
		7 * time.Nanosecond:    "0s 2ns 4ns 6ns",
		1500 * ms:              "0s 500ms 1s 1.5s",
		45 * time.Second:       "0s 10s 20s 30s 40s",
		2 * time.Minute:        "0s 30s 1m 1m30s 2m",
		100 * time.Minute:      "0s 30m 1h 1h30m",
		30 * 24 * time.Hour:    "0s 240h 480h 720h",
		10 * 365 * 24 * 3600e9: "0s 24000h 48000h 72000h",
	} {
		synctest.Test(t, func(t *testing.T) {
			var rec waterfall.Recorder
			_, end := rec.Observe(httptest.NewRequest(http.MethodGet, "/", nil))
			end(pending.Outcome{Done: time.Now().Add(span), Err: io.EOF})
			var text bytes.Buffer
			rec.Text(&text, 80)
			axis := strings.Split(text.String(), "\n")[1]
			if got := strings.Join(strings.Fields(axis), " "); got != want {
				t.Errorf("the axis of %v is %s, want %s", span, got, want)
			}
		})
	}
}

// A terminal that a HAR or an SVG is printed to would obey C1 controls, and a
// reader would be misled by characters that change the writing direction.
func TestOutputs_printable(t *testing.T) {
	rec := recordHostile()
	for name, write := range map[string]func(io.Writer) error{
		"HAR":  rec.HAR,
		"SVG":  rec.SVG,
		"Text": func(w io.Writer) error { return rec.Text(w, 100) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if r != '\n' && !strconv.IsPrint(r) {
				t.Errorf("%s has the character %U", name, r)
				break
			}
		}
	}
	parseHAR(t, rec)
}

// A valid URL is shown as it is, so that it can be found again. A header is
// different: nothing in it is known to be a URL.
func TestAddress_staysVisible(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h.test/users/me@example.org":               "http://h.test/users/me@example.org",
		"http://ada:secret@h.test/a:b":                     "http://h.test/a:b",
		"http://ada:8/secret@h.test/":                      "http://***@h.test/",
		"http://h.test/?to=http%3A%2F%2Fa%3Asecret%40h":    "http://h.test/?to=http%3A***%40h",
		"http://ada:secret@h.test/?mail=me%40example.test": "http://h.test/?mail=me%40example.test",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		var rec waterfall.Recorder
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		rec.Observe(r)
		if got := *parseHAR(t, &rec)[0].Request.URL; got != want {
			t.Errorf("the URL of %q is %q, want %q", raw, got, want)
		}
	}
}

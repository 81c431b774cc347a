package lines_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
)

// sent sends the request of a line to a server, and returns what came there.
func sent(t *testing.T, text string, d *lines.Default) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q x=%q %s", r.Method, r.URL, r.Header.Get("Content-Type"), body, r.Header["X"], r.Header.Get("Y"))
		if r.Host == "other" {
			io.WriteString(w, " other")
		}
	}))
	defer server.Close()
	r := lines.Parse(1, strings.ReplaceAll(text, "HOST", strings.TrimPrefix(server.URL, "http://")), 1000)
	var got []byte
	err := client.Parallel(t.Context(), func(p *parallel.Parallel) (err error) {
		got, err = p.Get(r.Address(), r.Option(d)).Bytes()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(got)
}

func TestRequest_sent(t *testing.T) {
	form := &lines.Default{HasBody: true, Body: "a=b", ContentType: "application/x-www-form-urlencoded"}
	for _, tt := range []struct {
		text    string
		d       *lines.Default
		want    string
		because string
	}{
		{text: "http://HOST/a", want: `GET /a  "" x=[] `},
		{text: "HOST/a?b=c", want: `GET /a?b=c  "" x=[] `},
		{text: "//HOST/a", want: `GET /a  "" x=[] `},
		{text: "HTTP://HOST/a", want: `GET /a  "" x=[] `},
		{text: "HOST/?u=http://h/", want: `GET /?u=http://h/  "" x=[] `},
		{text: "HOST", d: form, want: `POST / application/x-www-form-urlencoded "a=b" x=[] `},
		{text: "HOST", d: &lines.Default{Method: "PURGE"}, want: `PURGE /  "" x=[] `},
		{text: `{"url":"HOST/a"}`, want: `GET /a  "" x=[] `},
		{text: `{"url":"HOST","method":"PUT"}`, d: form, want: `PUT / application/x-www-form-urlencoded "a=b" x=[] `},
		{text: `{"url":"HOST","body":"a text"}`, d: form, want: `POST /  "a text" x=[] `},
		{text: `{"url":"HOST","body":{"a": [1, 2.50]}}`, want: `POST / application/json "{\"a\": [1, 2.50]}" x=[] `},
		{text: `{"url":"HOST","body":false}`, want: `POST / application/json "false" x=[] `},
		{text: `{"url":"HOST","body":null,"method":null}`, want: `GET /  "" x=[] `},
		{text: `{"url":"HOST","body":{},"headers":{"content-type":"application/x"}}`, want: `POST / application/x "{}" x=[] `},
		{text: `{"url":"HOST","form":{"a":["1","2"],"b":3}}`, want: `POST / application/x-www-form-urlencoded "a=1&a=2&b=3" x=[] `},
		{text: `{"url":"HOST","headers":{"x":["1","2"],"Y":"3","Host":"other"}}`, want: `GET /  "" x=["1" "2"] 3 other`},
	} {
		if tt.d == nil {
			tt.d = new(lines.Default)
		}
		if got := sent(t, tt.text, tt.d); got != tt.want {
			t.Errorf("%s: the server got\n%s; want\n%s", tt.text, got, tt.want)
		}
	}
}

func TestParse_fields(t *testing.T) {
	r := lines.Parse(7, `{"custom": {"b": 1, "a": [1e2]}, "url": "http://h/", "id": 12345678901234567890, "file": "a/b", "cost": 1.5, "timeout": "2m", "é\u009b": null}`, 1000)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if got, want := string(r.Input), "{\"custom\":{\"b\": 1, \"a\": [1e2]},\"é\u009b\":null}"; got != want || !json.Valid(r.Input) {
		t.Errorf("Input = %s; want %s", got, want)
	}
	if string(r.ID) != "12345678901234567890" || r.File != "a/b" || r.Cost != 2 || r.Line != 7 || r.URL != "http://h/" {
		t.Errorf("Parse() = %+v", r)
	}
	var to parallel.Request
	to.Request = &http.Request{Header: make(http.Header)}
	if err := r.Option(new(lines.Default))(&to); err != nil || to.Timeout != 2*time.Minute {
		t.Errorf("Option() = %v; Timeout %v, want 2m", err, to.Timeout)
	}
	if plain := lines.Parse(1, "h", 100); plain.Cost != 1 || plain.Input != nil || plain.ID != nil {
		t.Errorf("Parse(h) = %+v", plain)
	}
}

func TestParse_notRequest(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"ftp://h/", "begin with http"},
		{"h:x/", `invalid port ":x" after host`},
		{"http://u:secret/@h/", "details omitted"},
		{"http://", "no host"},
		{"h\tand more", "a tab"},
		{"mailto:me@h", "begin with http"},
		{"JavaScript:void(0)", "begin with http"},
		{`"http://h/"`, "in quotes"},
		{"'h'", "in quotes"},
		{"./slow.txt", "invalid host"},
		{"../a", "invalid host"},
		{"out=foo", "invalid host"},
		{"<a", "invalid"},
		{"http://h,http://g", "invalid"},
		{"http://h/ http://g/", "two URLs"},
		{"h/\thttp://g/", "two URLs"},
		{`{"url":"http://h/ http://g/"}`, "two URLs"},
		{"http://" + strings.Repeat("x", 994), "more than 1000 bytes"},
		{`{"url":"h"`, "has no end"},
		{`{"url":"h"} {}`, "after the JSON object"},
		{`{"url" "h"}`, "invalid JSON"},
		{`{}`, `"url" is missing`},
		{`{"url":7}`, `"url" is missing`},
		{`{"url":"ftp://h"}`, "begin with http"},
		{`{"url":"h","url":"g"}`, "twice"},
		{`{"url":"h","method":"GET it"}`, "method"},
		{`{"url":"h","headers":["a"]}`, "object is needed"},
		{`{"url":"h","headers":{"a":{}}}`, "not a text"},
		{`{"url":"h","headers":{"a b":"c"}}`, "invalid header name"},
		{`{"url":"h","headers":{"a":"secret\n"}}`, "invalid value for header a"},
		{`{"url":"h","form":"a=b"}`, "object is needed"},
		{`{"url":"h","form":{},"body":""}`, "body or form"},
		{`{"url":"h","timeout":-1}`, "more than 0"},
		{`{"url":"h","timeout":"soon"}`, "a time is needed"},
		{`{"url":"h","timeout":1e300}`, "seconds"},
		{`{"url":"h","file":"../x"}`, "relative path inside"},
		{`{"url":"h","file":"/x"}`, "relative path inside"},
		{`{"url":"h","file":7}`, "relative path inside"},
		{`{"url":"h","cost":-1}`, "from 0 to 1e9"},
		{`{"url":"h","cost":"much"}`, "from 0 to 1e9"},
	} {
		r := lines.Parse(3, tt.text, 1000)
		switch {
		case tt.want == "" && r.Err == nil:
		case r.Err == nil || !strings.HasPrefix(r.Err.Error(), "line 3 is not a request: ") || !strings.Contains(r.Err.Error(), tt.want):
			t.Errorf("Parse(%q).Err = %v; want %q", tt.text, r.Err, tt.want)
		case strings.Contains(r.Err.Error(), "secret"):
			t.Errorf("Parse(%q).Err = %v, with a password", tt.text, r.Err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"url":"h","a":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := lines.Parse(1, text, 1000)
		if r.Err != nil {
			return
		}
		if r.Input != nil && !json.Valid(r.Input) {
			t.Errorf("Parse(%q).Input = %q", text, r.Input)
		}
		if !strings.HasPrefix(strings.ToLower(r.Address()), "http") {
			t.Errorf("Parse(%q).Address() = %q", text, r.Address())
		}
	})
}

func TestResult_body(t *testing.T) {
	for _, tt := range []struct {
		contentType, body string
		want              lines.Result
	}{
		{"application/json; charset=utf-8", "{\n \"a\": 1.0 }", lines.Result{JSON: []byte("{\n \"a\": 1.0 }")}},
		{"application/problem+json", "null", lines.Result{JSON: []byte("null")}},
		{"application/json", "{", lines.Result{Text: "{"}},
		{"", "[1]", lines.Result{JSON: []byte("[1]")}},
		{"", "12", lines.Result{Text: "12"}},
		{"text/plain", "[1]", lines.Result{Text: "[1]"}},
		{"text/html", "<é>\x1b", lines.Result{Text: "<é>\x1b"}},
		{"text/plain", "\xff", lines.Result{Base64: []byte("\xff")}},
		{"application/json", "\"\xff\"", lines.Result{Base64: []byte("\"\xff\"")}},
		{"image/png", "a\x00", lines.Result{Base64: []byte("a\x00")}},
		{"", "", lines.Result{}},
	} {
		var got lines.Result
		got.SetBody(http.Header{"Content-Type": {tt.contentType}}, []byte(tt.body))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", tt.contentType, tt.body, diff)
		}
		var b strings.Builder
		if err := lines.NewWriter(&b).Write(got); err != nil || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%s %q: it is written as %q, %v", tt.contentType, tt.body, b.String(), err)
		}
	}
}

// What looks like a mistake and is a URL that people use.
func TestParse_unusualHosts(t *testing.T) {
	for _, text := range []string{
		"tel:80", "data:8080/x", "news", "my_host", "http://h/a b", "http://[::1]:80/", "bücher.example", "example.com.", "me:hunter2@h/", "h/?u='http://g/'", "1.2.3.4",
	} {
		if r := lines.Parse(1, text, 1000); r.Err != nil {
			t.Errorf("Parse(%q).Err = %v", text, r.Err)
		}
	}
}

func TestParse_unknownFields(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"header", "headers"}, {"headres", "headers"}, {"Headers", "headers"}, {"heeaders", "headers"}, {"methd", "method"}, {"time_out", "timeout"},
		{"data", "body"}, {"JSON", "body"}, {"URL", "url"},
		{"host", ""}, {"from", ""}, {"files", ""}, {"note", ""}, {"head", ""}, {"", ""},
	} {
		want := []string(nil)
		if tt.want != "" {
			want = []string{fmt.Sprintf("%q (%s?)", tt.name, tt.want)}
		}
		r := lines.Parse(1, fmt.Sprintf(`{"url":"h",%q:1}`, tt.name), 1000)
		if diff := cmp.Diff(want, r.Unknown); diff != "" || r.Err != nil {
			t.Errorf("%q: %v, (-want +got):\n%s", tt.name, r.Err, diff)
		}
	}
}

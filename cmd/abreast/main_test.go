package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A came has those fields of a record that are the same in each run.
type came struct {
	url    string
	status int
	bytes  int64
	kind   lines.Kind
	sent   bool
}

func TestOutput_oneLineEach(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	closed, err := closedAddress()
	if err != nil {
		t.Fatal(err)
	}
	input := []string{
		"\ufeff" + up + "/good",
		"",
		"# a comment",
		"  " + up + "/404\t",
		up + "/500\r",
		" \t ",
		up + "/moved",
		up + "/cut",
		up + "/reset",
		up + "/big",
		`{"url":"` + up + `/silent","timeout":"2s"}`,
		"http://" + closed + "/",
		up + "/good",
		up + "/empty",
		"ftp://127.0.0.1/",
		"no URL",
		"http://",
		"http://[::1",
		"http://127.0.0.1:port/",
		"http://127.0.0.1/\x01",
		"127.0.0.1:port/",
		"#" + strings.Repeat("x", 2<<20),
		up + "/loop",
		up + "/last", // without an end of line
	}
	want := map[int]came{
		1:  {up + "/good", 200, 4, "", true},
		4:  {up + "/404", 404, 19, lines.Status, true},
		5:  {up + "/500", 500, 0, lines.Status, true},
		7:  {up + "/moved", 200, 4, "", true},
		8:  {up + "/cut", 200, 6, lines.CutOff, true},
		9:  {up + "/reset", 200, 10, lines.Reset, true},
		10: {up + "/big", 200, 1000, lines.TooLarge, true},
		11: {up + "/silent", 0, 0, lines.Timeout, true},
		12: {"http://" + closed + "/", 0, 0, lines.Refused, false},
		13: {up + "/good", 200, 4, "", true},
		14: {up + "/empty", 200, 0, "", true},
		15: {"ftp://127.0.0.1/", 0, 0, lines.BadLine, false},
		16: {"no URL", 0, 0, lines.BadLine, false},
		17: {"http://", 0, 0, lines.BadLine, false},
		18: {"http://[::1", 0, 0, lines.BadLine, false},
		19: {"http://127.0.0.1:port/", 0, 0, lines.BadLine, false},
		20: {"http://127.0.0.1/\x01", 0, 0, lines.BadLine, false},
		21: {"127.0.0.1:port/", 0, 0, lines.BadLine, false},
		23: {up + "/loop", 302, 0, lines.Other, true},
		24: {up + "/last", 200, 4, "", true},
	}
	list := strings.Join(input, "\n")
	name := filepath.Join(t.TempDir(), "urls.txt")
	if err := os.WriteFile(name, []byte(list), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		stdin io.Reader
		args  []string
	}{
		{"file", nil, []string{name}},
		{"standard input", strings.NewReader(list), nil},
		{"standard input, named; in order", strings.NewReader(list), []string{"-ordered", "-"}},
		{"one at a time, into a folder", nil, []string{"-limit", "1", "-dir", t.TempDir(), name}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := abreast(t, tt.stdin, append([]string{"-max-body", "1000", "-retries", "0"}, tt.args...)...)
			if got.status != exitFailed {
				t.Errorf("exit status %d, want %d; it says:\n%s", got.status, exitFailed, got.stderr)
			}
			records := byLine(t, got.records)
			if len(records) != len(want) {
				t.Errorf("%d lines, want %d", len(records), len(want))
			}
			for n, want := range want {
				r := records[n]
				if r.Kind == lines.Reset {
					want.bytes = min(want.bytes, r.Bytes)
				}
				if got := (came{r.URL, r.Status, r.Bytes, r.Kind, r.Sent}); got != want {
					t.Errorf("line %d: got %+v, want %+v (error %q)", n, got, want, r.Error)
				}
				if (r.Error == "") != (r.Kind == "") {
					t.Errorf("line %d: kind %q with error %q", n, r.Kind, r.Error)
				}
				if begun := r.Kind != lines.BadLine; begun != !r.Started.IsZero() {
					t.Errorf("line %d: started %v with kind %q", n, r.Started, r.Kind)
				}
			}
			if want := "20: 5 good, 15 failed"; !strings.Contains(got.stderr, want) {
				t.Errorf("the summary lacks %q:\n%s", want, got.stderr)
			}
			if want := "7 × bad line, 1 × 404 Not Found"; !strings.Contains(got.stderr, want) {
				t.Errorf("the summary lacks %q:\n%s", want, got.stderr)
			}
		})
	}
}

func TestOutput_untrustedServer(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(faults))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	got := abreast(t, strings.NewReader(s.URL), "-retries", "1")
	if len(got.records) != 1 || got.records[0].Kind != lines.TLS || got.records[0].Sent || got.records[0].Attempts != 1 {
		t.Errorf("got %+v, want one line of kind %q that was not sent, after one attempt", got.records, lines.TLS)
	}
	if want := "-k accepts any"; len(got.records) == 1 && !strings.Contains(got.records[0].Error, want) {
		t.Errorf("the error %q lacks %q", got.records[0].Error, want)
	}
	plain := serve(t, faults)
	got = abreast(t, nil, strings.Replace(plain, "http:", "https:", 1))
	if len(got.records) != 1 || got.records[0].Kind != lines.TLS || got.records[0].Attempts != 1 {
		t.Errorf("a server without TLS: got %+v; want kind %q after one attempt", got.records, lines.TLS)
	}
}

// Another attempt does not make a host known.
func TestRetry_lasting(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("wrapped: %w", &net.DNSError{IsNotFound: true}), true},
		{&net.DNSError{IsTimeout: true}, false},
		{io.ErrUnexpectedEOF, false},
		{nil, false},
	} {
		if got := isLasting(tt.err); got != tt.want {
			t.Errorf("isLasting(%v) = %t; want %t", tt.err, got, tt.want)
		}
	}
}

func TestOutput_allGood(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	out := filepath.Join(t.TempDir(), "lines.jsonl")
	got := abreast(t, strings.NewReader(strings.Repeat(up+"/x?a=1&b=<2>\n", 50)), "-out", out, "-rate", "5000", "-host-limit", "3")
	if got.status != exitGood || got.stdout != "" {
		t.Errorf("exit status %d, %d bytes on standard output; it says:\n%s", got.status, len(got.stdout), got.stderr)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(byLine(t, parse(t, bytes.NewReader(text)))); n != 50 {
		t.Errorf("-out has %d lines, want 50", n)
	}
	if !bytes.Contains(text, []byte("a=1&b=<2>")) {
		t.Errorf("a URL is not written as it was read: %.200s", text)
	}
}

func TestPassword_notShown(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	host := strings.TrimPrefix(up, "http://")
	list := []string{
		"http://me:hunter2@" + host + "/404",
		"http://me:hunter2@127.0.0.1:port/",
		"http://me:hunter2@" + host + "/\x01",
		"me:hunter2@" + host + "/",
		"//me:hunter2@" + host + "/",
		"ftp://me:hunter2@" + host + "/",
		"http://me:hunter2@" + host + "/" + strings.Repeat("x", maxLine),
		"http://me:hunter2" + strings.Repeat("x", 200) + "@" + host + "/" + strings.Repeat("x", maxLine),
		"http://me:hunter2@" + host + "/kept",
	}
	dir := t.TempDir()
	got := abreast(t, strings.NewReader(strings.Join(list, "\n")), "-dir", dir)
	if len(byLine(t, got.records)) != len(list) {
		t.Errorf("%d lines, want %d", len(got.records), len(list))
	}
	if text := got.stdout + got.stderr; strings.Contains(text, "hunter2") {
		t.Errorf("there is a password in:\n%.2000s", text)
	}
	for _, name := range filesIn(t, dir) {
		if strings.Contains(name, "hunter2") {
			t.Errorf("there is a password in the name %q", name)
		}
	}
}

// The first URL is answered after the others, so its line comes last.
func TestOrder_ofCompletion(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			<-release
		}
	})
	p := startProgram(t, "-")
	for n := range 3 {
		p.give(t, fmt.Sprintf("%s/%d", up, n+1))
	}
	p.stdin.Close()
	seen := map[int]bool{p.record(t).Line: true, p.record(t).Line: true}
	if !seen[2] || !seen[3] {
		t.Errorf("lines %v came first, want 2 and 3", seen)
	}
	close(release)
	if rest := p.end(t); len(rest) != 1 || rest[0].Line != 1 {
		t.Errorf("after them came %v, want line 1", rest)
	}
}

func TestOrder_ofInput(t *testing.T) {
	t.Parallel()
	const n = 200
	release := make(chan struct{})
	var others atomic.Int64
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			<-release
		} else if others.Add(1) == 15 { // as far as a window of 20 lets the 10 go
			close(release)
		}
	})
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "%s/%d\n", up, i+1)
	}
	got := abreast(t, strings.NewReader(list.String()), "-ordered", "-limit", "10")
	if len(got.records) != n {
		t.Fatalf("%d lines, want %d", len(got.records), n)
	}
	for i, r := range got.records {
		if r.Line != i+1 {
			t.Fatalf("line %d comes at place %d", r.Line, i+1)
		}
	}
}

// A result is written at once, even if standard input is silent. The loop over
// Each would wait for the next URL.
func TestInput_silentHoldsNothingBack(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	for _, args := range [][]string{{}, {"-ordered"}} {
		p := startProgram(t, args...)
		for n := range 3 {
			p.give(t, up)
			if r := p.record(t); r.Line != n+1 {
				t.Errorf("%q: got line %d, want %d", args, r.Line, n+1)
			}
		}
		p.stdin.Close()
		if rest := p.end(t); len(rest) != 0 || p.ProcessState.ExitCode() != exitGood {
			t.Errorf("%q: exit status %d, after %v", args, p.ProcessState.ExitCode(), rest)
		}
	}
}

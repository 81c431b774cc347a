package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/abreast-go/abreast/internal/kind"
)

// The test binary is the program too, if asProgram is in its environment. A
// program that the tests built for themselves would not be known to the test
// cache, which would go on saying ok, and not be built with -race.
const asProgram = "FETCH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is a command that runs the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// A ran is the result of running the program.
type ran struct {
	status         int
	stdout, stderr string
	records        []record
}

// fetchURLs runs the program with a standard input; a nil one is the null
// device.
func fetchURLs(t *testing.T, stdin io.Reader, args ...string) ran {
	t.Helper()
	cmd := program(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := ran{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if !strings.HasPrefix(got.stdout, "Usage") {
		got.records = parse(t, &stdout)
	}
	return got
}

// parse reads lines of JSON.
func parse(t *testing.T, r io.Reader) (records []record) {
	t.Helper()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for dec.More() {
		var rec record
		if err := dec.Decode(&rec); err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
	return records
}

// byLine checks that lines have one record each, and returns them by their
// number.
func byLine(t *testing.T, records []record) map[int]record {
	t.Helper()
	m := make(map[int]record)
	for _, r := range records {
		if _, twice := m[r.Line]; twice {
			t.Errorf("line %d has two lines of output", r.Line)
		}
		m[r.Line] = r
	}
	return m
}

// A running is the program while it runs, with its standard input open.
type running struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func startProgram(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{Cmd: program(t, args...)}
	var err error
	if r.stdin, err = r.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout = bufio.NewReader(out)
	r.Stderr = &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill() })
	return r
}

// give writes a line to the program.
func (r *running) give(t *testing.T, url string) {
	t.Helper()
	if _, err := io.WriteString(r.stdin, url+"\n"); err != nil {
		t.Fatal(err)
	}
}

// record waits for the program's next line.
func (r *running) record(t *testing.T) (rec record) {
	t.Helper()
	s, err := r.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("reading the program's output: %v\n%s", err, &r.stderr)
	}
	if err := json.Unmarshal([]byte(s), &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// end waits for the program's end, and returns the lines that were left.
func (r *running) end(t *testing.T) (records []record) {
	t.Helper()
	records = parse(t, r.stdout)
	r.Wait()
	return records
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL
}

// faults is an upstream with one fault for each path.
func faults(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/404":
		http.NotFound(w, r)
	case "/500":
		w.WriteHeader(500)
	case "/moved":
		http.Redirect(w, r, "/good", http.StatusFound)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/empty":
	case "/big":
		w.Write(make([]byte, 1<<20))
	case "/cut":
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "a part")
	case "/reset":
		planted{status: 200, bytes: 10, kind: kind.Reset}.item().Serve(w, r)
	case "/silent":
		<-r.Context().Done()
	default:
		io.WriteString(w, "good")
	}
}

// A came has those fields of a record that are the same in each run.
type came struct {
	url    string
	status int
	bytes  int64
	kind   kind.Kind
	sent   bool
}

func TestOutput_oneLineEach(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	closed, err := closedAddress()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2<<20)
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
		up + "/silent",
		"http://" + closed + "/",
		up + "/good",
		up + "/empty",
		"ftp://127.0.0.1/",
		"no URL",
		"http://",
		"http://[::1",
		"http://127.0.0.1:port/",
		"http://127.0.0.1/\x01",
		"http://127.0.0.1/" + long,
		"#" + long,
		up + "/loop",
		up + "/last", // without an end of line
	}
	want := map[int]came{
		1:  {up + "/good", 200, 4, "", true},
		4:  {up + "/404", 404, 19, badStatus, true},
		5:  {up + "/500", 500, 0, badStatus, true},
		7:  {up + "/moved", 200, 4, "", true},
		8:  {up + "/cut", 200, 6, kind.CutOff, true},
		9:  {up + "/reset", 200, 10, kind.Reset, true},
		10: {up + "/big", 200, 1000, kind.TooLarge, true},
		11: {up + "/silent", 0, 0, kind.Timeout, true},
		12: {"http://" + closed + "/", 0, 0, kind.Refused, false},
		13: {up + "/good", 200, 4, "", true},
		14: {up + "/empty", 200, 0, "", true},
		15: {"ftp://127.0.0.1/", 0, 0, badURL, false},
		16: {"no URL", 0, 0, badURL, false},
		17: {"http://", 0, 0, badURL, false},
		18: {"http://[::1", 0, 0, badURL, false},
		19: {"http://127.0.0.1:port/", 0, 0, badURL, false},
		20: {"http://127.0.0.1/\x01", 0, 0, badURL, false},
		21: {"http://127.0.0.1/" + strings.Repeat("x", 4000-len("http://127.0.0.1/")) + "...", 0, 0, badURL, false},
		23: {up + "/loop", 302, 0, kind.Other, true},
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
			got := fetchURLs(t, tt.stdin, append([]string{"-timeout", "2s", "-max-body", "1000"}, tt.args...)...)
			if got.status != exitFailed {
				t.Errorf("exit status %d, want %d; it says:\n%s", got.status, exitFailed, got.stderr)
			}
			records := byLine(t, got.records)
			if len(records) != len(want) {
				t.Errorf("%d lines, want %d", len(records), len(want))
			}
			for n, want := range want {
				r := records[n]
				if r.Kind == kind.Reset {
					want.bytes = min(want.bytes, r.Bytes)
				}
				if got := (came{r.URL, r.Status, r.Bytes, r.Kind, r.Sent}); got != want {
					t.Errorf("line %d: got %+v, want %+v (error %q)", n, got, want, r.Error)
				}
				if (r.Error == "") != (r.Kind == "") {
					t.Errorf("line %d: kind %q with error %q", n, r.Kind, r.Error)
				}
				if begun := r.Kind != badURL; begun != !r.Started.IsZero() {
					t.Errorf("line %d: started %v with kind %q", n, r.Started, r.Kind)
				}
			}
			if want := "20: 5 good, 15 failed"; !strings.Contains(got.stderr, want) {
				t.Errorf("the summary lacks %q:\n%s", want, got.stderr)
			}
			if want := "7 × bad URL, 1 × 404 Not Found"; !strings.Contains(got.stderr, want) {
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
	got := fetchURLs(t, strings.NewReader(s.URL))
	if len(got.records) != 1 || got.records[0].Kind != kind.TLS || got.records[0].Sent {
		t.Errorf("got %+v, want one line of kind %q that was not sent", got.records, kind.TLS)
	}
}

func TestOutput_allGood(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	out := filepath.Join(t.TempDir(), "lines.jsonl")
	got := fetchURLs(t, strings.NewReader(strings.Repeat(up+"/x?a=1&b=<2>\n", 50)), "-out", out, "-rate", "5000", "-host-limit", "3")
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
	got := fetchURLs(t, strings.NewReader(strings.Join(list, "\n")), "-dir", dir)
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
	got := fetchURLs(t, strings.NewReader(list.String()), "-ordered", "-limit", "10")
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

func TestFlags_limitAndHeaders(t *testing.T) {
	t.Parallel()
	var inFlight, most, wrong atomic.Int64
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := inFlight.Add(1)
		defer inFlight.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.Header.Get("X-One") != "1" || len(r.Header.Values("X-Two")) != 2 || r.Host != "example.com" {
			wrong.Add(1)
		}
		<-time.After(5 * time.Millisecond)
	})
	got := fetchURLs(t, strings.NewReader(strings.Repeat(up+"\n", 300)), "-limit", "7",
		"-H", "X-One: 1", "-H", "x-two:a", "-H", "x-two: b:c", "-H", "Host: example.com")
	if got.status != exitGood || most.Load() > 7 || wrong.Load() > 0 {
		t.Errorf("exit status %d; %d in flight at once, want 7 at most; %d without their headers", got.status, most.Load(), wrong.Load())
	}
}

func TestFlags_bad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "urls.txt")
	const text = "http://127.0.0.1:1/\n"
	if err := os.WriteFile(list, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"-limit 0", []string{"-limit", "0"}},
		{"-limit -1", []string{"-limit", "-1"}},
		{"-host-limit -1", []string{"-host-limit", "-1"}},
		{"-rate -1", []string{"-rate", "-1"}},
		{"-rate NaN", []string{"-rate", "NaN"}},
		{"-rate +Inf", []string{"-rate", "Inf"}},
		{"-timeout -1s", []string{"-timeout", "-1s"}},
		{"-max-body -1", []string{"-max-body", "-1"}},
		{"-timeout", []string{"-timeout", "5"}},
		{"no colon", []string{"-H", "X-One"}},
		{`"X One"`, []string{"-H", "X One: 1"}},
		{`""`, []string{"-H", ": 1"}},
		{"CR, LF", []string{"-H", "X-One: 1\r\nX-Two: 2"}},
		{"FILE is a URL", []string{"http://me:hunter2@127.0.0.1/"}},
		{"-what", []string{"-what"}},
		{"one FILE", []string{list, list}},
		{"flags before it", []string{list, "-limit", "3"}},
		{"missing.txt", []string{filepath.Join(dir, "missing.txt")}},
		{"is a folder", []string{dir}},
		{"urls.txt", []string{"-dir", list, list}},
		{"no/such", []string{"-out", filepath.Join(dir, "no", "such"), list}},
		{"read from", []string{"-out", list, list}},
		{"-har " + list + " is the file that the URLs are read from", []string{"-har", list, list}},
		{"lines are written to", []string{"-out", "both", "-har", "both", list}},
		{"-har needs a file", []string{"-har", "-", list}},
		{"no/such", []string{"-har", filepath.Join(dir, "no", "such"), list}},
		{"-timeout of its own", []string{"-timeout", "5s"}}, // the demo
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := fetchURLs(t, nil, tt.args...)
			if got.status != exitUsage || got.stdout != "" || !strings.Contains(filepath.ToSlash(got.stderr), filepath.ToSlash(tt.says)) {
				t.Errorf("exit status %d, want %d, and a message with %q; it says:\n%s%s",
					got.status, exitUsage, tt.says, got.stdout, got.stderr)
			}
		})
	}
	if got, _ := os.ReadFile(list); string(got) != text {
		t.Errorf("the input is now %q", got)
	}
}

func TestFlags_help(t *testing.T) {
	t.Parallel()
	got := fetchURLs(t, nil, "-h")
	_, flags, _ := strings.Cut(got.stdout, "Flags:\n")
	if got.status != exitGood || !strings.Contains(flags, "-host-limit N") {
		t.Errorf("exit status %d; it says:\n%s%s", got.status, got.stdout, got.stderr)
	}
}

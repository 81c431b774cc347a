package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

func TestInput_empty(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stdin io.Reader
		args  []string
	}{
		{nil, nil}, // the null device
		{strings.NewReader(""), nil},
		{strings.NewReader("# nothing\n\n"), []string{"-"}},
		{nil, []string{file(t, "empty", "")}},
	} {
		if got := abreast(t, tt.stdin, tt.args...); got.status != exitGood || got.stdout != "" || !strings.Contains(got.stderr, "the list is empty") {
			t.Errorf("%q: exit status %d, output %q; it says:\n%s", tt.args, got.status, got.stdout, got.stderr)
		}
	}
}

// Arguments are URLs, files and standard input. Lines are numbered through all.
func TestInput_arguments(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	list := file(t, "urls.txt", up+"/2\n#\n"+up+"/4")
	got := abreast(t, strings.NewReader("\n"+up+"/6"), "-ordered", up+"/1", list, "-", "-quiet", up+"/7", "--", up+"/8")
	var urls []string
	for _, r := range got.records {
		urls = append(urls, fmt.Sprint(r.Line, strings.TrimPrefix(r.URL, up)))
	}
	if want := []string{"1/1", "2/2", "4/4", "6/6", "7/7", "8/8"}; !slices.Equal(urls, want) || got.stderr != "" {
		t.Errorf("lines %q, want %q; it says:\n%s", urls, want, got.stderr)
	}
}

func TestFlags_quietAndSummary(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	if got := abreast(t, nil, up+"/404", "-quiet"); got.stderr != "" || len(got.records) != 1 || got.status != exitFailed {
		t.Errorf("-quiet: exit status %d, it says %q", got.status, got.stderr)
	}
	if got := abreast(t, nil, up+"/404", "-summary"); got.stdout != "" || !strings.Contains(got.stderr, "1 × 404 Not Found") {
		t.Errorf("-summary: %q, it says %q", got.stdout, got.stderr)
	}
	out := filepath.Join(t.TempDir(), "out")
	abreast(t, nil, up+"/404", "-summary", "-out", out)
	if text, err := os.ReadFile(out); err != nil || len(text) == 0 {
		t.Errorf("-summary -out: the file has %q, %v", text, err)
	}
}

func TestFlags_version(t *testing.T) {
	t.Parallel()
	if got := program(t, "-version"); true {
		text, err := got.Output()
		if err != nil || !strings.HasPrefix(string(text), "abreast ") {
			t.Errorf("-version prints %q, %v", text, err)
		}
	}
}

func TestFlags_timeouts(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	list := up + "/silent\n" + fmt.Sprintf(`{"url":"%s/silent","timeout":"100ms"}`, up)
	got := abreast(t, strings.NewReader(list), "-ordered", "-timeout", "0.3", "-retries", "0")
	if len(got.records) != 2 {
		t.Fatalf("%d results; it says:\n%s", len(got.records), got.stderr)
	}
	for i, want := range []float64{300, 100} {
		r := got.records[i]
		text := strings.TrimPrefix(r.Error, "request not sent: ") // on a busy machine
		if r.Kind != lines.Timeout || text != fmt.Sprintf("not complete after %vms (timeout)", want) || r.DurationMS < want {
			t.Errorf("line %d: kind %q, error %q after %v ms; want a timeout after %v", i+1, r.Kind, r.Error, r.DurationMS, want)
		}
	}
}

// A download of any length may take its time, but not stall.
func TestFlags_stall(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for range 35 { // longer in all than a stall
			io.WriteString(w, "part")
			http.NewResponseController(w).Flush()
			<-time.After(100 * time.Millisecond)
		}
		if r.URL.Path == "/stalls" {
			<-r.Context().Done()
		}
	})
	got := abreast(t, strings.NewReader(up+"/\n"+up+"/stalls"), "-ordered", "-timeout", "0", "-stall", "3", "-retries", "0")
	if len(got.records) != 2 || got.records[0].Kind != "" || got.records[1].Kind != lines.Timeout || got.records[1].Bytes != 35*4 ||
		!strings.Contains(got.records[1].Error, "no progress for 3s (-stall)") {
		t.Errorf("got %+v; it says:\n%s", got.records, got.stderr)
	}
}

// The error of a status has what the server says.
func TestOutput_reason(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no such \x1b[31muser", 404) })
	got := abreast(t, nil, up)
	if len(got.records) != 1 || got.records[0].Error != `404 Not Found: "no such \x1b[31muser\n"` {
		t.Errorf("got %+v", got.records)
	}
}

// A host that pauses holds back no other, although its lines come first, and
// whether or not those that it refused are sent again.
func TestOrder_pausedHostHoldsBackNone(t *testing.T) {
	for _, tt := range []struct {
		retries string
		asks    bool // for a pause; else the program pauses by itself
		atOnce  int  // requests that fail without a pause
	}{
		{"0", true, 5},
		{"1", true, 0},
		{"4", false, 0},
	} {
		t.Run("-retries "+tt.retries, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			busy := serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch n := asked.Add(1); {
				case tt.asks && n <= 5: // all that are in flight at first
					w.Header().Set("Retry-After", "3")
				case tt.asks:
					w.Header().Set("Retry-After", "0")
				}
				w.WriteHeader(429)
			})
			up := serve(t, faults)
			list := strings.Repeat(busy+"\n", 30) + strings.Repeat(up+"\n", 100)
			got := abreast(t, strings.NewReader(list), "-limit", "5", "-retries", tt.retries)
			if len(got.records) != 130 {
				t.Fatalf("%d results; it says:\n%s", len(got.records), got.stderr)
			}
			failed, others := 0, 0
			for _, r := range got.records {
				if r.Kind == "" {
					others++
				} else if failed++; failed > tt.atOnce {
					break
				}
			}
			if others < 20 { // as many as there is time for
				t.Errorf("%d results come before those of the host that pauses; want most of 100", others)
			}
		})
	}
}

// Neither does a host at its -host-limit.
func TestOrder_fullHostHoldsBackNone(t *testing.T) {
	t.Parallel()
	const others = 100
	var asked atomic.Int64
	all := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == others {
			close(all)
		}
	})
	busy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-all:
		case <-r.Context().Done():
			t.Error("the host that is full is given up before the others are asked")
		}
	})
	list := strings.Repeat(busy+"\n", 500) + strings.Repeat(up+"\n", others)
	got := abreast(t, strings.NewReader(list), "-limit", "5", "-host-limit", "1", "-timeout", "60")
	if len(got.records) != 500+others || got.status != exitGood {
		t.Errorf("exit status %d, %d results; it says:\n%s", got.status, len(got.records), got.stderr)
	}
}

// Requests go on while nobody reads their results: up to 1,000 more than those
// that are in the pipe.
func TestOrder_readerHoldsBackNone(t *testing.T) {
	t.Parallel()
	const most = 1000
	asked := make(chan struct{}, 10_000)
	up := serve(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	p := startProgram(t, "-limit", "5", "-")
	go func() {
		io.WriteString(p.stdin, strings.Repeat(up+"\n", 3000))
		p.stdin.Close()
	}()
	for range most {
		<-asked
	}
	if n := len(p.end(t)); n != 3000 {
		t.Errorf("%d results, want 3000", n)
	}
}

// A download may take its time. One without progress ends.
func TestFlags_timeoutOfDownloads(t *testing.T) {
	for _, tt := range []struct {
		args           []string
		timeout, stall time.Duration
	}{
		{nil, 30 * time.Second, 0},
		{[]string{"-dir", "d"}, 0, 30 * time.Second},
		{[]string{"-dir", "d", "-timeout", "5"}, 5 * time.Second, 0},
		{[]string{"-dir", "d", "-stall", "7"}, 30 * time.Second, 7 * time.Second},
	} {
		o, err := parseFlags(tt.args)
		if err != nil || time.Duration(o.timeout) != tt.timeout || time.Duration(o.stall) != tt.stall {
			t.Errorf("%q: -timeout %v -stall %v, %v; want %v and %v", tt.args, &o.timeout, &o.stall, err, tt.timeout, tt.stall)
		}
	}
}

// After N failures no line is begun, and the end says how to go on.
func TestFlags_fail(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		faults(w, r)
	})
	got := abreast(t, strings.NewReader(strings.Repeat(up+"/404\n", 1000)), "-fail", "3", "-limit", "2")
	if got.status != exitFailed || len(got.records) < 3 || len(got.records) > 200 || int(asked.Load()) != len(got.records) {
		t.Errorf("exit status %d, %d results of %d requests; want about 3", got.status, len(got.records), asked.Load())
	}
	if one := abreast(t, nil, up+"/404", "-fail", "1", "-out", file(t, "out", "")); !strings.Contains(one.stderr, "stopped after 1 failure (") ||
		!strings.Contains(one.stderr, "the same list with -resume ") {
		t.Errorf("-fail 1: it says:\n%s", one.stderr)
	}
	if !strings.Contains(got.stderr, "stopped after 3 failures") {
		t.Errorf("it says:\n%s", got.stderr)
	}
}

func TestFlags_append(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	out := file(t, "out", "before\n")
	abreast(t, nil, up, "-out", out, "-append")
	if text, _ := os.ReadFile(out); !bytes.HasPrefix(text, []byte("before\n{")) {
		t.Errorf("-append: the file has %q", text)
	}
	abreast(t, nil, up, "-out", out)
	if text, _ := os.ReadFile(out); !bytes.HasPrefix(text, []byte(`{"line":1,`)) {
		t.Errorf("without -append: the file has %q", text)
	}
}

func TestFolder_names(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	host := plain(strings.TrimPrefix(up, "http://"))
	dir := t.TempDir()
	list := up + "/a/b.txt?c\n" + up + "\n" + fmt.Sprintf(`{"url":%q,"file":"sub/own.bin"}`, up) + "\n" + up + "/404"
	got := abreast(t, strings.NewReader(list), "-ordered", "-dir", dir, "-name", "{host}/{line}_{base}")
	var names []string
	for _, r := range got.records {
		names = append(names, r.File)
		if r.File != "" {
			if text, err := os.ReadFile(filepath.Join(dir, r.File)); err != nil || string(text) != "good" {
				t.Errorf("%s has %q, %v", r.File, text, err)
			}
		}
	}
	if want := []string{host + "/000001_b.txt", host + "/000002_index", "sub/own.bin", ""}; !slices.Equal(names, want) {
		t.Errorf("the files are %q, want %q; it says:\n%s", names, want, got.stderr)
	}
	without := abreast(t, strings.NewReader(fmt.Sprintf(`{"url":%q,"file":"x"}`, up)))
	if len(without.records) != 1 || without.records[0].Kind != lines.BadLine {
		t.Errorf("without -dir: %+v; want a bad line", without.records)
	}
}

// Two lines that named the same file both succeeded, and one body replaced the
// other.
func TestFolder_sameFile(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	var list strings.Builder
	for i, name := range []string{"a/b", "a//./b", "c", "c"} {
		fmt.Fprintf(&list, `{"url":"%s/%d","file":%q}`+"\n", up, i+1, name)
	}
	dir := t.TempDir()
	out := file(t, "out", fmt.Sprintf(`{"line":3,"url":"%s/3","sent":true,"file":"c"}`+"\n", up))
	abreast(t, strings.NewReader(list.String()), "-dir", dir, "-resume", out)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	records := byLine(t, parse(t, bytes.NewReader(text)))
	for n, want := range map[int]string{1: "", 2: `the file "a//./b" is that of line 1`, 3: "", 4: `the file "c" is that of line 3`} {
		if got := records[n]; !strings.HasSuffix(got.Error, want) || (got.Kind == lines.BadLine) != (want != "") {
			t.Errorf("line %d: %+v; want the error %q", n, got, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a", "b")); string(text) != "/1" {
		t.Errorf("the file has %q, %v; want the body of line 1", text, err)
	}
}

func TestFlags_maxBody(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 100_000)) })
	for _, args := range [][]string{{"-max-body", "50k"}, {"-max-body", "50k", "-body"}, {"-max-body", "50k", "-dir", t.TempDir()}} {
		got := abreast(t, nil, append(args, up)...)
		if len(got.records) != 1 || got.records[0].Kind != lines.TooLarge || got.records[0].Status != 200 || got.records[0].Attempts != 1 ||
			got.records[0].Error != "the body is longer than 51200 bytes (-max-body)" {
			t.Errorf("%q: %+v; want too large, after one attempt", args, got.records)
		}
	}
	if got := abreast(t, nil, up, "-max-body", "0.1MB"); got.status != exitGood {
		t.Errorf("-max-body 0.1M: exit status %d; it says:\n%s", got.status, got.stderr)
	}
}

// Results that are there are not sent again, a torn line is cut off, and a
// failure is repeated if that is asked for.
func TestResume(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		faults(w, r)
	})
	list := file(t, "urls.txt", fmt.Sprintf("%[1]s/1\n%[1]s/2\n\n%[1]s/4\n%[1]s/5\n", up))
	result := func(line int, rest string) string {
		return fmt.Sprintf(`{"line":%d,"url":"%s/%[1]d"%[3]s}`, line, up, rest)
	}
	before := result(1, `,"status":200`) + "\n" + result(4, `,"kind":"timeout"`) + "\n\n"
	out := filepath.Join(t.TempDir(), "out")
	for _, tt := range []struct {
		flag, text string
		want       []string
		status     int
	}{
		{"-resume", before + `{"line":2,"url":"u","st`, []string{"/2", "/5"}, exitFailed}, // line 4 has failed
		{"-resume-failed", before + result(2, ""), []string{"/2", "/4", "/5"}, exitGood},
		{"-resume-failed", before + result(4, `,"kind":""`) + "\n", []string{"/2", "/5"}, exitGood},
		{"-resume-failed", result(4, `,"kind":""`) + "\n" + before, []string{"/2", "/4", "/5"}, exitGood},
		{"-resume", "", []string{"/1", "/2", "/4", "/5"}, exitGood},
	} {
		if err := os.WriteFile(out, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		got := abreast(t, nil, tt.flag, out, "-out", out, list)
		var paths []string
		for range len(asked) {
			paths = append(paths, <-asked)
		}
		slices.Sort(paths)
		if !slices.Equal(paths, tt.want) || got.status != tt.status {
			t.Errorf("%s %q: it asked for %q, want %q; it says:\n%s", tt.flag, tt.text, paths, tt.want, got.stderr)
		}
		text, err := os.ReadFile(out)
		whole := tt.text[:strings.LastIndexByte(tt.text, '\n')+1]
		if err != nil || !strings.HasPrefix(string(text), whole) || strings.Count(string(text), "\n") != strings.Count(whole, "\n")+len(tt.want) {
			t.Errorf("%s %q: the file has %q, %v", tt.flag, tt.text, text, err)
		}
	}
	os.Remove(out)
	if got := abreast(t, nil, "-resume", out, list); got.status != exitGood || got.stdout != "" {
		t.Errorf("without a file: exit status %d, it says:\n%s%s", got.status, got.stdout, got.stderr)
	}
}

// A run stopped with -grace 0 has lines that were canceled. They had counted as
// done, and were lost. Now they are sent again if that is safe. The others are
// kept, and said.
func TestResume_canceled(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { asked <- r.Method + r.URL.Path })
	list := file(t, "list.jsonl", fmt.Sprintf(`%[1]s/1
{"url":"%[1]s/2","body":"x"}
{"url":"%[1]s/3","body":"x"}
{"url":"%[1]s/4","body":"x","headers":{"Idempotency-Key":"4"}}
{"url":"%[1]s/5","method":"PUT"}
%[1]s/6
`, up))
	var before strings.Builder
	for i, sent := range []bool{true, true, false, true, true} {
		fmt.Fprintf(&before, `{"line":%d,"url":"%s/%[1]d","status":0,"bytes":0,"duration_ms":1,"attempts":1,"sent":%[3]t,"kind":"canceled","error":"e"}`+"\n", i+1, up, sent)
	}
	fmt.Fprintf(&before, `{"line":6,"url":"%s/6","status":500,"sent":true,"kind":"status"}`+"\n", up)
	for _, tt := range []struct {
		args []string
		want []string
		says string
	}{
		{[]string{"-resume"}, []string{"GET/1", "POST/3", "POST/4", "PUT/5"}, "skipped      2 lines with a result\n" +
			"not sent     2 of them failed: -resume-failed repeats them\n" +
			"in doubt     1 of these was canceled after it was sent: the server may have acted on it\n"},
		{[]string{"-H", "idempotency-key: all", "-resume"}, []string{"GET/1", "POST/2", "POST/3", "POST/4", "PUT/5"}, "1 of them failed"},
		{[]string{"-X", "PATCH", "-resume"}, []string{"PATCH/3", "PATCH/4", "PUT/5"}, "in doubt     2 of these were"},
		{[]string{"-resume-failed"}, []string{"GET/1", "GET/6", "POST/2", "POST/3", "POST/4", "PUT/5"}, ""},
	} {
		for _, piped := range []bool{false, true} {
			out := file(t, "out", before.String())
			args, stdin := append(tt.args, out, list), io.Reader(nil)
			if piped {
				text, _ := os.ReadFile(list)
				args, stdin = append(tt.args, out), bytes.NewReader(text)
			}
			got := abreast(t, stdin, args...)
			var paths []string
			for range len(asked) {
				paths = append(paths, <-asked)
			}
			slices.Sort(paths)
			status := exitFailed
			if tt.says == "" {
				status = exitGood
			}
			if !slices.Equal(paths, tt.want) || got.status != status || !strings.Contains(got.stderr, tt.says) {
				t.Errorf("%q: it asked for %q, want %q; exit status %d, want %d and %q; it says:\n%s",
					args, paths, tt.want, got.status, status, tt.says, got.stderr)
			}
		}
	}
}

// A list of which a line was deleted was resumed as if it were the same, with
// the wrong lines.
func TestResume_anotherList(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1) })
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("%s/%d", up, i+1))
	}
	all[3] = fmt.Sprintf(`{"url":"%s/\u00e4\"\u0001","id":{"url":"x"}}`, up)
	all[4] = "http://me:hunter2@host:x/" // a bad line
	all[5] = "http://\xff/"
	out := filepath.Join(t.TempDir(), "out")
	abreast(t, nil, "-resume", out, file(t, "urls", strings.Join(all, "\n")))
	whole, _ := os.ReadFile(out)
	for _, tt := range []struct {
		name string
		list []string
		line int // 0: the list is resumed
	}{
		{"the same", all, 0},
		{"longer", append(slices.Clone(all), up+"/new"), 0},
		{"as objects", append([]string{fmt.Sprintf(`{"url":"%s/1"}`, up)}, all[1:]...), 0},
		{"first line deleted", all[1:], 1},
		{"a line changed", slices.Concat(all[:7], []string{up + "/8x"}, all[8:]), 8},
		{"an object changed", slices.Concat(all[:3], []string{`{"url":"` + up + `/4"}`}, all[4:]), 4},
	} {
		for _, piped := range []bool{false, true} {
			if err := os.WriteFile(out, whole, 0o666); err != nil {
				t.Fatal(err)
			}
			asked.Store(0)
			args, stdin := []string{"-resume", out}, io.Reader(strings.NewReader(strings.Join(tt.list, "\n")))
			status := exitFailed
			if !piped {
				args, stdin = append(args, file(t, "urls", strings.Join(tt.list, "\n"))), nil
				if tt.line > 0 {
					status = exitUsage
				}
			}
			got := abreast(t, stdin, args...)
			says := ""
			if tt.line > 0 {
				says = fmt.Sprintf("line %d of the list has another URL than its result in %s", tt.line, out)
			}
			if got.status != status || !strings.Contains(got.stderr, says) || strings.Contains(got.stderr, "hunter2") ||
				asked.Load() > int64(len(tt.list)-len(all)+1) || tt.line > 0 && asked.Load() > 0 {
				t.Errorf("%s, piped: %t: %d requests, exit status %d, want %d and %q; it says:\n%s", tt.name, piped, asked.Load(), got.status, status, says, got.stderr)
			}
		}
	}
}

// A long list is resumed without parsing each result.
func TestResume_manyResults(t *testing.T) {
	t.Parallel()
	const n = 200_000
	pr, pw := io.Pipe()
	go func() {
		w := lines.NewWriter(pw)
		for line := range n {
			w.Write(&lines.Result{Line: line + 1, URL: "http://h/", Status: 200, Text: strings.Repeat("x", 100)})
		}
		pw.Close()
	}()
	var done finished
	if _, err := done.read(pr); err != nil || done.n != n || *done.word(n)&hasResult == 0 || *done.word(n + 1) != 0 || *done.word(0) != 0 {
		t.Errorf("%d lines are finished, %v; want %d", done.n, err, n)
	}
	if got := len(done.pages) * pageLines * 4; got > n*5 {
		t.Errorf("they take %d bytes", got)
	}
}

// What was written before the disk was full is said, and true.
func TestOutput_diskFull(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	up := serve(t, faults)
	got := abreast(t, nil, up, "-out", "/dev/full")
	if got.status != exitFailed || !strings.Contains(got.stderr, "writing the results, after 0 lines: ") {
		t.Errorf("exit status %d; it says:\n%s", got.status, got.stderr)
	}
}

// moment returns a random time, which is longer in later rounds, so that even a
// slow machine gets to the end.
func moment(round int) time.Duration {
	return 10*time.Millisecond + rand.N(time.Duration(50+20*round)*time.Millisecond)
}

// The program may be interrupted at any moment. Each result is a whole line, and
// the rest of the list can be resumed until each line is answered.
func TestSignal_randomMoments(t *testing.T) {
	t.Parallel()
	const n = 300
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(2 * time.Millisecond)
		io.WriteString(w, r.URL.Path)
	})
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "%s/%d\n", up, i+1)
	}
	name, out, dir := file(t, "urls.txt", list.String()), filepath.Join(t.TempDir(), "out"), t.TempDir()
	for round := 0; ; round++ {
		if round == 100 {
			t.Fatal("the list is not finished after 100 rounds")
		}
		cmd := program(t, "-resume", out, "-dir", dir, "-limit", "3", "-grace", "0.01", "-quiet", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(moment(round), func() { cmd.Process.Signal(os.Interrupt) })
		cmd.Wait()
		timer.Stop()
		if status := cmd.ProcessState.ExitCode(); status == exitGood || status == exitFailed {
			break
		}
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	records := make(map[int]lines.Result)
	for _, r := range parse(t, bytes.NewReader(text)) {
		if before, there := records[r.Line]; there && before.Kind != lines.Canceled {
			t.Errorf("line %d was repeated after %+v", r.Line, before)
		}
		records[r.Line] = r
	}
	for i := range n {
		if r := records[i+1]; r.Kind != "" || r.Line == 0 {
			t.Errorf("the last result of line %d is %+v", i+1, r)
		}
	}
	if names := filesIn(t, dir); slices.ContainsFunc(names, func(s string) bool { return strings.HasSuffix(s, ".part") }) {
		t.Errorf("parts of files are left: %q", names)
	}
}

// kill -9 at random moments, until the list is finished: each line has exactly
// one result.
func TestResume_killed(t *testing.T) {
	t.Parallel()
	const n = 400
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { <-time.After(time.Millisecond) })
	var list strings.Builder
	for i := range n {
		json.NewEncoder(&list).Encode(map[string]any{"url": up, "id": i + 1, "padding": strings.Repeat("x", i)})
	}
	name, out := file(t, "list.jsonl", list.String()), filepath.Join(t.TempDir(), "out")
	for round := 0; ; round++ {
		if round == 100 {
			t.Fatal("the list is not finished after 100 rounds")
		}
		cmd := program(t, "-resume", out, "-limit", "3", "-quiet", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(moment(round), func() { cmd.Process.Kill() })
		cmd.Wait()
		if timer.Stop() && cmd.ProcessState.ExitCode() == exitGood {
			break
		}
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	records := byLine(t, parse(t, bytes.NewReader(text)))
	for i := range n {
		if r, ok := records[i+1]; !ok || string(r.ID) != fmt.Sprint(i+1) {
			t.Errorf("line %d has the result %+v", i+1, r)
		}
	}
}

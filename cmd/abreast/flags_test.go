package main

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
	got := abreast(t, strings.NewReader(strings.Repeat(up+"\n", 300)), "-limit", "7",
		"-H", "X-One: 1", "-H", "x-two:a", "-H", "x-two: b:c", "-H", "Host: example.com")
	if got.status != exitGood || most.Load() > 7 || wrong.Load() > 0 {
		t.Errorf("exit status %d; %d in flight at once, want 7 at most; %d without their headers", got.status, most.Load(), wrong.Load())
	}
}

func TestFlags_hostLimit(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	var most [2]atomic.Int64
	for i := range most {
		var inFlight atomic.Int64
		up := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n := inFlight.Add(1)
			defer inFlight.Add(-1)
			for m := most[i].Load(); n > m && !most[i].CompareAndSwap(m, n); m = most[i].Load() {
			}
			<-time.After(5 * time.Millisecond)
		})
		list.WriteString(strings.Repeat(up+"\n", 100))
	}
	got := abreast(t, strings.NewReader(list.String()), "-limit", "20", "-host-limit", "3")
	if got.status != exitGood || most[0].Load() > 3 || most[1].Load() > 3 {
		t.Errorf("exit status %d; %d and %d in flight at once at the hosts, want 3 at most", got.status, most[0].Load(), most[1].Load())
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
		{"must not be negative", []string{"-host-limit", "-1"}},
		{"must not be negative", []string{"-retries", "-1"}},
		{"must not be negative", []string{"-fail", "-1"}},
		{"10/s, 500/m", []string{"-rate", "-1"}},
		{"10/s, 500/m", []string{"-rate", "NaN"}},
		{"10/s, 500/m", []string{"-rate", "Inf"}},
		{"10/s, 500/m", []string{"-rate", "5/day"}},
		{"10/s, 500/m", []string{"-cost-rate", "many"}},
		{"it is negative", []string{"-timeout", "-1s"}},
		{"5, 500ms or 2m", []string{"-timeout", "soon"}},
		{"5, 500ms or 2m", []string{"-stall", "1 s"}},
		{"500, 20k or 20M", []string{"-max-body", "-1"}},
		{"500, 20k or 20M", []string{"-max-body", "20XB"}},
		{"no colon", []string{"-H", "X-One"}},
		{`"X One"`, []string{"-H", "X One: 1"}},
		{`""`, []string{"-H", ": 1"}},
		{"invalid value", []string{"-H", "X-One: 1\r\nX-Two: 2"}},
		{"not the name of a method", []string{"-X", "GET it"}},
		{"use -d or -json, not both", []string{"-d", "a", "-json", "{}"}},
		{"missing.txt", []string{"-d", "@" + filepath.Join(dir, "missing.txt")}},
		{"missing.txt", []string{"-json", "@" + filepath.Join(dir, "missing.txt")}},
		{"missing.txt", []string{"-b", filepath.Join(dir, "missing.txt")}},
		{"is not a cookie", []string{"-b", list}},
		{"missing.txt", []string{"-cacert", filepath.Join(dir, "missing.txt")}},
		{"no certificate in it", []string{"-cacert", list}},
		{"missing.txt", []string{"-cert", filepath.Join(dir, "missing.txt")}},
		{"-key needs -cert", []string{"-key", list}},
		{"%40 %3A %2F", []string{"-proxy", "http://me:hunter2/@host"}},
		{"-limit N", []string{"-P", "4", list}},
		{"-out FILE", []string{"-o", "x", list}},
		{"redirects are followed", []string{"-L", list}},
		{"-proxy URL", []string{"-x", "http://me:hunter2@host"}},
		{"a field form", []string{"--data-urlencode", "a=b"}},
		{"needs a space before it: -u VALUE", []string{"-ume:hunter2", list}},
		{"needs a space before it: -X VALUE", []string{"-XPOST", list}},
		{"no colon", []string{"-u", "me", list}},
		{"not valid JSON", []string{"-json", "{a:1}", list}},
		{"both @- and the list", []string{"-d", "@-"}},
		{"neither -summary nor", []string{"-quiet", "-summary", list}},
		{"-cert " + list + ": the certificate and its key", []string{"-cert", list, list}},
		{"a URL begins with", []string{"localhost:8080/x"}},
		{"the field \"file\"", []string{"-dir", dir, "-name", "{base}"}},
		{"-proxy: a URL", []string{"-proxy", "http://me:hunter2@host:x"}},
		{"socks5", []string{"-proxy", "ftp://me:hunter2@host"}},
		{"-name needs -dir", []string{"-name", "{line}"}},
		{"only {line}, {host} and {base} exist", []string{"-dir", dir, "-name", "{line}{port}"}},
		{"{line} is needed", []string{"-dir", dir, "-name", "{base}"}},
		{"out of the folder", []string{"-dir", dir, "-name", "../{line}"}},
		{"-append needs", []string{"-append", list}},
		{"use -resume or -resume-failed, not both", []string{"-resume", "a", "-resume-failed", "b", list}},
		{"a resumed list is appended to", []string{"-resume", "a", "-out", "b", list}},
		{"-resume needs a file", []string{"-resume", "-", list}},
		{"is not a result", []string{"-resume", list, "http://127.0.0.1/"}},
		{"read from", []string{"-resume", list, list}},
		{"-what", []string{"-what"}},
		{"an argument is empty", []string{""}},
		{"missing.txt", []string{filepath.Join(dir, "missing.txt")}},
		{"a URL begins with", []string{"example.com"}},
		{"is a folder", []string{dir}},
		{"urls.txt", []string{"-dir", list, list}},
		{"no/such", []string{"-out", filepath.Join(dir, "no", "such"), list}},
		{"read from", []string{"-out", list, list}},
		{"-har " + list + " is the file that the list is read from", []string{"-har", list, list}},
		{"lines are written to", []string{"-out", "both", "-har", "both", list}},
		{"-har needs a file", []string{"-har", "-", list}},
		{"no/such", []string{"-har", filepath.Join(dir, "no", "such"), list}},
		{"-timeout of its own", []string{"-demo", "-timeout", "5s"}},
		{"list of its own", []string{"-demo", list}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := abreast(t, nil, tt.args...)
			if got.status != exitUsage || got.stdout != "" || !strings.Contains(filepath.ToSlash(got.stderr), filepath.ToSlash(tt.says)) {
				t.Errorf("exit status %d, want %d, and a message with %q; it says:\n%s%s",
					got.status, exitUsage, tt.says, got.stdout, got.stderr)
			}
			if strings.Contains(got.stderr, "hunter2") {
				t.Errorf("a password is shown:\n%s", got.stderr)
			}
		})
	}
	out := file(t, "out", text)
	if got := abreast(t, nil, "-out", out, "-cert", filepath.Join(dir, "missing.txt"), list); got.status != exitUsage {
		t.Errorf("exit status %d, want %d", got.status, exitUsage)
	}
	if got, _ := os.ReadFile(out); string(got) != text {
		t.Errorf("although nothing was sent, the results are now %q", got)
	}
	if got, _ := os.ReadFile(list); string(got) != text {
		t.Errorf("the input is now %q", got)
	}
}

// The help fits two screens, and names every flag.
func TestFlags_help(t *testing.T) {
	t.Parallel()
	got := abreast(t, nil, "-help")
	if got.status != exitGood || got.stderr != "" {
		t.Errorf("exit status %d; it says:\n%s", got.status, got.stderr)
	}
	all := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
	if len(all) > 48 {
		t.Errorf("it has %d lines, more than two screens", len(all))
	}
	for _, line := range all {
		if len(line) > 80 {
			t.Errorf("the line %q has %d columns", line, len(line))
		}
	}
	words := strings.FieldsFunc(got.stdout, func(r rune) bool { return strings.ContainsRune(" ,;:()\n", r) })
	newOptions().flags.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(words, "-"+f.Name) {
			t.Errorf("-%s is missing", f.Name)
		}
	})
}

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFolder(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404", "/big", "/cut", "/empty":
			faults(w, r)
		default:
			w.Write([]byte(r.RequestURI))
		}
	})
	whole := []string{
		"/a", "/a", "/A", "/a?x", "/a/", "/", "/con", "/nul.txt", "/../../../escape", "/%2e%2e%2fescape",
		`/..%5c..%5cescape`, "/trailing.", "/trailing%20", "/a:b", "/%00", "/ünïcode", "/" + strings.Repeat("long", 500), "/x.part",
	}
	list := up + strings.Join(whole, "\n"+up) + "\n" + up + strings.Join([]string{"/empty", "/404", "/big", "/cut"}, "\n"+up)
	outer := t.TempDir()
	dir := filepath.Join(outer, "made", "here")
	got := abreast(t, strings.NewReader(list), "-dir", dir, "-max-body", "10000")
	records := byLine(t, got.records)
	if len(records) != len(whole)+4 {
		t.Fatalf("%d lines, want %d; it says:\n%s", len(records), len(whole)+4, got.stderr)
	}
	files := make(map[string]bool) // by names as Windows and macOS tell them apart: regardless of case
	for i, path := range whole {
		r := records[i+1]
		text, err := os.ReadFile(filepath.Join(dir, r.File))
		if err != nil || int64(len(text)) != r.Bytes {
			t.Errorf("%s: %d bytes in the file %q, want %d (%v)", path, len(text), r.File, r.Bytes, err)
		}
		if strings.Count(path, "%")+strings.Count(path, "ü") == 0 && string(text) != path {
			t.Errorf("%s: the file has %q", path, text)
		}
		files[strings.ToLower(r.File)] = true
	}
	empty := records[len(whole)+1]
	if info, err := os.Stat(filepath.Join(dir, empty.File)); err != nil || info.Size() != 0 {
		t.Errorf("/empty: no empty file %q (%v)", empty.File, err)
	}
	files[strings.ToLower(empty.File)] = true
	for n := len(whole) + 2; n <= len(records); n++ {
		if r := records[n]; r.File != "" || r.Kind == "" {
			t.Errorf("%s: the file %q, failure %q, want a failure and no file", r.URL, r.File, r.Kind)
		}
	}
	if names := filesIn(t, dir); len(names) != len(whole)+1 || len(files) != len(names) {
		t.Errorf("%d files in the folder, %d named, want %d: %q", len(names), len(files), len(whole)+1, names)
	}
	if names := filesIn(t, outer); len(names) != 1 {
		t.Errorf("there is more outside: %q", names)
	}
}

// If one body cannot be written, only its line fails.
func TestFolder_failure(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, new(folder).fileName(lines.Parse(1, up+"/1", 100))), 0o777); err != nil {
		t.Fatal(err)
	}
	got := abreast(t, strings.NewReader(up+"/1\n"+up+"/2\n"), "-dir", dir)
	records := byLine(t, got.records)
	if one, two := records[1], records[2]; got.status != exitFailed || one.Kind != lines.File || one.File != "" || two.Kind != "" {
		t.Errorf("exit status %d, lines %+v and %+v", got.status, one, two)
	}
	if names := filesIn(t, dir); len(names) != 2 {
		t.Errorf("the folder has %q, want what was there and one more", names)
	}
}

func TestFolder_fileNames(t *testing.T) {
	good := regexp.MustCompile(`^\d{6,}-[A-Za-z0-9._-]{0,60}-[0-9a-f]{8}(\.[A-Za-z0-9]{1,8})?$`)
	for _, tt := range []struct {
		url, want string // want: the beginning; the rest is a hash
	}{
		{"http://example.com/docs/index.html", "000012-example.com_docs_index-"},
		{"http://example.com", "000012-example.com-"},
		{"http://example.com/", "000012-example.com-"},
		{"http://example.com:8080/a/b/?q=1", "000012-example.com_8080_a_b-"},
		{"http://[::1]:80/x", "000012-___1__80_x-"},
		{"http://con/nul", "000012-con_nul-"},
		{"http://h/../../etc/passwd", "000012-h_.._.._etc_passwd-"},
		{`http://h/..\..\x`, "000012-h_.._.._x-"},
		{`http://h/<>:"|?*`, "000012-h____"},
		{"http://h/a.", "000012-h_a.-"},
		{"http://h/a .", "000012-h_a_.-"},
		{"http://h/a.tar.gz", "000012-h_a.tar-"},
		{"http://h/.htaccess", "000012-h-"},
		{"http://h/x.part", "000012-h_x.part-"},
		{"http://h/x.html%00.exe", "000012-h_x.html_-"},
		{"http://h/x.verylongextension", "000012-h_x.verylongextension-"},
		{"http://me:secret@h/", "000012-h-"},
		{"http://h/" + strings.Repeat("long/", 1000), "000012-h_long_"},
		{"http://h/日本", "000012-h___-"},
		{"\x00", "000012--"},
	} {
		got := new(folder).fileName(lines.Parse(12, tt.url, maxLine))
		if !strings.HasPrefix(got, tt.want) || !good.MatchString(got) {
			t.Errorf("fileName(%.60q) = %q, want %q and a hash", tt.url, got, tt.want)
		}
	}
	if a, b := new(folder).fileName(lines.Parse(1, "http://h/a?b", 100)), new(folder).fileName(lines.Parse(1, "http://h/a?c", 100)); a == b {
		t.Errorf("two URLs in the same place of two lists share %q", a)
	}
}

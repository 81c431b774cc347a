package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oddURL returns a URL, valid or not, with a secret in its password. What it is
// made of goes to a proxy, if it goes anywhere.
func oddURL(rng *rand.Rand, secret string) string {
	pick := func(parts ...string) string { return parts[rng.IntN(len(parts))] }
	noise := func() (s string) {
		for range rng.IntN(3) {
			s += pick("8", "/", "//", "#", "?", "@", ":", "://", "%", "%40", "[", "\\", " ", "'", `"`, "<", ">", "&", "é", "\u009b", "a")
		}
		return s
	}
	return pick("", "http:", "http:", "https:", "ftp:") + pick("", "/", "//", "//", "//", "//https://") +
		pick("user", "my_user", "", "h:8") + ":" + noise() + secret + noise() + "@" + pick("h", "h:80", "h:x") + pick("", "/", "/p?q=1#f")
}

// https://user:/secret@h is valid, has the host "user", and was shown as it is.
func TestPassword_inNoOutput(t *testing.T) {
	const secret = "hunter2"
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/p" {
			w.Header()["Location"] = []string{"my_user:" + secret + "@h/"}
			w.WriteHeader(302)
		}
	})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		t.Setenv(name, proxy)
	}
	t.Setenv("NO_PROXY", "")
	rng := rand.New(rand.NewPCG(3, 4))
	var list strings.Builder
	const n = 900
	for range n {
		fmt.Fprintln(&list, oddURL(rng, secret))
	}
	dir, har := t.TempDir(), filepath.Join(t.TempDir(), "all.har")
	got := abreast(t, strings.NewReader(list.String()), "-dir", dir, "-waterfall", "-har", har)
	if lines := byLine(t, got.records); len(lines) != n {
		t.Errorf("%d lines of output; want %d: %s", len(lines), n, got.stderr)
	}
	archive, err := os.ReadFile(har)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"standard output": got.stdout, "standard error": got.stderr, "the archive": string(archive),
		"names of files": strings.Join(filesIn(t, dir), "\n"),
	} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, secret) {
				t.Errorf("a password in %s: %.500q", name, line)
				break
			}
		}
	}
}

// A URL, or a reason phrase, could send commands to the terminal, and be of any
// length.
func TestOutput_printable(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 404 \u009b31m\x1b%s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("x", 400_000))
	})
	got := abreast(t, strings.NewReader(up+"/\u009b31m?\u202e\n\u009b\x1b[31m"), "-waterfall")
	if text := got.stdout + got.stderr; strings.ContainsAny(text, "\x1b\u009b\u202e") || len(got.records) != 2 {
		t.Errorf("the output is %.2000q", text)
	}
	if r := byLine(t, got.records)[1]; !strings.HasPrefix(r.Error, `"404 \u009b31m\x1bx`) || len(r.Error) > 2000 {
		t.Errorf("the error has %d bytes: %.100q", len(r.Error), r.Error)
	}
	missing := abreast(t, nil, "\u009b31m")
	if missing.status != exitUsage || strings.Contains(missing.stderr, "\u009b") {
		t.Errorf("exit status %d; it says %q", missing.status, missing.stderr)
	}
}

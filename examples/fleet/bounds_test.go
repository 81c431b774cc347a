package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A reason phrase of 400 kB made a result that could not be stored: the URL was
// fetched 20 times, and reported as not fetched. A URL of 300 kB had no result,
// and a line of more than 1 MB stopped the feed.
func TestBounds_everyURLHasResult(t *testing.T) {
	t.Parallel()
	const reason, header = 400_000, 2 << 20
	site := startSite(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path != "/reason" && r.URL.Path != "/header" {
			io.WriteString(w, "good")
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if r.URL.Path == "/header" {
			fmt.Fprintf(conn, "HTTP/1.1 404 x\r\nX: %s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("\u009b", header/2))
		} else {
			fmt.Fprintf(conn, "HTTP/1.1 404 %s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("\x1b", reason))
		}
	})
	x := func(n int) string { return site.url + "/?" + strings.Repeat("\u009b", n/2) }
	rows := []struct {
		url, says string
	}{
		{site.url + "/reason", "404 \x1b\x1b"},
		{site.url + "/header", "headers exceeded"},
		{site.url + "/long?" + strings.Repeat("<", 60_000), ""},
		{x(300_000), "more than 65536 bytes"},
		{x(2 << 20), "more than 65536 bytes"},
		{"http://me:secret" + strings.Repeat("x", 1<<20) + "@h/", "more than 65536 bytes"},
		{site.url + "/last", ""},
	}
	p := start(t, "-workers", "1", "-retries", "2", "-")
	for _, row := range rows {
		fmt.Fprintln(p.stdin, row.url)
	}
	p.stdin.Close()
	results := byNumber(t, len(rows), p.end(t, 0))
	for i, row := range rows {
		got := results[i+1]
		if (got.Error == "") != (row.says == "") || !strings.Contains(got.Error, row.says) || len(got.Error) > 2000 || len(got.URL) > 70_000 {
			t.Errorf("URL %d: the error is %.100q, of %d bytes; want %q", i+1, got.Error, len(got.Error), row.says)
		}
		if strings.Contains(got.URL, "secret") {
			t.Errorf("URL %d shows a password: %.100q", i+1, got.URL)
		}
	}
	site.mu.Lock()
	defer site.mu.Unlock()
	if diff := cmp.Diff(map[string]int{"/reason": 1, "/header": 3, "/long": 1, "/last": 1}, site.counts); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// The parts of a fleet failed if the engine was not there yet.
func TestConnect_waitsForEngine(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if n < 3 { // not there yet
				conn.Close()
				continue
			}
			go func() {
				defer conn.Close()
				engine, err := net.Dial("tcp", strings.TrimPrefix(e.url, "nats://"))
				if err != nil {
					return
				}
				defer engine.Close()
				go io.Copy(engine, conn)
				io.Copy(conn, engine)
			}()
		}
	}()
	p := start(t, "-role", "feed", "-nats", "nats://"+l.Addr().String(), "-")
	io.WriteString(p.stdin, site.list(1))
	p.stdin.Close()
	p.end(t, 0)
}

// A URL could control the terminal.
func TestOutput_printable(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	p := start(t, "-workers", "1", "-")
	io.WriteString(p.stdin, site.url+"/?\u009b31m\u202e\n\u009b\x1b[31m\n")
	p.stdin.Close()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	p.end(t, 0)
	if text := string(out) + p.stderr.String(); strings.ContainsAny(text, "\x1b\u009b\u202e") || strings.Count(string(out), `\u009b`) != 2 {
		t.Errorf("the output is %q", text)
	}
}

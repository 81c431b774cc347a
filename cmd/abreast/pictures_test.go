package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/waterfall"
)

// archiveIn reads what -har wrote: how its requests ended, by URL.
func archiveIn(t *testing.T, name string) (ended map[string]string, text string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var har struct {
		Log struct {
			Entries []struct {
				Request struct{ URL string }
				Comment string
			}
		}
	}
	if err := json.Unmarshal(b, &har); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	ended = make(map[string]string)
	for _, e := range har.Log.Entries {
		ended[e.Request.URL] = e.Comment
	}
	return ended, string(b)
}

func TestPictures(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	host := strings.TrimPrefix(up, "http://")
	list := []string{up + "/404", up + "/cut", "http://me:hunter2@" + host + "/good"}
	for n := range drawn {
		list = append(list, fmt.Sprintf("%s/%d", up, n))
	}
	har := filepath.Join(t.TempDir(), "all.har")
	got := abreast(t, strings.NewReader(strings.Join(list, "\n")), "-waterfall", "-har", har,
		"-H", "X-Key: hunter2", "-H", "Authorization: hunter2", "-limit", "1")
	if n := strings.Count(got.stderr, "\nGET "); n != drawn {
		t.Errorf("%d requests are drawn, want %d:\n%s", n, drawn, got.stderr)
	}
	if last := fmt.Sprintf("\nGET /%d ", drawn-1); !strings.Contains(got.stderr, last) || strings.Contains(got.stderr, "GET /404 ") {
		t.Errorf("the last are not those that are drawn:\n%s", got.stderr)
	}
	if !strings.Contains(got.stderr, "HTTP/1.1 kept") {
		t.Errorf("beside the archive, connections are not seen:\n%s", got.stderr)
	}
	ended, text := archiveIn(t, har)
	for url, want := range map[string]string{up + "/404": "404 Not Found", up + "/cut": "cut off", up + "/good": "200 OK", up + "/39": "200 OK"} {
		if ended[url] != want {
			t.Errorf("in the archive %s ended with %q, want %q", url, ended[url], want)
		}
	}
	if len(ended) != len(list) || !strings.Contains(text, `"X-Key"`) {
		t.Errorf("the archive has %d requests, want %d, with their headers", len(ended), len(list))
	}
	if strings.Contains(text+got.stderr, "hunter2") {
		t.Error("there is a password in the archive or in the picture")
	}
}

// Without the flags nothing is drawn.
func TestPictures_none(t *testing.T) {
	t.Parallel()
	got := abreast(t, strings.NewReader(serve(t, faults)))
	if got.status != exitGood || strings.Contains(got.stderr, "GET ") {
		t.Errorf("exit status %d; it says:\n%s", got.status, got.stderr)
	}
}

// If the archive cannot be written, write returns an error.
func TestPictures_archiveFails(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "all.har"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := pictures{archive: new(waterfall.Recorder), file: f}
	if err := p.write(); err == nil || !strings.HasPrefix(err.Error(), "writing the archive: ") {
		t.Errorf("write() = %v", err)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		total int64
		want  string
	}{
		{10, "2 of 10, 1 failed, 0 retrying, 7 in flight"},
		{0, "2, 1 failed, 0 retrying, 7 in flight"}, // of nobody knows how many
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		bar := newProgress(f, tt.total)
		bar.start(func() parallel.Stats { return parallel.Stats{InFlight: 7} }, &fetcher{pace: newPace(0, 0)})
		bar.step(&lines.Result{Kind: lines.Reset})
		bar.step(&lines.Result{})
		var shown []byte
		for !strings.Contains(string(shown), tt.want) {
			<-time.After(10 * time.Millisecond)
			if shown, err = os.ReadFile(f.Name()); err != nil {
				t.Fatal(err)
			}
		}
		bar.stop()
	}
	var none *progress
	none.start(nil, nil)
	none.step(nil)
	none.stop()
}

func TestProgress_speed(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		want        string
	}{
		{0, 10, ""}, {0, 0, ""}, {4, 10, ", 2/s, 3s left"}, {10, 10, ", 5/s"}, {4, 0, ", 2/s"},
	} {
		if got := speed(tt.done, tt.total, 2*time.Second); got != tt.want {
			t.Errorf("speed(%d, %d, 2s) = %q; want %q", tt.done, tt.total, got, tt.want)
		}
	}
}

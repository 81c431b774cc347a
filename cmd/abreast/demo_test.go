package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		stdin io.Reader
		args  []string
	}{
		{"the null device", nil, []string{"-demo"}},
		{"a pipe, in order, into a folder", strings.NewReader(""), []string{"-demo", "-ordered", "-dir", t.TempDir()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := abreast(t, tt.stdin, tt.args...)
			if got.status != exitGood || !strings.Contains(got.stderr, "results are as expected, faults included") {
				t.Errorf("exit status %d; it says:\n%s", got.status, got.stderr)
			}
			if n := len(byLine(t, got.records)); n != demoURLs {
				t.Errorf("%d lines, want %d", n, demoURLs)
			}
		})
	}
}

func TestDemo_findsDifferences(t *testing.T) {
	planned := func() *demo { return &demo{plants: plant()} }
	asPlanted := func(d *demo) (records []lines.Result) {
		for i, p := range d.plants {
			records = append(records, lines.Result{Line: i + 1, URL: p.url, Status: p.status, Bytes: p.bytes, Kind: p.kind, Sent: p.sent})
		}
		return records
	}
	for _, tt := range []struct {
		name   string
		change func([]lines.Result) []lines.Result
		want   int
	}{
		{"nothing", func(r []lines.Result) []lines.Result { return r }, exitGood},
		{"status", func(r []lines.Result) []lines.Result { r[7].Status++; return r }, exitFailed},
		{"bytes", func(r []lines.Result) []lines.Result { r[7].Bytes++; return r }, exitFailed},
		{"kind", func(r []lines.Result) []lines.Result { r[7].Kind = "other"; return r }, exitFailed},
		{"sent", func(r []lines.Result) []lines.Result { r[7].Sent = !r[7].Sent; return r }, exitFailed},
		{"URL", func(r []lines.Result) []lines.Result { r[7].URL += "x"; return r }, exitFailed},
		{"a line is missing", func(r []lines.Result) []lines.Result { return r[1:] }, exitFailed},
		{"a line comes twice", func(r []lines.Result) []lines.Result { return append(r, r[7]) }, exitFailed},
		{"a line of nothing", func(r []lines.Result) []lines.Result { return append(r, lines.Result{Line: demoURLs + 1}) }, exitFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := planned()
			for _, r := range tt.change(asPlanted(d)) {
				d.check(&r)
			}
			var says bytes.Buffer
			if got := d.verdict(&says); got != tt.want {
				t.Errorf("verdict() = %d, want %d; it says:\n%s", got, tt.want, &says)
			}
		})
	}
}

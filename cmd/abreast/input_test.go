package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// countLines counts the lines that are read, and leaves the file's offset
// unchanged.
func TestInput_countLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "urls.txt")
	if err := os.WriteFile(name, []byte("first\n"+strings.Repeat("x", 100_000)+"\n# no\n\n  \nlast"), 0o666); err != nil {
		t.Fatal(err)
	}
	sources, err := openSources([]string{name, "http://h/", name})
	if err != nil {
		t.Fatal(err)
	}
	if got := countLines(sources); got != 7 {
		t.Errorf("countLines() = %d, want 7", got)
	}
	var got []int
	in := readInput(sources)
	for batch := range in.next {
		for _, ln := range batch {
			got = append(got, ln.number)
		}
	}
	if want := []int{1, 2, 6, 7, 8, 9, 13}; !slices.Equal(got, want) || in.err != nil {
		t.Errorf("lines %v were read (%v), want %v", got, in.err, want)
	}
}

// The part of a line before a read error is not sent: the rest may matter.
func TestInput_readingFails(t *testing.T) {
	broken := errors.New("broken")
	in := &input{next: make(chan []line, 10)}
	_, err := in.readFile(io.MultiReader(strings.NewReader("http://h/1\nhttp://h/delete?keep="), iotest.ErrReader(broken)), 0)
	close(in.next)
	var got []string
	for batch := range in.next {
		for _, ln := range batch {
			got = append(got, ln.text)
		}
	}
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("read %q, then %v; want the first line, then %v", got, err, broken)
	}
}

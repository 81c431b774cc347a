package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// countLines counts the lines that are read, and leaves the file's offset
// unchanged.
func TestInput_countLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "urls.txt")
	long := strings.Repeat("x", 3*maxLine)
	if err := os.WriteFile(name, []byte("first\n"+long+"\n# no\n\n  \nlast"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := countLines(f); got != 3 {
		t.Errorf("countLines() = %d, want 3", got)
	}
	var got []int
	in := readInput(f)
	for ln := range in.next {
		got = append(got, ln.number)
	}
	if len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 6 || in.err != nil {
		t.Errorf("lines %v were read (%v), want 1, 2 and 6", got, in.err)
	}
}

// The part of a line before a read error is not fetched: the rest may matter.
func TestInput_readingFails(t *testing.T) {
	broken := errors.New("broken")
	in := readInput(io.MultiReader(strings.NewReader("http://h/1\nhttp://h/delete?keep="), iotest.ErrReader(broken)))
	var got []string
	for ln := range in.next {
		got = append(got, ln.text)
	}
	if len(got) != 1 || !errors.Is(in.err, broken) {
		t.Errorf("read %q, then %v; want the first line, then %v", got, in.err, broken)
	}
}

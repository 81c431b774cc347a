package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/abreast-go/abreast/examples/internal/lines"
)

// openInput opens the file that URLs are read from.
func openInput(name string) (*os.File, error) {
	in := os.Stdin
	if name != "" && name != "-" {
		var err error
		if in, err = os.Open(name); err != nil {
			return nil, err
		}
	}
	info, err := in.Stat()
	switch {
	case name == "" && (err != nil || isTerminal(in) || info.Mode()&os.ModeCharDevice != 0):
		return os.Open(os.DevNull) // nobody will write URLs to it
	case err != nil:
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: a file with one URL a line is needed", in.Name())
	}
	return in, nil
}

// maxLine is the length of the longest URL, in bytes.
const maxLine = 1 << 20

// A line is one line of input that is neither blank nor a comment.
type line struct {
	number int
	text   string
}

// An input is read on a goroutine of its own: a silent pipe must not hold up
// the rest of the program. The goroutine may wait for input until the program
// exits.
type input struct {
	next  chan line  // closed at the end of the input
	first chan error // one: the error of reading the first byte, or nil
	err   error      // why reading failed; set before next is closed
}

func readInput(r io.Reader) *input {
	in := &input{next: make(chan line), first: make(chan error, 1)}
	go in.read(lines.NewReader(r, maxLine))
	return in
}

// some waits for the first byte and reports whether there is one. When ctx is
// done, it returns true at once.
func (in *input) some(ctx context.Context) (bool, error) {
	select {
	case err := <-in.first:
		if err == io.EOF {
			return false, nil
		}
		return err == nil, err
	case <-ctx.Done():
		return true, nil
	}
}

func (in *input) read(r *lines.Reader) {
	defer close(in.next)
	in.first <- r.Peek()
	in.err = eachLine(r, func(ln line) { in.next <- ln })
}

// eachLine calls fn with each line that is neither blank nor a comment.
func eachLine(r *lines.Reader, fn func(line)) error {
	for {
		number, text, err := r.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case text != "":
			fn(line{number, text})
		}
	}
}

// countLines counts the lines of a file from its offset on, and leaves the
// offset unchanged. It returns 0 if it cannot count them.
func countLines(f *os.File) (n int64) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	rest := io.NewSectionReader(f, at, math.MaxInt64-at)
	eachLine(lines.NewReader(rest, maxLine), func(line) { n++ })
	return n
}

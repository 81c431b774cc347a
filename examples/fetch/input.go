package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// openInput opens what URLs are read from.
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
		return os.Open(os.DevNull) // nobody has URLs for us: nothing is to be waited for
	case err != nil:
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: a file with one URL a line is needed", in.Name())
	}
	return in, nil
}

// A line is one line of input that asks for something.
type line struct {
	number int
	text   string
	err    error // why it is not taken for a URL, whatever it says
}

// maxLine is how long a line may be, in bytes. The rest of a longer one is read
// over.
const maxLine = 1 << 20

var errLongLine = fmt.Errorf("the line is longer than %d bytes", maxLine)

// lines is the input, read on a goroutine of its own: a silent pipe must not hold
// up what else there is to do. That goroutine may wait for input for as long as
// the program runs.
type lines struct {
	next  chan line  // closed at the end of the input
	first chan error // what came of reading the first byte
	err   error      // why the reading ended early, once next is closed
}

func readLines(r io.Reader) *lines {
	l := &lines{next: make(chan line), first: make(chan error, 1)}
	go l.read(bufio.NewReaderSize(r, 64<<10))
	return l
}

// some waits for the first byte and reports whether there is one. Once ctx has
// ended it says yes, and doesn't wait.
func (l *lines) some(ctx context.Context) (bool, error) {
	select {
	case err := <-l.first:
		if err == io.EOF {
			return false, nil
		}
		return err == nil, err
	case <-ctx.Done():
		return true, nil
	}
}

func (l *lines) read(r *bufio.Reader) {
	defer close(l.next)
	_, err := r.Peek(1)
	l.first <- err
	s := scanner{r: r}
	for {
		ln, err := s.scan()
		if err != nil {
			if err != io.EOF {
				l.err = fmt.Errorf("reading the URLs: %w", err)
			}
			return
		}
		l.next <- ln
	}
}

// countLines counts the lines of a file from where it stands, and leaves it there.
// It is 0 where that is not to be had.
func countLines(f *os.File) (n int64) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	s := scanner{r: bufio.NewReaderSize(io.NewSectionReader(f, at, math.MaxInt64-at), 64<<10)}
	for {
		if _, err := s.scan(); err != nil {
			return n
		}
		n++
	}
}

// A scanner takes lines from a reader.
type scanner struct {
	r      *bufio.Reader
	number int
}

// scan is the next line that is neither blank nor a comment. Its error is io.EOF
// at the end; what was read of a line before any other error is dropped.
func (s *scanner) scan() (line, error) {
	for {
		text, err := s.readLine()
		if err != nil && (err != io.EOF || len(text) == 0) {
			if s.number > 0 && err != io.EOF {
				err = fmt.Errorf("after line %d: %w", s.number, err)
			}
			return line{}, err
		}
		s.number++
		if s.number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows begin files with it
		}
		long := len(text) > maxLine
		text = bytes.TrimSpace(text)
		switch {
		case bytes.HasPrefix(text, []byte("#")):
		case long:
			shown := redacted(string(text))
			return line{s.number, shown[:min(len(shown), 100)] + "...", errLongLine}, nil
		case len(text) > 0:
			return line{s.number, string(text), nil}, nil
		}
	}
}

// readLine is the next line, or a little more than maxLine of it. The bytes are
// good until the next call.
func (s *scanner) readLine() ([]byte, error) {
	text, err := s.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return text, err
	}
	text = bytes.Clone(text)
	for errors.Is(err, bufio.ErrBufferFull) {
		var more []byte
		more, err = s.r.ReadSlice('\n')
		if len(text) <= maxLine {
			text = append(text, more...)
		}
	}
	return text, err
}

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// maxLine is the length of the longest line, in bytes.
const maxLine = 64 << 20

// A source is an argument of the command line: a URL, or a file of lines.
type source struct {
	url  string
	file *os.File
}

// openSources opens the arguments. Without one, standard input is the list,
// unless it is a terminal.
func openSources(args []string) (all []source, err error) {
	if len(args) == 0 {
		if isTerminal(os.Stdin) {
			return nil, errors.New("nothing to do: name a URL, a FILE of URLs, or - for standard input")
		}
		args = []string{"-"}
	}
	for _, arg := range args {
		switch {
		case strings.Contains(arg, "://"):
			all = append(all, source{url: arg})
			continue
		case arg == "-":
			all = append(all, source{file: os.Stdin})
		default:
			f, err := os.Open(arg)
			if err != nil {
				return nil, noFile(arg, err)
			}
			all = append(all, source{file: f})
		}
		f := all[len(all)-1].file
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", f.Name(), err)
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a folder: a file with one URL a line is needed", f.Name())
		}
	}
	return all, nil
}

// noFile explains the error of opening an argument that may be meant as a URL.
func noFile(arg string, err error) error {
	if os.IsNotExist(err) && strings.ContainsAny(arg, ".:/") {
		return fmt.Errorf("%w (a URL begins with http:// or https://)", err)
	}
	return err
}

// A line is one line of input that is neither blank nor a comment.
type line struct {
	number int
	text   string
}

// An input is read on a goroutine of its own: a silent pipe must not hold up
// the rest of the program. The goroutine may wait for input until the program
// exits.
type input struct {
	next chan []line // closed at the end of the input
	err  error       // why reading failed; set before next is closed
}

// A batch of lines goes through the channel at once, which makes the channel
// cheap. It has what was read without waiting, and not more than this.
const (
	batchLines = 64
	batchBytes = 64 << 10
)

// readInput reads sources one after another. Lines are numbered through all of
// them.
func readInput(sources []source) *input {
	in := &input{next: make(chan []line)}
	go in.read(sources)
	return in
}

func (in *input) read(sources []source) {
	defer close(in.next)
	before := 0 // lines of the sources before
	for _, s := range sources {
		if s.url != "" {
			before++
			in.next <- []line{{before, s.url}}
			continue
		}
		last, err := in.readFile(s.file, before)
		if err != nil {
			in.err = err
			return
		}
		before = last
	}
}

// readFile sends the lines of a file, and returns the number of the last.
func (in *input) readFile(file io.Reader, before int) (last int, err error) {
	r := lines.NewReader(file, maxLine)
	last = before
	var batch []line
	length := 0
	for {
		number, text, err := r.Next()
		if err == nil {
			last = before + number
			if text != "" {
				batch = append(batch, line{last, text})
				length += len(text)
			}
		}
		if len(batch) > 0 && (err != nil || len(batch) == batchLines || length > batchBytes || r.Waits()) {
			in.next <- batch
			batch, length = nil, 0
		}
		if err == io.EOF {
			return last, nil
		}
		if err != nil {
			return last, err
		}
	}
}

// countLines returns the number of lines that sources have, or 0 if it cannot
// be known.
func countLines(sources []source) (n int64) {
	for _, s := range sources {
		if s.url != "" {
			n++
			continue
		}
		r, ok := s.again()
		if !ok {
			return 0
		}
		for {
			_, text, err := r.Next()
			if err != nil {
				break
			}
			if text != "" {
				n++
			}
		}
	}
	return n
}

// again returns a reader of a file that is to be read again: it leaves the
// offset unchanged. It returns false if that is not possible, as with a pipe.
func (s source) again() (*lines.Reader, bool) {
	info, err := s.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	at, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, false
	}
	return lines.NewReader(io.NewSectionReader(s.file, at, math.MaxInt64-at), maxLine), true
}

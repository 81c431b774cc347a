package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// An output is where results are written. It does not buffer: a reader of a
// pipe sees each line at once, and no line is lost if the program is killed.
type output struct {
	file    *os.File
	writer  *lines.Writer
	to      io.Writer // file, or what prints above the progress, or nothing
	written int64     // whole lines

	ordered bool
	next    int                   // with ordered: the place of the next result
	held    map[int]*lines.Result // with ordered: those that wait; nil marks a line that was never begun
}

// openOutput opens the file of results, and returns the lines that have one
// with -resume. The file must not be one of the sources.
func openOutput(o *options, sources []source) (out *output, done *finished, err error) {
	out, done = &output{ordered: o.ordered, held: make(map[int]*lines.Result)}, new(finished)
	switch name := o.out; {
	case o.resumed() != "":
		if err = notInput("resume", o.resumed(), sources); err == nil {
			out.file, done, err = openResumed(o.resumed(), o.resumeFailed != "")
		}
	case name == "" || name == "-":
		out.file = os.Stdout
	case o.appendOut:
		if err = notInput("out", name, sources); err == nil {
			out.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		}
	default:
		out.file, err = create("out", name, sources)
	}
	if err != nil {
		return nil, nil, err
	}
	out.to = out.file
	out.writer = lines.NewWriter(out)
	return out, done, nil
}

// notInput reports the error that a flag names a file that is read.
func notInput(flag, name string, sources []source) error {
	to, err := os.Stat(name)
	if err != nil || !to.Mode().IsRegular() {
		return nil
	}
	for _, s := range sources {
		if s.file == nil {
			continue
		}
		if from, err := s.file.Stat(); err == nil && os.SameFile(from, to) {
			return fmt.Errorf("-%s %s is the file that the list is read from", flag, name)
		}
	}
	return nil
}

// create creates the file that a flag names, unless it is one of the sources.
func create(flag, name string, sources []source) (*os.File, error) {
	if err := notInput(flag, name, sources); err != nil {
		return nil, err
	}
	return os.Create(name)
}

// add writes the result of the line at place seq, or with ordered holds it until
// those before it are written. A nil result is of a line that was not begun.
func (out *output) add(seq int, r *lines.Result) error {
	if !out.ordered {
		return out.write(r)
	}
	out.held[seq] = r
	for {
		r, there := out.held[out.next]
		if !there {
			return nil
		}
		delete(out.held, out.next)
		out.next++
		if err := out.write(r); err != nil {
			return err
		}
	}
}

func (out *output) write(r *lines.Result) error {
	if r == nil {
		return nil
	}
	if err := out.writer.Write(r); err != nil {
		return &writeError{err, out.written}
	}
	return nil
}

// Write writes a line, and counts it if it was written whole.
func (out *output) Write(line []byte) (int, error) {
	n, err := out.to.Write(line)
	if n == len(line) && bytes.HasSuffix(line, []byte("\n")) {
		out.written++
	}
	return n, err
}

// A writeError is the error of writing a result.
type writeError struct {
	err     error
	written int64 // whole lines before it
}

func (e *writeError) Error() string {
	return fmt.Sprintf("writing the results, after %s lines: %v", grouped(int(e.written)), e.err)
}

func (e *writeError) Unwrap() error { return e.err }

// isBrokenPipe reports whether err says that the reader of the results has gone.
func isBrokenPipe(err error) bool {
	var w *writeError
	return errors.As(err, &w) && errors.Is(w.err, syscall.EPIPE)
}

// close closes the file, unless it is standard output.
func (out *output) close() error {
	if out.file == os.Stdout {
		return nil
	}
	if err := out.file.Close(); err != nil {
		return &writeError{err, out.written}
	}
	return nil
}

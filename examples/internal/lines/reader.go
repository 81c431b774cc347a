// Package lines reads lists of URLs, one on a line, and writes results, one
// line of JSON each. It is where the programs fetch and fleet decide how long a
// text may be, what of it is shown, and what is escaped: URLs, reason phrases
// and error texts are written by others.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A Reader reads the lines of a list.
type Reader struct {
	r      *bufio.Reader
	max    int
	number int // of the last line
}

// NewReader returns a Reader for lines of at most max bytes.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), max: max}
}

// Peek waits for the first byte and returns the error of reading it.
func (r *Reader) Peek() error {
	_, err := r.r.Peek(1)
	return err
}

// Waits reports whether the next call of Next has to wait for input.
func (r *Reader) Waits() bool { return r.r.Buffered() == 0 }

// Next returns the number of the next line, which begins with 1, and its text
// without the space around it. The text of a comment is empty. Of a line that
// is too long, Next returns the beginning: more than max bytes, so that Check
// refuses it.
//
// At the end of the list, the error is io.EOF. If reading fails, Next drops the
// part of the line that it has read: the rest of a URL may matter.
func (r *Reader) Next() (number int, text string, err error) {
	line, err := r.read()
	if err != nil && (err != io.EOF || len(line) == 0) {
		if err != io.EOF {
			err = fmt.Errorf("reading the URLs, after line %d: %w", r.number, err)
		}
		return 0, "", err
	}
	r.number++
	if r.number == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff")) // editors on Windows begin files with it
	}
	trimmed := bytes.TrimSpace(line)
	if bytes.HasPrefix(trimmed, []byte("#")) {
		return r.number, "", nil
	}
	if len(line) > r.max { // untrimmed, since Check goes by its length
		return r.number, string(line), nil
	}
	return r.number, string(trimmed), nil
}

// read returns the next line, without its end. Of one of more than max bytes it
// returns max+1, and an "@" if there is one in the rest: Shown must know of it.
// The bytes are valid until the next call.
func (r *Reader) read() ([]byte, error) {
	line, err := r.r.ReadSlice('\n')
	at := false
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			var more []byte
			more, err = r.r.ReadSlice('\n')
			if len(line) <= r.max {
				line = append(line, more...)
			} else {
				at = at || bytes.IndexByte(more, '@') >= 0
			}
		}
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	if len(line) > r.max {
		last := line[r.max]
		if at || bytes.IndexByte(line[r.max:], '@') >= 0 {
			last = '@'
		}
		line = append(line[:r.max:r.max], last)
	}
	return line, err
}

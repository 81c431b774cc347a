// Package lines has the lines that abreast reads and writes: each line of input
// is a URL or a JSON object, and each line of output is a result in JSON. It
// decides which characters of a text reach a terminal, what is hidden of a
// password, and how failures are sorted by their kind.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A Reader reads the lines of a list.
type Reader struct {
	r      *bufio.Reader
	max    int
	number int // of the last line
	opened bool
}

// NewReader returns a Reader for lines of at most max bytes. A list that begins
// with a byte order mark may be in UTF-16. Any other list is in UTF-8.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), max: max}
}

const bufferSize = 64 << 10

// open looks at the first bytes: a byte order mark says how the list is encoded.
func (r *Reader) open() {
	r.opened = true
	mark, _ := r.r.Peek(2)
	if bytes.Equal(mark, []byte{0xFE, 0xFF}) || bytes.Equal(mark, []byte{0xFF, 0xFE}) {
		decoder := unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder()
		r.r = bufio.NewReaderSize(transform.NewReader(r.r, decoder), bufferSize)
		return
	}
	if mark, _ := r.r.Peek(3); string(mark) == "\ufeff" { // editors on Windows begin files with it
		r.r.Discard(len(mark))
	}
}

// Waits reports whether the next call of Next may have to wait for input.
func (r *Reader) Waits() bool {
	waiting, _ := r.r.Peek(r.r.Buffered())
	return bytes.IndexByte(waiting, '\n') < 0
}

// Next returns the number of the next line, which begins with 1, and its text
// without the space around it. The text of a comment is empty. Of a line that
// is too long, Next returns the beginning: more than max bytes, so that Parse
// refuses it.
//
// At the end of the list, the error is io.EOF. If reading fails, Next drops the
// part of the line that it has read: the rest of a URL may matter.
func (r *Reader) Next() (number int, text string, err error) {
	if !r.opened {
		r.open()
	}
	line, err := r.read()
	if err != nil && (err != io.EOF || len(line) == 0) {
		if err != io.EOF {
			err = fmt.Errorf("reading the list, after line %d: %w", r.number, err)
		}
		return 0, "", err
	}
	r.number++
	trimmed := bytes.TrimSpace(line)
	if bytes.HasPrefix(trimmed, []byte("#")) {
		return r.number, "", nil
	}
	if len(line) > r.max { // untrimmed, since Parse goes by its length
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

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A finished has the lines that need not be sent again, by number: one bit for
// each line. The zero finished has none.
type finished struct {
	bits  []uint64
	n     int
	first firstResult
}

// A firstResult is the first result of a file. It tells whether the file is of
// the list.
type firstResult struct {
	Line int    `json:"line"`
	URL  string `json:"url"`
}

// check reports the error that the file of results is of another list, if it
// shows in this line, which is finished.
func (f *finished) check(ln line) error {
	if ln.number != f.first.Line {
		return nil
	}
	if shown := lines.Parse(ln.number, ln.text, maxLine).Shown(); shown != f.first.URL {
		return fmt.Errorf("the results are of another list: line %d is %s there, and %s here", ln.number, f.first.URL, shown)
	}
	return nil
}

// has reports whether a line is finished.
func (f *finished) has(line int) bool {
	i := line / 64
	return i < len(f.bits) && f.bits[i]>>(line%64)&1 == 1
}

func (f *finished) set(line int, done bool) {
	if f.has(line) == done {
		return
	}
	for line/64 >= len(f.bits) {
		f.bits = append(f.bits, 0)
	}
	f.bits[line/64] ^= 1 << (line % 64)
	if done {
		f.n++
	} else {
		f.n--
	}
}

// openResumed opens a file of results to continue it. It cuts off a torn last
// line, which a killed run may have left, and returns the lines that have a
// result. If failed is true, lines whose last result is a failure count as if
// they had none. A missing file is empty.
func openResumed(name string, failed bool) (*os.File, *finished, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, nil, err
	}
	done := new(finished)
	end, err := done.read(f, failed)
	if err == nil {
		if info, statErr := f.Stat(); statErr == nil && info.Mode().IsRegular() && info.Size() > end {
			err = f.Truncate(end)
		}
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("-resume %s: %w", name, err)
	}
	return f, done, nil
}

// mostLines is more than any list has. A larger number is no line's.
const mostLines = 1 << 32

// read adds the results of r, and returns the offset after the last whole line.
func (f *finished) read(r io.Reader, failed bool) (end int64, err error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for n := 1; ; n++ {
		text, err := buffered.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			long = append(long[:0], text...)
			for err == bufio.ErrBufferFull {
				text, err = buffered.ReadSlice('\n')
				long = append(long, text...)
			}
			text = long
		}
		if err == io.EOF {
			return end, nil // what is left of a line is torn
		}
		if err != nil {
			return end, err
		}
		end += int64(len(text))
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		line, kind, err := parseFinished(text, failed)
		if err != nil {
			return end, fmt.Errorf("line %d is not a result: %w", n, err)
		}
		f.set(line, !failed || kind == "")
		if f.first.Line == 0 {
			json.Unmarshal(text, &f.first)
		}
	}
}

// parseFinished returns the number of the line of a result, and its kind if
// that is needed. To know the line alone, it does not parse the whole result.
func parseFinished(text []byte, needKind bool) (line int, kind lines.Kind, err error) {
	if rest, ok := bytes.CutPrefix(text, []byte(`{"line":`)); ok && !needKind {
		i := 0
		for ; i < len(rest) && i < 10 && '0' <= rest[i] && rest[i] <= '9'; i++ {
			line = 10*line + int(rest[i]-'0')
		}
		if i > 0 && i < len(rest) && rest[i] == ',' && line > 0 && line < mostLines {
			return line, "", nil
		}
	}
	var r struct {
		Line int        `json:"line"`
		Kind lines.Kind `json:"kind"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return 0, "", err
	}
	if r.Line < 1 || r.Line >= mostLines {
		return 0, "", errors.New("it has no number of a line")
	}
	return r.Line, r.Kind, nil
}

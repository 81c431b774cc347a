package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A finished knows which lines of a list have a result. The zero finished knows
// of none.
type finished struct {
	file   string                     // the results, for errors
	pages  map[int]*[pageLines]uint32 // a word for each line; 0: no result
	n      int                        // lines that have a result and are not repeated
	failed bool                       // lines whose last result is a failure are repeated

	// isRepeatable reports whether a request may be sent twice.
	isRepeatable func(*lines.Request) bool

	// claim keeps the name of a line's file from later lines.
	claim func(*lines.Request) error

	skipped, failures, canceled int // lines that skip has skipped; those that failed; of these, those in doubt
}

const pageLines = 4096

// The word of a line has these bits and, in place of the others, a part of a
// hash of the URL in its result. Four bytes for each line keep a list of a
// million in little memory. Of a billion lines with another URL, about seven are
// not noticed.
const (
	hasResult = 1 << iota
	hasFailed
	inDoubt // it was sent and canceled: the server may have acted on it
	toRepeat
	isChecked // by skip
	hashBits  = ^uint32(1<<iota - 1)
)

// word returns the word of a line, or nil if no line nearby has a result.
func (f *finished) word(line int) *uint32 {
	page := f.pages[line/pageLines]
	if page == nil {
		return nil
	}
	return &page[line%pageLines]
}

var seed = maphash.MakeSeed()

// hashOf returns the bits of a word for a URL that is shown. JSON has replaced
// the bytes that are not UTF-8.
func hashOf(url string) uint32 {
	if !utf8.ValidString(url) {
		url = string([]rune(url))
	}
	return uint32(maphash.String(seed, url)) & hashBits
}

// add adds a result. The last result of a line counts.
func (f *finished) add(r *lines.Result) {
	if f.pages == nil {
		f.pages = make(map[int]*[pageLines]uint32)
	}
	page := f.pages[r.Line/pageLines]
	if page == nil {
		page = new([pageLines]uint32)
		f.pages[r.Line/pageLines] = page
	}
	w := &page[r.Line%pageLines]
	if isKept(*w) {
		f.n--
	}
	*w = hasResult | hashOf(r.URL)
	if r.Kind != "" {
		*w |= hasFailed
	}
	switch {
	case r.Kind == "":
	case f.failed, r.Kind == lines.Canceled && !r.Sent:
		*w |= toRepeat
	case r.Kind == lines.Canceled:
		*w |= inDoubt
	}
	if isKept(*w) {
		f.n++
	}
}

// isKept reports whether a line with this word has a result and is not repeated.
func isKept(word uint32) bool { return word&(hasResult|toRepeat) == hasResult }

// skip reports whether a line is not sent, as it has a result. It counts the
// lines that are skipped. A line that was canceled is sent again if that is
// safe: its result is not that of a server, but of who stopped the program.
func (f *finished) skip(ln line) (bool, error) {
	err := f.check(ln)
	w := f.word(ln.number)
	if err != nil || w == nil || !isKept(*w) {
		return false, err
	}
	f.skipped++
	if *w&hasFailed != 0 {
		f.failures++
	}
	if *w&inDoubt != 0 {
		f.canceled++
	}
	return true, nil
}

// check decides whether a canceled line is repeated. Of a line that is skipped,
// it reports an error if its URL is not that of its result: the list is then
// not the one that the results are of. It does nothing the second time.
func (f *finished) check(ln line) error {
	w := f.word(ln.number)
	if w == nil || !isKept(*w) || *w&isChecked != 0 {
		return nil
	}
	*w |= isChecked
	if url, ok := firstURL(ln.text); ok && *w&inDoubt == 0 && hashOf(lines.Shown(url)) == *w&hashBits {
		return nil
	}
	r := lines.Parse(ln.number, ln.text, maxLine)
	switch {
	case hashOf(r.Shown()) != *w&hashBits:
		return fmt.Errorf("line %d of the list has another URL than its result in %s: resume a list with its own results", ln.number, f.file)
	case *w&inDoubt != 0 && f.isRepeatable(r):
		*w |= toRepeat
		f.n--
	case *w&hasFailed == 0:
		f.claim(r) // without an error: the line has its file already
	}
	return nil
}

// firstURL returns the URL of a line that is an object, as it is written, if it
// is the first field and no field names a file. Parsing a million objects would
// take eight times as long.
func firstURL(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, `{"url":`)
	if !ok || strings.Contains(rest, `"file"`) {
		return "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), `"`)
	url, _, closed := strings.Cut(rest, `"`)
	return url, ok && closed
}

// checkFiles checks the lines of sources before anything is sent, as far as
// they can be read twice. A pipe ends that: its lines are checked when they are
// skipped.
func (f *finished) checkFiles(sources []source) error {
	before := 0
	for _, s := range sources {
		if s.url != "" {
			before++
			if err := f.check(line{before, s.url}); err != nil {
				return err
			}
			continue
		}
		r, ok := s.again()
		if !ok {
			return nil
		}
		last := 0
		for {
			number, text, err := r.Next()
			if err != nil {
				break // it is reported when the list is read to be sent
			}
			last = number
			if text == "" {
				continue
			}
			if err := f.check(line{before + number, text}); err != nil {
				return err
			}
		}
		before += last
	}
	return nil
}

// openResumed opens a file of results to continue it. It cuts off a torn last
// line, which a killed run may have left, and returns the lines that have a
// result. If failed is true, lines whose last result is a failure are repeated.
// A missing file is empty.
func openResumed(name string, failed bool) (*os.File, *finished, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, nil, err
	}
	done := &finished{file: name, failed: failed}
	end, err := done.read(f)
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

// mostLines is more than any list has. A larger number is not a line number.
const mostLines = 1 << 32

// read adds the results of r, and returns the offset after the last whole line.
func (f *finished) read(r io.Reader) (end int64, err error) {
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
		result, err := parseFinished(text)
		if err != nil {
			return end, fmt.Errorf("line %d is not a result: %w", n, err)
		}
		f.add(&result)
	}
}

// parseFinished returns the line, the URL, the kind and the sent of a result. It
// does not parse the whole result, which may have a long body, if its fields are
// in the order in which they are written.
func parseFinished(text []byte) (r lines.Result, err error) {
	if parseBeginning(text, &r) {
		return r, nil
	}
	var fields struct {
		Line int        `json:"line"`
		URL  string     `json:"url"`
		Sent bool       `json:"sent"`
		Kind lines.Kind `json:"kind"`
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return r, err
	}
	if fields.Line < 1 || fields.Line >= mostLines {
		return r, errors.New("it has no line number")
	}
	return lines.Result{Line: fields.Line, URL: fields.URL, Sent: fields.Sent, Kind: fields.Kind}, nil
}

// parseBeginning fills r from the first fields of a result, and reports whether
// it could. It refuses a URL with an escape, and an id that is not a number or a
// string, since that may have fields of these names.
func parseBeginning(text []byte, r *lines.Result) bool {
	rest, ok := bytes.CutPrefix(text, []byte(`{"line":`))
	n := 0
	for ; ok && n < len(rest) && n < 10 && '0' <= rest[n] && rest[n] <= '9'; n++ {
		r.Line = 10*r.Line + int(rest[n]-'0')
	}
	if rest = rest[n:]; r.Line < 1 || r.Line >= mostLines {
		return false
	}
	id, rest, ok := bytes.Cut(rest, []byte(`,"url":"`))
	if !ok || bytes.ContainsAny(id, "{[") {
		return false
	}
	url, rest, ok := bytes.Cut(rest, []byte(`","status":`))
	if !ok || bytes.IndexByte(url, '\\') >= 0 {
		return false
	}
	between, rest, ok := bytes.Cut(rest, []byte(`,"sent":`))
	if !ok || bytes.ContainsAny(between, "{[") {
		return false
	}
	sent, rest, _ := bytes.Cut(rest, []byte(","))
	r.URL, r.Sent = string(url), string(sent) == "true"
	if kind, ok := bytes.CutPrefix(rest, []byte(`"kind":"`)); ok {
		kind, _, _ = bytes.Cut(kind, []byte(`"`))
		r.Kind = lines.Kind(kind)
	}
	return true
}

package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Small is the length up to which a body is copied, so that net/http can write
// it together with the header. It is the size of net/http's write buffer: a
// longer body takes several writes in any case.
const Small = 4 << 10

// A memory is a reader of a type that net/http writes together with the header:
// [strings.Reader], [bytes.Reader] or [bytes.Buffer], within an [io.NopCloser].
type memory interface {
	io.Reader
	Len() int
}

// nopCloser is the type that io.NopCloser gives these readers. It isn't
// exported; net/http recognizes it in the same way.
var nopCloser = reflect.TypeOf(io.NopCloser(new(strings.Reader)))

// inMemory returns the memory that body reads, or nil.
func inMemory(body io.ReadCloser) memory {
	v := reflect.ValueOf(body)
	if !v.IsValid() || v.Type() != nopCloser {
		return nil
	}
	switch r := v.Field(0).Interface().(type) {
	case *strings.Reader:
		if r != nil {
			return r
		}
	case *bytes.Reader:
		if r != nil {
			return r
		}
	case *bytes.Buffer:
		if r != nil {
			return r
		}
	}
	return nil
}

// isText reports whether body reads a string. Nobody can change a string, so it
// doesn't matter how long a transport goes on reading it.
func isText(body io.ReadCloser) bool {
	_, ok := inMemory(body).(*strings.Reader)
	return ok
}

// private returns a memory with the rest of m, or nil if that is too long to be
// copied. net/http must not get m itself: after an early response it goes on
// writing the request, and would read m after the handle is done, when the
// caller may use it again.
func private(m memory) memory {
	if r, ok := m.(*strings.Reader); ok {
		own := *r
		return &own
	}
	if m.Len() > Small {
		return nil
	}
	b := make([]byte, m.Len())
	io.ReadFull(m, b)
	return bytes.NewReader(b)
}

// A fileBody is a file that was passed to Body.
type fileBody struct {
	*os.File
	declared int64 // its length as Body saw it, -1 if that was not certain

	// Set before it is sent.
	ahead   []byte // was read from it already
	limited bool   // it is read up to left
	left    int64
}

// File returns f as a body, and its length, or -1 if that is not certain until
// f is sent.
func File(f *os.File) (body io.ReadCloser, length int64) {
	b := &fileBody{File: f, declared: -1}
	if n := b.length(); n > certain() {
		b.declared = n
	}
	return b, b.declared
}

// certain returns the size up to which a file may be of another size than it
// says. The files of /proc say 0, and those of /sys say a page.
func certain() int64 { return int64(max(Small, os.Getpagesize())) }

// length returns how many bytes f has from where it stands. It returns -1 if f
// isn't a regular file.
func (f *fileBody) length() int64 {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	return max(0, info.Size()-at)
}

// measure returns the length with which f is sent, or -1 if that is unknown. It
// is called just before f is sent, since a file may grow while its request is
// queued. It reads a short file, whose size may not be true.
func (f *fileBody) measure() (int64, error) {
	n := f.length()
	if n < 0 {
		return -1, nil
	}
	if n > certain() {
		f.limit(n)
		return n, nil
	}
	f.ahead = make([]byte, max(n, 512)+1)
	got, err := io.ReadFull(f.File, f.ahead)
	f.ahead = f.ahead[:got]
	switch err {
	case nil: // there is more
		return -1, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return int64(got), nil
	}
	return 0, err
}

// limit makes f end after n bytes, and fail if it has fewer.
func (f *fileBody) limit(n int64) { f.limited, f.left = true, n }

func (f *fileBody) Read(p []byte) (int, error) {
	if len(f.ahead) > 0 {
		n := copy(p, f.ahead)
		f.ahead = f.ahead[n:]
		return n, nil
	}
	if !f.limited {
		return f.File.Read(p)
	}
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.File.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	if err == io.EOF && f.left > 0 {
		err = fmt.Errorf("the file given to Body became shorter while it was sent: %d bytes are missing: %w", f.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// A trailer belongs to a request whose body may fill it while it is read (see
// http.Request.Trailer). The body fills the caller's map. Each send has a map
// of its own, which gets the caller's values as the body ends. A transport
// reads its map only then.
type trailer struct {
	callers http.Header // filled by the body
	copied  http.Header // as callers was when the request was made; options may change it
	keys    []string    // that the body fills; nil before the first attempt
}

// of returns the map that the body fills: the caller's, unless an option has
// replaced asked, the Trailer of the request.
func (t *trailer) of(asked http.Header) http.Header {
	if t != nil && reflect.ValueOf(t.copied).Pointer() == reflect.ValueOf(asked).Pointer() {
		return t.callers
	}
	return asked
}

// filling returns a function that copies to sent, a copy of asked, what a body
// has written since to the map that it fills. It leaves a key alone for which
// an option has set other values in sent.
func (t *trailer) filling(sent, asked http.Header) func() {
	filled := t.of(asked)
	keys := []string{}
	for key, values := range sent {
		if now, ok := filled[key]; ok && slices.Equal(values, now) {
			keys = append(keys, key)
		}
	}
	if t != nil {
		if t.keys == nil {
			t.keys = keys
		}
		keys = t.keys // the body of an earlier attempt may have filled the map
	}
	return func() {
		for _, key := range keys {
			if values, ok := filled[key]; ok && !slices.Equal(values, sent[key]) {
				sent[key] = slices.Clone(values)
			}
		}
	}
}

var errNoBody = errors.New("the request's GetBody returned neither a body nor an error")

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/abreast-go/abreast/examples/internal/lines"
)

// A folder is where bodies are written. It is an os.Root, so no name leads out
// of it.
type folder struct{ *os.Root }

// openFolder opens a folder, and creates it if necessary. It returns nil if
// name is empty.
func openFolder(name string) (*folder, error) {
	if name == "" {
		return nil, nil
	}
	if err := os.MkdirAll(name, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &folder{root}, nil
}

var errTooLarge = errors.New("the body is longer than -max-body allows")

// A fileError is the error of a file, as opposed to that of a connection.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// A body receives the body of a response. It writes it to a file in a folder,
// or drops it if there is no folder. The file has a temporary name until it is
// complete.
type body struct {
	folder *folder // nil: drop the body
	line   line
	max    int64 // bytes; 0: no limit

	n    int64
	part string
	file *os.File // nil until open is called
}

// Write counts and writes p. One goroutine calls it, which reads the response.
func (b *body) Write(p []byte) (int, error) {
	if room := b.max - b.n; b.max > 0 && int64(len(p)) > room {
		b.n += room
		return int(room), errTooLarge
	}
	b.n += int64(len(p))
	if b.folder == nil {
		return len(p), nil
	}
	if err := b.open(); err != nil {
		return 0, err
	}
	n, err := b.file.Write(p)
	if err != nil {
		return n, &fileError{err}
	}
	return n, nil
}

// open opens the file if it is not open.
func (b *body) open() error {
	if b.file != nil {
		return nil
	}
	part := fmt.Sprintf("%s.%08x.part", fileName(b.line), rand.Uint32())
	f, err := b.folder.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return &fileError{err}
	}
	b.part, b.file = part, f
	return nil
}

// keep completes the file and returns its name in the folder, which is empty if
// there is no folder. If keep fails, call drop.
func (b *body) keep() (name string, err error) {
	if b.folder == nil {
		return "", nil
	}
	if err := b.open(); err != nil { // an empty body
		return "", err
	}
	if err := b.file.Close(); err != nil {
		return "", &fileError{err}
	}
	name = fileName(b.line)
	if err := b.folder.Rename(b.part, name); err != nil {
		return "", &fileError{err}
	}
	return name, nil
}

// drop removes what was written.
func (b *body) drop() {
	if b.file != nil {
		b.file.Close()
		b.folder.Remove(b.part)
	}
}

// fileName returns the name of a line's file, such as
// "000012-example.com_docs_index-1f2e3d4c.html". The line's number keeps the
// files of one list apart, and the hash of the URL those of two lists. The name
// has only characters that every system allows and about 90 bytes at most, and
// it does not end in a dot. As it begins with a digit, it is not a device of
// Windows (CON, NUL, COM1).
func fileName(l line) string {
	shown := lines.Shown(l.text)
	var where, ext string
	if u, err := url.Parse(shown); err == nil {
		ext = path.Ext(u.Path)
		if !isExtension(ext) {
			ext = ""
		}
		where = strings.TrimRight(u.Host+strings.TrimSuffix(u.Path, ext), "/")
	}
	readable := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, where)
	readable = readable[:min(len(readable), 60)]
	return fmt.Sprintf("%06d-%s-%.4x%s", l.number, readable, sha256.Sum256([]byte(shown)), ext)
}

// isExtension reports whether ext, with its dot, can be part of a file's name.
func isExtension(ext string) bool {
	if len(ext) < 2 || len(ext) > 9 || ext == ".part" {
		return false
	}
	for _, c := range []byte(ext[1:]) {
		if !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

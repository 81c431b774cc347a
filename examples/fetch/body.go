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

// A folder is where bodies are kept. An os.Root, it lets nothing out.
type folder struct{ *os.Root }

// openFolder opens a folder, and makes it if need be. Without a name it is nil.
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

// fileError is a failure of a file, as opposed to one of a connection.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// A body takes what a server sends: in a folder it becomes a file, without one it
// is forgotten. The file has another name until it is whole.
type body struct {
	folder *folder // nil: none
	line   line
	max    int64 // bytes; 0: any

	n    int64
	part string
	file *os.File // nil: not opened yet
}

// Write is called by the one goroutine that reads the response.
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

// open opens the file, unless it is open.
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

// keep says that the body is whole, and returns its name in the folder, if there
// is one. Where it fails, drop is to be called.
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

// drop leaves nothing of what was written.
func (b *body) drop() {
	if b.file != nil {
		b.file.Close()
		b.folder.Remove(b.part)
	}
}

// fileName is the name of a line's file, like
// "000012-example.com_docs_index-1f2e3d4c.html": the line's number, so that no two
// lines of one input share a file; what is readable of host and path; a hash of
// the URL, so that another list's line doesn't take its place. The name has only
// characters that are good everywhere, does not end in a dot, begins with a digit
// and so is no device of Windows (CON, NUL, COM1), and has at most 90 bytes or so.
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

// isExtension reports whether ext, with its dot, is fit for a file's name.
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

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A folder is where bodies are written. It is an os.Root, so no name leads out
// of it.
type folder struct {
	*os.Root
	template string // of the names of files; "": the usual names
}

// openFolder opens a folder, and creates it if necessary. It returns nil if
// name is empty.
func openFolder(name, template string) (*folder, error) {
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
	return &folder{root, template}, nil
}

// A body receives the body of a response. It writes it to a file in a folder,
// or drops it if there is no folder. The file has a temporary name until it is
// complete.
type body struct {
	folder *folder // nil: drop the body
	line   *lines.Request
	max    int64 // bytes; 0: no limit

	n    int64
	part string
	file *os.File // nil until open is called
}

// Write counts and writes p. One goroutine calls it, which reads the response.
func (b *body) Write(p []byte) (int, error) {
	if room := b.max - b.n; b.max > 0 && int64(len(p)) > room {
		b.n += room
		return int(room), lines.ErrTooLarge
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
		return n, &lines.FileError{Err: err}
	}
	return n, nil
}

// open opens the file if it is not open.
func (b *body) open() error {
	if b.file != nil {
		return nil
	}
	name := b.folder.fileName(b.line)
	if dir := path.Dir(filepath.ToSlash(name)); dir != "." {
		if err := b.folder.MkdirAll(dir, 0o777); err != nil {
			return &lines.FileError{Err: err}
		}
	}
	part := fmt.Sprintf("%s.%08x.part", name, rand.Uint32())
	f, err := b.folder.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return &lines.FileError{Err: err}
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
		return "", &lines.FileError{Err: err}
	}
	name = b.folder.fileName(b.line)
	if err := b.folder.Rename(b.part, name); err != nil {
		return "", &lines.FileError{Err: err}
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

// checkTemplate reports what is wrong with the template of -name.
func checkTemplate(template string) error {
	rest := template
	for _, field := range []string{"{line}", "{host}", "{base}"} {
		rest = strings.ReplaceAll(rest, field, "")
	}
	switch {
	case strings.ContainsAny(rest, "{}"):
		return errors.New("{line}, {host} and {base} are known")
	case template != "" && !strings.Contains(template, "{line}"):
		return errors.New("{line} is needed: two lines must not share a file")
	case template != "" && !filepath.IsLocal(rest+"x"):
		return errors.New("the names would lead out of the folder")
	}
	return nil
}

// fileName returns the name of a line's file: the one that the line has, or one
// by the template, or one such as "000012-example.com_docs_index-1f2e3d4c.html".
// The line's number keeps the files of one list apart, and the hash of the URL
// those of two lists. The name has only characters that every system allows and
// about 90 bytes at most, and it does not end in a dot. As it begins with a
// digit, it is not a device of Windows (CON, NUL, COM1).
func (f *folder) fileName(l *lines.Request) string {
	if l.File != "" {
		return l.File
	}
	shown := lines.Shown(l.Address())
	u, err := url.Parse(shown)
	if err != nil {
		u = new(url.URL)
	}
	if f.template != "" {
		return strings.NewReplacer("{line}", fmt.Sprintf("%06d", l.Line), "{host}", plain(u.Host), "{base}", baseName(u)).Replace(f.template)
	}
	ext := path.Ext(u.Path)
	if !isExtension(ext) {
		ext = ""
	}
	where := strings.TrimRight(u.Host+strings.TrimSuffix(u.Path, ext), "/")
	return fmt.Sprintf("%06d-%s-%.4x%s", l.Line, plain(where), sha256.Sum256([]byte(shown)), ext)
}

// baseName returns the last part of a URL's path, or "index" if that is empty.
func baseName(u *url.URL) string {
	ext := path.Ext(u.Path)
	if !isExtension(ext) {
		ext = ""
	}
	base := plain(strings.TrimSuffix(u.Path[strings.LastIndexByte(u.Path, '/')+1:], ext))
	if base == "" {
		base = "index"
	}
	return base + ext
}

// plain returns text with an underscore in place of each character that a name
// of a file should not have, and not more than 60 bytes of it.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, text)
	return text[:min(len(text), 60)]
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

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A folder is where bodies are written.
type folder struct {
	name     string         // absolute
	template string         // of the names of files; "": the usual names
	owners   map[uint64]int // the lines that name a file, by a hash of the name
}

// openFolder creates the folder if necessary. It returns nil if name is empty.
func openFolder(name, template string) (*folder, error) {
	if name == "" {
		return nil, nil
	}
	abs, err := filepath.Abs(name) // once, and not for each file
	if err != nil {
		return nil, err
	}
	return &folder{abs, template, make(map[uint64]int)}, os.MkdirAll(abs, 0o777)
}

// claim reports the error that an earlier line names the file of a line: its
// body would be lost. It keeps a hash of each name, as a list may be long. A
// file that no line names has a name with the number of its line.
func (f *folder) claim(l *lines.Request) error {
	if f == nil || l.File == "" || l.Err != nil {
		return nil
	}
	name := filepath.Clean(filepath.FromSlash(l.File))
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" { // their folders ignore case
		name = strings.ToLower(name)
	}
	hash := maphash.String(seed, name)
	owner, there := f.owners[hash]
	if there && owner != l.Line {
		return fmt.Errorf("the file %q is that of line %d", l.File, owner)
	}
	f.owners[hash] = l.Line
	return nil
}

// path returns the path of a file in the folder.
func (f *folder) path(name string) string { return filepath.Join(f.name, filepath.FromSlash(name)) }

// makeFor makes the folder of a file.
func (f *folder) makeFor(name string) error {
	dir := filepath.Dir(filepath.FromSlash(name))
	if dir == "." {
		return nil
	}
	return os.MkdirAll(filepath.Join(f.name, dir), 0o777)
}

// checkTemplate reports what is wrong with the template of -name.
func checkTemplate(template string) error {
	rest := template
	for _, field := range []string{"{line}", "{host}", "{base}"} {
		rest = strings.ReplaceAll(rest, field, "x")
	}
	switch {
	case strings.ContainsAny(rest, "{}"):
		return errors.New("unknown field: only {line}, {host} and {base} exist")
	case template != "" && !strings.Contains(template, "{line}"):
		return errors.New("{line} is needed, so that no two lines share a file (a line may name its file with the field \"file\")")
	case template != "" && !filepath.IsLocal(rest):
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

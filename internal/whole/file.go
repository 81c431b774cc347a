// Package whole writes files that appear under their names when they are whole.
package whole

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// A File is written under a temporary name in the folder of its own name. Keep
// gives it its name; Drop removes it. One goroutine uses it.
type File struct {
	name string
	part *os.File
	done bool // it was kept or dropped
}

// A Name is a name that a file can be kept under.
type Name struct {
	path string // absolute
	had  bool   // a file had the name
}

// Check returns the Name for name. It returns an error if no file can be kept
// under name: name is empty, is not the name of a file on this system, is that
// of something other than a regular file, or is in a folder that does not
// exist. Check does not follow a symbolic link.
func Check(name string) (Name, error) {
	base := filepath.Base(name)
	// IsLocal refuses the devices of Windows ("NUL", "COM1.txt") and its
	// streams ("name:stream"), which a file cannot be renamed to.
	if name == "" || os.IsPathSeparator(name[len(name)-1]) || base == "." || !filepath.IsLocal(base) {
		return Name{}, fmt.Errorf("invalid file name %q", name)
	}
	abs, err := filepath.Abs(name) // the program may change its folder
	if err != nil {
		return Name{}, err
	}
	old, err := existing(abs)
	if old == nil && err == nil {
		if _, err = os.Stat(filepath.Dir(abs)); err != nil {
			err = fmt.Errorf("no folder for the file: %w", err)
		}
	}
	return Name{abs, old != nil}, err
}

// existing returns what has the name, or nil if nothing has. If it is not a
// regular file, existing returns an error.
//
// That is not cheap. If nothing has the name, tmpfs takes the lock of the
// folder, and so waits while another file is created there.
func existing(name string) (fs.FileInfo, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "create", Path: name, Err: notRegular(info.Mode())}
	}
	return info, nil
}

func notRegular(mode fs.FileMode) error {
	kind := "a special file"
	switch mode.Type() {
	case fs.ModeDir:
		kind = "a folder"
	case fs.ModeSymlink:
		kind = "a symbolic link"
	}
	return fmt.Errorf("it is %s, not a regular file", kind)
}

// Create creates the temporary file for name. If a file had the name when it was
// checked, and one has it still, the temporary file gets its permission bits.
// Otherwise it gets those that os.Create gives. If nothing had the name, Create
// does not look again, because that is not cheap. Keep does.
func Create(name Name) (*File, error) {
	var old fs.FileInfo
	var err error
	if name.had {
		old, err = existing(name.path)
	}
	if err != nil {
		return nil, err
	}
	perm := fs.FileMode(0o666)
	if old != nil {
		perm = old.Mode().Perm()
	}
	part, err := createPart(name.path, perm)
	if err != nil {
		return nil, err
	}
	f := &File{name: name.path, part: part}
	if old != nil {
		if err := part.Chmod(perm); err != nil { // the umask may have removed some
			f.Drop()
			return nil, err
		}
	}
	return f, nil
}

// createPart creates a file with a name that nothing has, in the folder of
// name. (os.CreateTemp would create it for its owner alone. Only the kernel
// knows the umask without changing it.)
func createPart(name string, perm fs.FileMode) (*os.File, error) {
	folder, base := filepath.Split(name)
	if len(base) > 100 { // the suffix must fit as well
		base = strings.ToValidUTF8(base[:100], "")
	}
	for tries := 0; ; tries++ {
		part := fmt.Sprintf("%s%s.%016x.part", folder, base, rand.Uint64())
		f, err := create(part, perm)
		if errors.Is(err, fs.ErrExist) && tries < 100 {
			continue
		}
		return f, err
	}
}

func (f *File) Write(p []byte) (int, error) { return f.part.Write(p) }

// Keep gives the file its name. If another file has that name, Keep replaces it
// and takes over its permission bits. To close the file may take seconds if it
// is on another machine, so Keep calls ended after it. ended returns an error if
// the file is no longer wanted. If Keep fails, or ended ends the goroutine, the
// file is removed.
//
// Keep does not sync the content to the disk: 10,000 small files would take
// several times as long. So after a power failure, a file that was kept shortly
// before may be empty.
func (f *File) Keep(ended func() error) error {
	defer f.Drop()
	old, err := existing(f.name)
	if err != nil {
		return err
	}
	if old != nil {
		// While the file is open: its name may lead to another file by now.
		if err := f.part.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := f.part.Close(); err != nil {
		return err
	}
	if err := ended(); err != nil {
		return err
	}
	if err := rename(f.part.Name(), f.name); err != nil {
		return err
	}
	f.done = true
	return nil
}

// Drop removes the file, unless it was kept.
func (f *File) Drop() {
	if f.done {
		return
	}
	f.done = true
	f.part.Close()
	os.Remove(f.part.Name()) // if that fails, its folder is gone or cannot be written
}

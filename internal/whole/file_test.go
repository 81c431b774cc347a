package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wanted() error { return nil }

// A file has a temporary name of its own in the folder of its name until it is
// kept.
func TestFile(t *testing.T) {
	folder := t.TempDir()
	name, err := Check(filepath.Join(folder, "f"))
	if err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	var fs [3]*File
	for i := range fs {
		if fs[i], err = Create(name); err != nil {
			t.Fatal(err)
		}
		if _, err := fs[i].Write([]byte{'0' + byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(); len(got) != 3 {
		t.Errorf("the folder has %q, want three temporary files", got)
	}
	fs[0].Drop()
	for _, f := range fs[1:] {
		if err := f.Keep(wanted); err != nil {
			t.Errorf("Keep() = %v", err)
		}
		f.Drop() // which does nothing now
	}
	if diff := cmp.Diff([]string{"f"}, names()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(name.path); string(b) != "2" || err != nil {
		t.Errorf("the file has %q, %v; want what was kept last", b, err)
	}
}

// Keep looks again at what has the name.
func TestFile_nameIsTaken(t *testing.T) {
	name, err := Check(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name.path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(wanted); err == nil {
		t.Error("Keep() = nil, want an error")
	}
	if info, err := os.Lstat(name.path); err != nil || info.Mode().Type() != fs.ModeDir {
		t.Errorf("Lstat() = %v, %v; want the folder", info, err)
	}
	if left, err := filepath.Glob(name.path + ".*"); len(left) != 0 || err != nil {
		t.Errorf("%q, %v are left, want nothing", left, err)
	}
}

// A cancel was lost while the file was closed, which can take seconds: the last
// look was before that.
func TestFile_notWanted(t *testing.T) {
	name, err := Check(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	canceled := errors.New("canceled")
	err = f.Keep(func() error {
		if _, err := f.part.Stat(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Stat() of the temporary file = %v, want fs.ErrClosed: it is closed", err)
		}
		if _, err := os.Stat(name.path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat() = %v, want fs.ErrNotExist: the file has its name already", err)
		}
		return canceled
	})
	if err != canceled {
		t.Errorf("Keep() = %v, want %v", err, canceled)
	}
	if left, err := filepath.Glob(name.path + "*"); len(left) != 0 || err != nil {
		t.Errorf("%q, %v are left, want nothing", left, err)
	}
}

// The errors of the system are those of package os.
func TestFile_systemErrors(t *testing.T) {
	folder := t.TempDir()
	taken, gone := filepath.Join(folder, "taken"), filepath.Join(folder, "gone", "f")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{taken: fs.ErrExist, gone: fs.ErrNotExist} {
		f, err := create(name, 0o666)
		var path *fs.PathError
		if !errors.As(err, &path) || path.Path != name || !errors.Is(err, want) {
			t.Errorf("create(%q) = %v, %v; want a *fs.PathError that matches %v", name, f, err, want)
		}
	}
	var link *os.LinkError
	err := rename(taken, gone)
	if !errors.As(err, &link) || link.Old != taken || link.New != gone || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename() = %v, want an *os.LinkError that matches fs.ErrNotExist", err)
	}
	if err := rename(taken, folder); err == nil {
		t.Error("rename() to the name of a folder = nil, want an error")
	}
}

package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
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

// modeOf returns the mode of the file that has a name.
func modeOf(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// The file gets the permission bits of the file that it replaces, even if these
// have changed since the name was checked.
func TestFile_oldPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	created, err := os.Create(filepath.Join(t.TempDir(), "created"))
	if err != nil {
		t.Fatal(err)
	}
	created.Close()
	usual := modeOf(t, created.Name())
	const none fs.FileMode = 0 // no file has the name
	for _, tc := range []struct {
		AtCheck, AtCreate, AtKeep fs.FileMode // of the file that has the name
		Before, After             fs.FileMode // of the file, before and after Keep
	}{
		{0o640, 0o640, 0o640, 0o640, 0o640},
		{0o644, 0o600, 0o600, 0o600, 0o600},
		{0o640, 0o640, 0o602, 0o640, 0o602},
		{0o777, none, none, usual, usual},
		{0o640, 0o640, none, 0o640, 0o640},
		{none, none, 0o602, usual, 0o602},
		{none, 0o602, 0o602, usual, 0o602},
	} {
		path := filepath.Join(t.TempDir(), "f")
		set := func(perm fs.FileMode) {
			os.Remove(path)
			if perm == none {
				return
			}
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, perm)); err != nil {
				t.Fatal(err)
			}
		}
		set(tc.AtCheck)
		name, err := Check(path)
		if err != nil {
			t.Fatal(err)
		}
		set(tc.AtCreate)
		f, err := Create(name)
		if err != nil {
			t.Fatal(err)
		}
		before := modeOf(t, f.part.Name())
		set(tc.AtKeep)
		if err := f.Keep(wanted); err != nil {
			t.Errorf("%+v: Keep() = %v", tc, err)
		}
		if after := modeOf(t, path); before != tc.Before || after != tc.After {
			t.Errorf("%+v: the mode is %v before Keep and %v after it", tc, before, after)
		}
	}
}

// Whoever can change the folder can put a link in the place of the temporary
// file. The permission bits of the file that it leads to stay as they are.
func TestFile_partIsReplaced(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "f"), filepath.Join(folder, "other")
	name, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o644),
		os.WriteFile(other, nil, 0o600), os.Remove(f.part.Name()),
	)
	if err == nil {
		err = os.Symlink(other, f.part.Name())
	}
	if err != nil {
		f.Drop()
		t.Skip(err) // Windows removes no open file
	}
	before := modeOf(t, other)
	f.Keep(wanted)
	if after := modeOf(t, other); after != before {
		t.Errorf("the mode of another file is %v, want %v", after, before)
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

//go:build unix

package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

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
		os.WriteFile(other, nil, 0o600),
		os.Remove(f.part.Name()), os.Symlink(other, f.part.Name()),
	)
	if err != nil {
		t.Fatal(err)
	}
	before := modeOf(t, other)
	f.Keep(wanted)
	if after := modeOf(t, other); after != before {
		t.Errorf("the mode of another file is %v, want %v", after, before)
	}
}

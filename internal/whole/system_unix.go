//go:build unix

package whole

import (
	"io/fs"
	"os"
	"syscall"
)

// create creates a file, as os.OpenFile does. But os.OpenFile offers each file
// to the poller of the runtime, which takes no regular file: that costs four
// more system calls.
func create(name string, perm fs.FileMode) (*os.File, error) {
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = syscall.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_CLOEXEC, uint32(perm))
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// rename renames a file, as os.Rename does. But os.Rename looks first whether a
// folder has the new name. Keep has looked, and the system does not replace a
// folder either.
func rename(from, to string) error {
	err := uninterrupted(func() error { return syscall.Rename(from, to) })
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// uninterrupted calls f until it fails otherwise than by a signal, as package
// os does: a file system in user space may be interrupted.
func uninterrupted(f func() error) error {
	for {
		if err := f(); err != syscall.EINTR {
			return err
		}
	}
}

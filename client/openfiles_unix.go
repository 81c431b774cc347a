//go:build unix

package client

import (
	"errors"
	"syscall"
)

// maxOpenFiles returns the number of files, connections included, that the
// process may have open. That is the soft limit, which package os raised to the
// hard limit when the program started.
func maxOpenFiles() (n uint64, ok bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true // Cur is signed on some systems
}

// tooManyOpenFiles reports whether err says that the process, or the system,
// can open no more files.
func tooManyOpenFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

//go:build unix

package main

import "syscall"

// maxOpenFiles returns the number of files, connections included, that the
// process may have open. Package os has raised the soft limit to the hard one.
func maxOpenFiles() (n uint64, ok bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true // Cur is signed on some systems
}

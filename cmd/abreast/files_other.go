//go:build !unix

package main

// maxOpenFiles reports false: the limit is not known.
func maxOpenFiles() (n uint64, ok bool) { return 0, false }

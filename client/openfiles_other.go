//go:build !unix

package client

// maxOpenFiles reports false: the limit is not known.
func maxOpenFiles() (n uint64, ok bool) { return 0, false }

// tooManyOpenFiles reports false: there is no limit to make room within.
func tooManyOpenFiles(error) bool { return false }

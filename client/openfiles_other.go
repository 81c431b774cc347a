//go:build !unix

package client

// maxOpenFiles reports that no limit is known.
func maxOpenFiles() (n uint64, ok bool) { return 0, false }

// tooManyOpenFiles returns false: without a known limit there is nothing to make
// room for.
func tooManyOpenFiles(error) bool { return false }

//go:build !unix

package whole

import (
	"io/fs"
	"os"
)

func create(name string, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

func rename(from, to string) error { return os.Rename(from, to) }

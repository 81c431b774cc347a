// Package spent is the body of a request that was sent and cannot be again. It is
// known to pending, which makes it, and to parallel, which refuses to send it.
package spent

import (
	"errors"
	"io"
)

// Err is what reading a Body comes to.
var Err = errors.New("the request's body was read as it was sent and cannot be read again: it has no GetBody")

// Body is an io.ReadCloser that stands for a body which is spent.
type Body struct{}

var _ io.ReadCloser = Body{}

func (Body) Read([]byte) (int, error) { return 0, Err }
func (Body) Close() error             { return nil }

package exchange

import (
	"bytes"
	"io"
)

// The sizes that a buffer begins with.
const (
	trusted = 64 << 10 // up to here a declared length is believed
	unknown = 512      // without one, as io.ReadAll
)

// growth is how many times larger a buffer may be than what has been received,
// if the body declares that much.
const growth = 8

// A Buffer holds the beginning of a body that declares more than is believed.
// That beginning is copied once the rest has come. So a worker reuses its
// Buffer from one body to the next, in place of making garbage.
type Buffer struct {
	buf []byte // nil at first, growth*trusted at most
}

// readAll reads r to its end, or a little beyond limit, if that is not 0.
//
// io.ReadAll ignores a declared length, and copies a large body a dozen times.
// To allocate the declared length would let a server that sends nothing occupy
// a gigabyte. Here memory follows the bytes received: a declared length is
// believed up to trusted bytes, and then up to growth times what has come.
func (b *Buffer) readAll(r io.Reader, declared, limit int64) ([]byte, error) {
	begins := declared > trusted // buf is b.buf
	var buf []byte
	switch {
	case begins:
		buf = b.start(declared)
	case declared > 0:
		buf = make([]byte, 0, declared)
	default:
		buf = make([]byte, 0, unknown)
	}
	result := func() []byte {
		if begins {
			return bytes.Clone(buf)
		}
		return buf
	}
	for idle := 0; ; {
		full := len(buf) == cap(buf)
		room := buf[len(buf):cap(buf)]
		if full { // Is there more? If not, it is of the right size already.
			room = make([]byte, 1)
		}
		n, err := r.Read(room)
		if err != nil && err != io.EOF {
			b.buf = nil // a Read that broke off may be writing still
		}
		switch {
		case n < 0 || n > len(room):
			return result(), errBadRead
		case n == 0 && err == nil:
			if idle++; idle == 100 {
				return result(), io.ErrNoProgress
			}
			continue
		case full && n == 1:
			buf = grown(buf, declared, limit)
			if begins = int64(cap(buf)) < declared && cap(buf) <= growth*trusted; begins {
				b.buf = buf
			}
			buf = append(buf, room[0])
		default:
			buf = buf[:len(buf)+n]
		}
		idle = 0
		if err == io.EOF {
			return result(), nil
		}
		if err != nil || limit > 0 && int64(len(buf)) > limit {
			return result(), err
		}
	}
}

// start returns an empty buffer for a body that declares more than is believed:
// that of an earlier body, if there was one.
func (b *Buffer) start(declared int64) []byte {
	if b.buf == nil {
		b.buf = make([]byte, 0, trusted)
	}
	if declared <= growth*trusted {
		return b.buf[:0:trusted]
	}
	return b.buf[:0]
}

// grown returns buf with a larger capacity: twice what has been received, or
// the declared length if that is at most growth times what has been received.
// It is no larger than it takes to see that the body passes limit.
func grown(buf []byte, declared, limit int64) []byte {
	have := int64(len(buf))
	size := 2 * have
	if declared > have {
		size = min(declared, growth*have)
	}
	if limit >= have && limit < size {
		size = limit + 1
	}
	larger := make([]byte, have, size)
	copy(larger, buf)
	return larger
}

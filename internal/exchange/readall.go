package exchange

import (
	"bytes"
	"io"
)

// Sizes of a buffer to begin with.
const (
	trusted = 64 << 10 // up to here a declared length is believed
	unknown = 512      // without one, as io.ReadAll
)

// growth is how many times as much as came a buffer may hold, if so much is declared.
const growth = 8

// A Buffer is where one body after the other begins, if it declares more than is
// believed. What comes first is copied once it is believed, and would be garbage then.
type Buffer struct {
	buf []byte // nil at first, growth*trusted at most
}

// readAll reads r to its end, but hardly beyond limit, if that is not 0. Unlike
// io.ReadAll it makes use of a declared length, and unlike those who allocate
// that, it doesn't let a server that sends nothing have a buffer of a gigabyte:
// memory follows the bytes that came.
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

// start is an empty buffer for what declares more than is believed. What was believed of
// another body is there already.
func (b *Buffer) start(declared int64) []byte {
	if b.buf == nil {
		b.buf = make([]byte, 0, trusted)
	}
	if declared <= growth*trusted {
		return b.buf[:0:trusted]
	}
	return b.buf[:0]
}

// grown is buf with a larger capacity: twice as much as came, or up to the
// declared length, if that is no more than growth times as much; not more than is
// needed to see that limit is passed.
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

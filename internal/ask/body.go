package ask

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Memory is the Body of a response that is in memory. Close does nothing.
type Memory struct {
	bytes.Reader
	all []byte // including what was read
}

// Set makes m read b from the start.
func (m *Memory) Set(b []byte) {
	m.Reset(b)
	m.all = b
}

func (*Memory) Close() error { return nil }

// InMemory returns the body of a response that a handle returned, from its
// start. It returns false for any other response.
func InMemory(resp *http.Response) (body []byte, ok bool) {
	m, ok := resp.Body.(*Memory)
	if !ok {
		return nil, false
	}
	return m.all, true
}

// ErrSpent is the error of reading a body that was sent and cannot be read
// again.
var ErrSpent = errors.New("the request's body was read as it was sent and cannot be read again: " +
	"use the option Body, or set GetBody before the request is first sent")

type spent struct{}

func (spent) Read([]byte) (int, error) { return 0, ErrSpent }
func (spent) Close() error             { return nil }

// IsSpent reports whether body stands for one that was sent and cannot be read
// again.
func IsSpent(body io.ReadCloser) bool { return body == spent{} }

// Fresh returns the body of r as one that can be read: opened with GetBody when
// it is first read. If r has no GetBody, it returns a body that is spent.
func Fresh(r *http.Request) io.ReadCloser {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return r.Body
	case r.GetBody == nil:
		return spent{}
	}
	return &fresh{open: r.GetBody}
}

// A fresh is a body that is opened when it is first read, so that a copy of a
// request that is only looked at holds nothing open.
type fresh struct {
	open func() (io.ReadCloser, error)

	mu     sync.Mutex // guards the fields below
	body   io.ReadCloser
	closed bool
}

func (b *fresh) Read(p []byte) (int, error) {
	body, err := b.opened()
	if err != nil {
		return 0, err
	}
	return body.Read(p)
}

// opened returns the open body. It opens it without the lock, since that runs
// user code: a GetBody that panics must not leave a lock behind on which Close
// waits.
func (b *fresh) opened() (io.ReadCloser, error) {
	b.mu.Lock()
	body, closed := b.body, b.closed
	b.mu.Unlock()
	switch {
	case closed:
		return nil, http.ErrBodyReadAfterClose
	case body != nil:
		return body, nil
	}
	body, err := b.open()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	late := b.closed || b.body != nil // another Read may have opened it
	if !late {
		b.body = body
	}
	b.mu.Unlock()
	if late {
		body.Close()
		return b.opened()
	}
	return body, nil
}

func (b *fresh) Close() error {
	b.mu.Lock()
	body, closed := b.body, b.closed
	b.closed = true
	b.mu.Unlock()
	if body == nil || closed {
		return nil
	}
	return body.Close()
}

package parallel

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"sync"

	"github.com/sourcegraph/conc/panics"
)

// uploads are the bodies that one request took: the one it was made with, others
// that options put in its place, and those that GetBody opened for it. Each is
// closed once, at the latest before the handle settles.
type uploads struct {
	s    *sending
	last io.ReadCloser // the latest to be taken

	mu sync.Mutex

	// Guarded by mu.
	all    []*upload
	closed bool
	err    error // a panic or Goexit in a Read or a Close
}

// take makes body, unless it is empty or was taken already, the request's.
func (s *sending) take(body io.ReadCloser) {
	if body == nil || body == http.NoBody || s.uploads != nil && same(body, s.uploads.last) {
		return
	}
	if s.uploads == nil {
		s.uploads = &uploads{s: s}
	}
	s.uploads.last = body
	s.uploads.add(&upload{body: body})
}

// same reports whether a and b are one body. Of a type that cannot be compared
// there is no telling: then they count as one.
func same(a, b io.ReadCloser) bool {
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false
	}
	return !reflect.ValueOf(a).Comparable() || a == b
}

func (us *uploads) add(u *upload) {
	u.all = us
	us.mu.Lock()
	defer us.mu.Unlock()
	us.all = append(us.all, u)
	if us.closed {
		u.closing = true // and nothing was opened
	}
}

// attach gives req, a copy of what s asked for, its body: GetBody's, opened when
// it is first read, where there is one, else that which was taken last.
func (us *uploads) attach(req *http.Request) {
	if req.Body == nil || req.Body == http.NoBody {
		return
	}
	getBody := req.GetBody
	if getBody == nil {
		us.mu.Lock()
		req.Body = us.all[len(us.all)-1]
		us.mu.Unlock()
		return
	}
	fresh := func() io.ReadCloser {
		u := &upload{open: getBody}
		us.add(u)
		return u
	}
	req.Body = fresh()
	req.GetBody = func() (io.ReadCloser, error) { return fresh(), nil }
}

// close closes all bodies, so that a Read which would block for ever ends: net/http
// waits for it, whatever becomes of the request's context (golang/go 78555).
func (us *uploads) close() {
	us.mu.Lock()
	us.closed = true
	all := us.all
	us.mu.Unlock()
	for _, u := range all {
		u.Close()
	}
}

// finish closes all bodies and waits until no Read is running: none begins
// after. It returns what a Read or Close failed with that did not return.
func (us *uploads) finish() error {
	us.close()
	us.mu.Lock()
	all := us.all
	us.mu.Unlock()
	for _, u := range all {
		u.awaitRead()
	}
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.err
}

// guard calls f, which runs code of the user's on a goroutine of net/http's, where
// a panic would end the process: it is kept for the owner of the block, and the
// request is ended. So it is if f ends the goroutine.
func (us *uploads) guard(f func()) error {
	returned := false
	defer func() {
		if !returned {
			us.failed(errGoexit)
			us.s.end(errGoexit)
		}
	}()
	r := recovered(panics.Try(f))
	returned = true
	if r == nil {
		return nil
	}
	us.failed(r.AsError())
	us.s.p.caught(r)
	return errPanicked
}

var errPanicked = errors.New("the request's body panicked")

func (us *uploads) failed(err error) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.err == nil {
		us.err = err
	}
}

// An upload is one body.
type upload struct {
	all  *uploads
	open func() (io.ReadCloser, error) // nil: body is open already

	reading sync.Mutex // held while Read runs
	close   sync.Once

	mu sync.Mutex

	// Guarded by mu.
	body    io.ReadCloser
	closing bool // no Read begins
}

func (u *upload) Read(p []byte) (n int, err error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	if u.isClosing() {
		return 0, http.ErrBodyReadAfterClose
	}
	if failed := u.all.guard(func() {
		if err = u.opened(); err == nil {
			n, err = u.body.Read(p)
		}
	}); failed != nil {
		return 0, failed
	}
	return n, err
}

// awaitRead waits until no Read runs.
func (u *upload) awaitRead() {
	u.reading.Lock()
	defer u.reading.Unlock()
}

func (u *upload) isClosing() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.closing
}

// opened opens the body if need be. Only Read calls it, and only Close may get in
// between.
func (u *upload) opened() error {
	if u.open == nil || u.body != nil {
		return nil
	}
	body, err := u.open()
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.body = body
	late := u.closing
	u.mu.Unlock()
	if late {
		body.Close()
		return http.ErrBodyReadAfterClose
	}
	return nil
}

// Close closes the body once, however often it is called, and returns when it is
// closed. It may be called while Read runs, and ends it if the body is of the kind
// whose Close does.
func (u *upload) Close() (err error) {
	u.close.Do(func() {
		u.mu.Lock()
		u.closing = true
		body := u.body
		u.mu.Unlock()
		if body == nil {
			return
		}
		if failed := u.all.guard(func() { err = body.Close() }); failed != nil {
			err = failed
		}
	})
	return err
}

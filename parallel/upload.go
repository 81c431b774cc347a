package parallel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/spent"
)

// uploads are the bodies that one request took: the one it was made with, others
// that options put in its place, and those that GetBody opened for it. Each is
// closed once, at the latest before the handle settles.
type uploads struct {
	s       *sending
	body    *upload     // the one to be sent first
	unwatch func() bool // from the end of the context; nil if not sent

	mu sync.Mutex

	// Guarded by mu.
	all    []*upload
	closed bool
	err    error // a panic or Goexit in a Read or a Close
}

// take makes the body of the request, unless it is empty or was taken already, one
// that is closed once. Options see that one: what they wrap around it may close it
// too.
func (s *sending) take() {
	r := s.request.Request
	if r == nil || r.Body == nil || r.Body == http.NoBody || r.Body == (spent.Body{}) {
		return
	}
	if u, ok := r.Body.(*upload); ok && s.uploads != nil && u.all == s.uploads {
		s.uploads.body = u
		return
	}
	if s.uploads == nil {
		s.uploads = &uploads{s: s}
	}
	s.uploads.body = s.uploads.add(&upload{body: r.Body})
	if _, ok := r.Body.(emptyBody); ok {
		r.Body = http.NoBody // as which net/http knows it
	} else {
		r.Body = s.uploads.body
	}
}

// takeGiven takes the body of a request of the user's own. If it can be opened anew,
// it is, since the user may pass the same request again, to be sent beside this one.
func (s *sending) takeGiven() {
	s.take()
	if s.uploads != nil && s.request.GetBody != nil {
		s.uploads.body = s.uploads.add(&upload{open: s.request.GetBody})
		s.request.Body = s.uploads.body
	}
}

// taken stands for the body in a request that was made: the handle keeps that
// request, and need not keep what sent it.
var taken = io.NopCloser(nil)

func (us *uploads) add(u *upload) *upload {
	u.all = us
	u.changed.L = &u.mu
	us.mu.Lock()
	defer us.mu.Unlock()
	us.all = append(us.all, u)
	u.closing, u.closed = us.closed, us.closed // nothing was opened yet
	return u
}

// attach gives req, a copy of what was asked for, its bodies. The end of ctx closes
// them.
func (us *uploads) attach(req *http.Request, ctx context.Context) {
	us.unwatch = context.AfterFunc(ctx, us.close)
	if req.Body == nil || req.Body == http.NoBody {
		return
	}
	req.Body = us.body
	if open := req.GetBody; open != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			if us.isFinished() { // asked of the response's Request: the user's affair
				return open()
			}
			return us.add(&upload{open: open}), nil
		}
	}
}

func (us *uploads) isFinished() bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.s == nil
}

// close closes all bodies, so that a Read which would block for ever ends: net/http
// waits for it, whatever becomes of the request's context (golang/go 78555).
func (us *uploads) close() {
	us.mu.Lock()
	us.closed = true
	all := us.all
	us.mu.Unlock()
	closeAll(all)
}

// closeAll closes all of them, the last first, which may be wrapped around those before
// it. A Close may end its goroutine: all but the final one have one of their own.
func closeAll(all []*upload) {
	for i, u := range slices.Backward(all) {
		if i == 0 {
			u.Close()
			return
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			u.Close()
		}()
		<-closed
	}
}

// finish closes all bodies and waits until no Read is running: none begins
// after. It returns what a Read or Close failed with that did not return.
func (us *uploads) finish() (err error) {
	defer func() {
		us.mu.Lock()
		all := us.all
		us.mu.Unlock()
		for _, u := range all {
			u.awaitRead()
		}
		us.mu.Lock()
		defer us.mu.Unlock()
		err = us.err
		us.s, us.all, us.body = nil, nil, nil // a response's Request may keep us
	}()
	us.close()
	return nil // see above
}

// guard calls f, which runs code of the user's on a goroutine of net/http's, where
// a panic would end the process: it is kept for the owner of the block, and the
// request is ended. So it is if f ends the goroutine.
func (us *uploads) guard(f func()) (err error) {
	us.s.p.guard.run(f, func(why error) {
		us.failed(why)
		if why == errGoexit {
			us.s.end(why)
		}
		err = errPanicked
	})
	return err
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

	mu      sync.Mutex
	changed sync.Cond // reading or closed

	// Guarded by mu.
	body    io.ReadCloser
	reading bool // a Read is running
	closing bool // no Read begins
	closed  bool
}

// Read reads the body, opening it if need be, until it is closed.
func (u *upload) Read(p []byte) (n int, err error) {
	u.mu.Lock()
	for u.reading && !u.closing {
		u.changed.Wait()
	}
	if u.closing {
		u.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	u.reading = true
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.reading = false
		u.changed.Broadcast()
	}()
	if failed := u.all.guard(func() {
		if err = u.opened(); err == nil {
			n, err = u.body.Read(p)
		}
	}); failed != nil {
		return 0, failed
	}
	return n, err
}

// opened opens the body if need be. Only the Read that is running calls it, and
// only Close may get in between.
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
	u.mu.Lock()
	if u.closing {
		for !u.closed {
			u.changed.Wait()
		}
		u.mu.Unlock()
		return nil
	}
	u.closing = true
	body := u.body
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.closed = true
		u.changed.Broadcast()
	}()
	if body == nil {
		return nil
	}
	if failed := u.all.guard(func() { err = body.Close() }); failed != nil {
		return failed
	}
	return err
}

// awaitRead waits until no Read is running.
func (u *upload) awaitRead() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.reading {
		u.changed.Wait()
	}
}

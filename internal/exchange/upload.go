package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/stall"
)

// uploads holds the bodies of one request that must be closed: the one it was
// made with, those that options put in its place, and those that GetBody
// opened. Each is closed once, before the handle is done.
type uploads struct {
	x    *Exchange
	body *upload // the one to be sent first; nil if there is none or it is in memory
	last *Answer // of the attempt before; nil if the body needn't be opened again

	// Set before the request is sent.
	ctx    context.Context
	memory memory // is sent in place of body; nil: body is sent
	length int    // of memory
	fill   func() // fills the trailer as a body ends; nil without a trailer

	mu sync.Mutex

	// Guarded by mu.
	all     []*upload
	unwatch func() bool // from the end of ctx; nil while nothing is to be closed
	err     error       // a panic or Goexit in a Read, a Close or GetBody
	broken  bool        // a Read or GetBody failed
	closed  bool

	// Set before the request is sent.
	shows bool // a body in memory shows its Reads: see fromMemory
}

// bodies returns the uploads of the request.
func (x *Exchange) bodies() *uploads {
	if x.uploads == nil {
		x.uploads = &uploads{x: x}
	}
	return x.uploads
}

// Take makes the library responsible for the body of r: it replaces the body by
// one that is closed once, however often Close is called. Options see that one,
// and may wrap theirs around it. Take leaves a body alone that is empty, reads
// a string, or was taken before.
func (x *Exchange) Take(r *http.Request) {
	if x.uploads != nil {
		x.uploads.body = nil
	}
	if r.Body == nil || r.Body == http.NoBody || ask.IsSpent(r.Body) {
		return
	}
	if r.GetBody != nil && isText(r.Body) { // GetBody keeps the string in any case
		return
	}
	us := x.bodies()
	u, ok := r.Body.(*upload)
	if !ok || u.us != us {
		u = us.add(&upload{body: r.Body})
		r.Body = u
	}
	us.body = u
}

// TakeGiven takes the body of a request that the user made. If GetBody can open
// it again, another one is sent in its place: the user may pass the same
// request again, to be sent at the same time.
func (x *Exchange) TakeGiven(r *http.Request) {
	likely := inMemory(r.Body) != nil || r.ContentLength > 0 && r.ContentLength <= Small
	x.Take(r)
	if r.Body == nil || r.Body == http.NoBody || ask.IsSpent(r.Body) || r.GetBody == nil {
		return
	}
	us := x.bodies()
	us.body = us.add(&upload{open: r.GetBody, likely: likely})
	r.Body = us.body
}

// CopyOf returns a copy of r, which is the user's, from which the request is
// made. The copy has a Trailer of its own: see trailer.
func (x *Exchange) CopyOf(r *http.Request) *http.Request {
	c := r.Clone(r.Context())
	if len(r.Trailer) > 0 {
		// An option may have replaced the request by a shallow copy of it.
		x.trailer = &trailer{callers: x.trailer.of(r.Trailer), copied: c.Trailer}
	}
	return c
}

// taken replaces the body in a request that was made. The handle keeps the
// request, and must not keep the exchange.
var taken = io.NopCloser(nil)

// Strip takes the body out of r, the request that was made, so that the handle
// can keep r. The exchange has the body.
func (x *Exchange) Strip(r *http.Request) {
	if _, ok := r.Body.(*upload); ok {
		r.Body = taken
	}
}

func (us *uploads) add(u *upload) *upload {
	u.us = us
	u.changed.L = &u.mu
	us.mu.Lock()
	defer us.mu.Unlock()
	us.all = append(us.all, u)
	u.closing, u.closed = us.closed, us.closed // nothing was opened yet
	return u
}

// attach gives req, a copy of the original request, its bodies. The end of ctx
// closes them. If attach returns an error, the request is not sent.
func (x *Exchange) attach(req *http.Request, ctx context.Context) error {
	if req.Body == nil || req.Body == http.NoBody {
		if x.uploads != nil {
			x.uploads.watch(ctx)
		}
		return nil
	}
	us := x.bodies()
	us.ctx = ctx
	us.watch(ctx)
	clock := x.conns.Clock
	us.shows = clock != nil && (req.ContentLength > Small || req.Header.Get("Expect") != "")
	if len(req.Trailer) > 0 {
		us.fill = x.trailer.filling(req.Trailer, x.Ask.Trailer())
	}
	if open := req.GetBody; open != nil {
		req.GetBody = func() (io.ReadCloser, error) { return us.reopen(open) }
	}
	if us.body == nil {
		us.memory = inMemory(req.Body)
	} else {
		us.body.fill, us.body.clock = us.fill, clock
		req.Body = us.body
		if err := us.prepare(req); err != nil {
			return err
		}
	}
	if us.memory != nil {
		us.length = us.memory.Len()
		if us.body != nil || us.shows {
			req.Body = us.fromMemory(us.memory)
		}
	}
	return nil
}

// prepare finds out whether us.body, the body of req, can be sent from memory,
// and how long a file is.
func (us *uploads) prepare(req *http.Request) error {
	u := us.body
	if u.likely && u.body == nil {
		if err := us.guardErr(u.opened); err != nil {
			return err
		}
	}
	if m := inMemory(u.body); m != nil {
		us.memory = private(m)
		return nil
	}
	for _, f := range us.all { // without mu: nothing is added before the transport calls GetBody
		file, ok := f.body.(*fileBody)
		switch {
		case !ok || file.declared != req.ContentLength:
		case f != u: // an option wrapped it
			if file.declared > 0 {
				file.limit(file.declared)
			}
		default:
			n, err := file.measure()
			if err != nil {
				return err
			}
			req.ContentLength = n
			if n == 0 {
				req.Body = http.NoBody
			} else if n == int64(len(file.ahead)) {
				us.memory = bytes.NewReader(file.ahead)
			}
		}
	}
	return nil
}

// reopen opens another body with open, the request's GetBody, for net/http.
func (us *uploads) reopen(open func() (io.ReadCloser, error)) (body io.ReadCloser, err error) {
	us.mu.Lock()
	finished := us.x == nil
	us.mu.Unlock()
	if finished { // asked of the response's Request: the user's affair
		return open()
	}
	u := us.add(&upload{open: open, fill: us.fill, clock: us.x.conns.Clock})
	if !u.beginRead() {
		return nil, http.ErrBodyReadAfterClose
	}
	defer u.endRead()
	us.watch(us.ctx)
	if err := us.guardErr(u.opened); err != nil {
		return nil, err
	}
	if m := inMemory(u.body); m != nil {
		if m = private(m); m != nil {
			return us.fromMemory(m), nil
		}
	}
	return u, nil
}

// fromMemory returns m as a body for net/http. net/http recognizes it, and
// writes it together with the header. If the request has a Stall, and the body
// is long or is read some time after the header was written (Expect), net/http
// gets a body that shows its Reads in place of that.
func (us *uploads) fromMemory(m memory) io.ReadCloser {
	if us.shows {
		return io.NopCloser(&sent{m, us.x.conns.Clock})
	}
	return io.NopCloser(m)
}

// A sent is a body in memory. Each Read of it is a sign of progress.
type sent struct {
	io.Reader
	clock *stall.Clock
}

func (s *sent) Read(p []byte) (int, error) {
	s.clock.Progress()
	return s.Reader.Read(p)
}

// watch makes the end of ctx close the bodies, if there are any.
func (us *uploads) watch(ctx context.Context) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.unwatch == nil && len(us.all) > 0 {
		us.unwatch = context.AfterFunc(ctx, us.close)
	}
}

// stopWatching undoes watch. Close calls it before it ends the context, so that
// only one goroutine closes the bodies.
func (us *uploads) stopWatching() {
	us.mu.Lock()
	unwatch := us.unwatch
	us.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
}

// begun reports whether a byte of the request's body was read, or may have
// been. A transport that has read a byte may have sent it. begun is called
// after the transport has returned, and only if nothing reads the body any
// more. The position of a reader in memory shows how much of it was read.
func (us *uploads) begun() bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.memory != nil && us.memory.Len() != us.length {
		return true
	}
	return slices.ContainsFunc(us.all, func(u *upload) bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.begun
	})
}

// close closes all bodies, to end a Read that blocks: net/http waits for that
// Read even after the request's context has ended (golang/go 78555).
func (us *uploads) close() {
	us.mu.Lock()
	us.closed = true
	all := us.all
	us.mu.Unlock()
	closeAll(all)
}

// closeAll closes all, beginning with the last, which may be wrapped around
// those before it. A Close may end its goroutine, so each but the final one
// gets a goroutine of its own.
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

// finish closes all bodies and waits until no Read of them runs. None begins
// afterward. If a Read or a Close did not return, finish returns the error that
// says so.
//
// The protocol with Read is that of upload: Close sets closing before it calls
// the body's Close, and beginRead looks at closing before it sets reading, both
// under the same mutex. So after Close a Read is either running, and awaitRead
// waits for it, or never begins.
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
		us.x, us.all, us.body = nil, nil, nil // a response's Request may keep us
		us.memory, us.ctx, us.fill, us.last = nil, nil, nil, nil
	}()
	us.close()
	return nil // see above
}

// guard calls f, which runs user code on a goroutine of net/http, where a panic
// would end the process. If f does not return, guard keeps the error for
// finish. After a Goexit it ends the request; a panic ends the whole block.
func (us *uploads) guard(f func()) (err error) {
	us.x.Guard.Run(f, func(why error) {
		us.failed(why)
		if why == ErrGoexit {
			us.x.End(why)
		}
		err = errPanicked
	})
	return err
}

// guardErr does what guard does, and returns the error of f.
func (us *uploads) guardErr(f func() error) (err error) {
	if failed := us.guard(func() { err = f() }); failed != nil {
		return failed
	}
	us.note(err)
	return err
}

// note remembers that a Read or GetBody failed with err, which is the user's.
func (us *uploads) note(err error) {
	if err == nil || err == io.EOF || err == http.ErrBodyReadAfterClose {
		return
	}
	us.mu.Lock()
	defer us.mu.Unlock()
	us.broken = true
}

// readFailed reports whether a Read of a body or GetBody failed.
func (us *uploads) readFailed() bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.broken
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
	us   *uploads                      // that this one belongs to
	open func() (io.ReadCloser, error) // nil: body is open already
	fill func()                        // is called as the body ends; may be nil

	clock *stall.Clock // nil without a Stall, and for a body that another one wraps

	likely bool // open is likely to give a body in memory

	mu      sync.Mutex
	changed sync.Cond // reading or closed

	// Guarded by mu.
	body    io.ReadCloser
	begun   bool // a Read has begun
	reading bool // a Read is running
	closing bool // no Read begins
	closed  bool
}

// Read reads the body, opening it if need be, until it is closed.
func (u *upload) Read(p []byte) (n int, err error) {
	if !u.beginRead() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer u.endRead()
	// By its next Read, the transport shows that it has written the bytes
	// before. The Read that finds the end does so as well.
	u.clock.Progress()
	if failed := u.us.guard(func() {
		if err = u.opened(); err == nil {
			n, err = u.body.Read(p)
		}
		if err == io.EOF && u.fill != nil {
			u.fill()
		}
	}); failed != nil {
		return 0, failed
	}
	u.us.note(err)
	if n > 0 {
		u.clock.Progress()
	}
	return n, err
}

// beginRead waits until no other Read is running. It returns false if the body
// is closed.
func (u *upload) beginRead() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.reading && !u.closing {
		u.changed.Wait()
	}
	if u.closing {
		return false
	}
	u.reading, u.begun = true, true
	return true
}

func (u *upload) endRead() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reading = false
	u.changed.Broadcast()
}

// opened opens the body if it is not open. It is called before net/http gets
// the body, or by the one Read that is running. Only Close can run at the same
// time: opened then closes the body that it has opened.
func (u *upload) opened() error {
	if u.open == nil || u.body != nil {
		return nil
	}
	body, err := u.open()
	if err != nil {
		return err
	}
	if body == nil {
		return errNoBody
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

// Close closes the body once, however often it is called, and returns when it
// is closed. It may be called while a Read runs, and ends that Read if the
// body's Close does.
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
	if failed := u.us.guard(func() { err = body.Close() }); failed != nil {
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

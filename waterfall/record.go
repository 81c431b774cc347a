package waterfall

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/internal/conns"
	"github.com/abreast-go/abreast/pending"
)

// A record is a request that is recorded. It is the context that Observe
// returns. As a [conns.Watcher] and an [attempts.Watcher], it is called on any
// goroutine.
type record struct {
	conns.Watched
	rec    *Recorder
	row    *row
	region func(ended string) // ends the region of runtime/trace; nil without one
}

// A row is the place of a request among those that are kept. Once its request
// is done and forgotten, it is the row of another request: see Recorder.keep. A
// row for each request would be a third of what a Recorder allocates.
type row struct {
	mu        sync.Mutex // guards the fields below
	of        *record    // whose row it is; a change also needs the mutex of the Recorder
	wanted    bool       // the transport has wanted a connection
	connected bool       // and got one since it last wanted one
	ended     bool       // what happens now belongs to a dial for another request
	entry     entry
}

// lock locks the row of s and returns it. It returns nil, and locks nothing, if
// the request is done: the row may be that of another request.
func (s *record) lock() *row {
	w := s.row
	w.mu.Lock()
	if w.of != s || w.ended {
		w.mu.Unlock()
		return nil
	}
	return w
}

// takeLocked makes w the row of s, whose request was made at the time made.
func (w *row) takeLocked(s *record, made time.Time) {
	s.row, w.of = w, s
	w.wanted, w.connected, w.ended = false, false, false
	e := &w.entry
	*e = entry{made: made, extra: noExtra, header: emptied(e.header), answered: emptied(e.answered)}
	e.marks = append(e.room[:0], markOf(0, queued))
}

// emptied returns an empty header with the room of f, unless that is large.
func emptied(f []field) []field {
	if cap(f) > 64 {
		return nil
	}
	clear(f)
	return f[:0]
}

// recordKey is the key of a record in the context of its request.
type recordKey struct{ rec *Recorder }

func (s *record) Value(key any) any {
	switch key {
	case recordKey{s.rec}, attempts.Key{}:
		return s
	}
	return s.Watched.Value(key)
}

// Ended notes an attempt that is followed by another one: see
// [attempts.Watcher].
func (s *record) Ended(a attempts.Attempt) {
	how, why, resp := s.outcome(a.Response, a.Err)
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	e := &w.entry
	w.endLocked(a.Sent, a.Done, a.Received, how, why, resp)
	x, at := e.own(), e.took
	if len(x.attempts) < maxAttempts {
		x.attempts = append(x.attempts, e.last())
	}
	x.since, x.failure, x.landed = at, failure{}, ""
	e.took, e.bytes, e.end = 0, 0, inFlight
	e.status, e.proto, e.answered, e.unpacked = 0, "", nil, false
	e.hops, e.reused, e.local, e.remote = 0, false, nil, nil
	w.wanted, w.connected = false, false
	if len(e.marks) < maxMarks {
		e.marks = append(e.marks, markOf(at, pausing))
	}
}

// Begins ends the pause before a further attempt.
func (s *record) Begins(time.Time) {
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	w.beginLocked(held)
}

// maxMarks exceeds the number of marks of a request with ten redirects.
const maxMarks = 200

// beginLocked begins a phase.
func (w *row) beginLocked(p phase) {
	marks := w.entry.marks
	if len(marks) < maxMarks && marks[len(marks)-1].phase() != p {
		w.entry.marks = append(marks, markOf(time.Since(w.entry.made), p))
	}
}

// GetConn begins a hop, or another attempt at it.
func (s *record) GetConn(string) {
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	w.wanted, w.connected = true, false
	w.beginLocked(held)
}

// DNSStart, ConnectStart and TLSHandshakeStart begin a step towards a
// connection.
func (s *record) DNSStart(httptrace.DNSStartInfo) { s.connecting(lookup) }
func (s *record) ConnectStart(_, _ string)        { s.connecting(dialing) }
func (s *record) TLSHandshakeStart()              { s.connecting(handshake) }

// DNSDone, ConnectDone and TLSHandshakeDone end it.
func (s *record) DNSDone(info httptrace.DNSDoneInfo)                { s.stepDone(info.Err) }
func (s *record) ConnectDone(_, _ string, err error)                { s.stepDone(err) }
func (s *record) TLSHandshakeDone(_ tls.ConnectionState, err error) { s.stepDone(err) }

// connecting begins a step towards a connection. If the request has a
// connection already, the step belongs to a dial that goes on for another
// request.
func (s *record) connecting(p phase) {
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	if !w.connected {
		w.beginLocked(p)
	}
}

// stepDone ends a step that succeeded. A step that failed goes on: either
// another address is being dialed, or the request is about to fail and its row
// must show the step in which it failed.
func (s *record) stepDone(err error) {
	if err == nil {
		s.connecting(held)
	}
}

// GotConn begins to send the request.
func (s *record) GotConn(info httptrace.GotConnInfo) {
	var local, remote net.Addr
	if info.Conn != nil { // a user's transport may leave it out
		local, remote = info.Conn.LocalAddr(), info.Conn.RemoteAddr()
	}
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	w.connected = true
	w.beginLocked(sending)
	e := &w.entry
	e.hops, e.reused, e.local, e.remote = e.hops+1, info.Reused, local, remote
}

// WroteRequest begins to wait for the response.
func (s *record) WroteRequest(httptrace.WroteRequestInfo) {
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	if marks := w.entry.marks; marks[len(marks)-1].phase() == sending { // the response may have begun already
		w.beginLocked(waiting)
	}
}

// GotFirstResponseByte begins to read the response.
func (s *record) GotFirstResponseByte() {
	w := s.lock()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	w.beginLocked(reading)
}

// end notes how the request ended.
func (s *record) end(o pending.Outcome) {
	how, why, resp := s.outcome(o.Response, o.Err)
	w := s.lock()
	if w == nil {
		return
	}
	w.ended = true
	w.endLocked(o.Sent, o.Done, o.Bytes, how, why, resp)
	if s.region == nil {
		w.mu.Unlock()
		return
	}
	ended := w.entry.outcome()
	w.mu.Unlock()
	s.region(ended)
}

// outcome returns how an attempt ended, and its response, which a failed one
// may have as well. It is called without the lock: it calls methods of err.
func (s *record) outcome(resp *http.Response, err error) (end, failure, *http.Response) {
	if err != nil {
		return s.rec.failure(err)
	}
	return done, failure{}, resp
}

// endLocked notes how an attempt ended, and, if it is the first, when it got
// its slot. sent is zero if it got none.
func (w *row) endLocked(sent, done time.Time, bytes int64, how end, why failure, resp *http.Response) {
	e := &w.entry
	e.took, e.bytes, e.end = done.Sub(e.made), bytes, how
	if why != (failure{}) {
		e.own().failure = why
	}
	if !sent.IsZero() && len(e.attempts) == 0 {
		e.marks = slices.Insert(e.marks, 1, markOf(max(0, sent.Sub(e.made)), w.unseenLocked(resp)))
	}
	w.answeredLocked(resp)
}

// unseenLocked returns the phase between when the request got its slot and the
// first event that the transport reported.
func (w *row) unseenLocked(resp *http.Response) phase {
	if resp != nil && !w.wanted { // the transport doesn't trace
		return waiting
	}
	return held
}

// answeredLocked notes a response without its body. It does nothing if resp is
// nil.
func (w *row) answeredLocked(resp *http.Response) {
	if resp == nil {
		return
	}
	e, rec := &w.entry, w.of.rec
	e.status, e.proto = resp.StatusCode, resp.Proto
	e.answered = rec.header(e.answered, resp.Header)
	e.unpacked = resp.Uncompressed
	if r := resp.Request; r != nil && r.Response != nil {
		e.own().landed = rec.address(r)
	}
}

// now returns what is known of s at this moment. It returns false if s is
// forgotten, and its row another's.
func (s *record) now() (e entry, ok bool) {
	w := s.row
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of != s {
		return entry{}, false
	}
	e = w.entry.copy()
	if !w.ended {
		e.took = time.Since(e.made)
	}
	return e, true
}

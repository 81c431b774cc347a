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

// A record is the entry of a request that is still being written. It is the
// context that Observe returns. As a [conns.Watcher] and an [attempts.Watcher],
// it is called on any goroutine.
type record struct {
	conns.Watched
	rec    *Recorder
	region func(ended string) // ends the region of runtime/trace; nil without one

	mu        sync.Mutex // guards the fields below
	wanted    bool       // the transport has wanted a connection
	connected bool       // and got one since it last wanted one
	ended     bool       // what happens now belongs to a dial for another request
	entry     entry
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
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.entry
	s.endLocked(a.Sent, a.Done, a.Received, how, why, resp)
	x, at := e.own(), e.took
	if len(x.attempts) < maxAttempts {
		x.attempts = append(x.attempts, e.last())
	}
	x.since, x.failure, x.landed = at, failure{}, ""
	e.took, e.bytes, e.end = 0, 0, inFlight
	e.status, e.proto, e.answered, e.unpacked = 0, "", nil, false
	e.hops, e.reused, e.local, e.remote = 0, false, nil, nil
	s.wanted, s.connected = false, false
	if len(e.marks) < maxMarks {
		e.marks = append(e.marks, markOf(at, pausing))
	}
}

// Begins ends the pause before a further attempt.
func (s *record) Begins(time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked(held)
}

// maxMarks exceeds the number of marks of a request with ten redirects.
const maxMarks = 200

// beginLocked begins a phase.
func (s *record) beginLocked(p phase) {
	marks := s.entry.marks
	if len(marks) < maxMarks && marks[len(marks)-1].phase() != p {
		s.entry.marks = append(marks, markOf(time.Since(s.entry.made), p))
	}
}

// GetConn begins a hop, or another attempt at it.
func (s *record) GetConn(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted, s.connected = true, false
	s.beginLocked(held)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connected {
		s.beginLocked(p)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected = true
	s.beginLocked(sending)
	if s.ended {
		return
	}
	e := &s.entry
	e.hops, e.reused, e.local, e.remote = e.hops+1, info.Reused, local, remote
}

// WroteRequest begins to wait for the response.
func (s *record) WroteRequest(httptrace.WroteRequestInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entry.marks[len(s.entry.marks)-1].phase() == sending { // the response may have begun already
		s.beginLocked(waiting)
	}
}

// GotFirstResponseByte begins to read the response.
func (s *record) GotFirstResponseByte() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked(reading)
}

// end notes how the request ended.
func (s *record) end(o pending.Outcome) {
	how, why, resp := s.outcome(o.Response, o.Err)
	s.mu.Lock()
	s.ended = true
	s.endLocked(o.Sent, o.Done, o.Bytes, how, why, resp)
	if s.region == nil {
		s.mu.Unlock()
		return
	}
	ended := s.entry.outcome()
	s.mu.Unlock()
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
func (s *record) endLocked(sent, done time.Time, bytes int64, how end, why failure, resp *http.Response) {
	e := &s.entry
	e.took, e.bytes, e.end = done.Sub(e.made), bytes, how
	if why != (failure{}) {
		e.own().failure = why
	}
	if !sent.IsZero() && len(e.attempts) == 0 {
		e.marks = slices.Insert(e.marks, 1, markOf(max(0, sent.Sub(e.made)), s.unseenLocked(resp)))
	}
	s.answeredLocked(resp)
}

// unseenLocked returns the phase between when the request got its slot and the
// first event that the transport reported.
func (s *record) unseenLocked(resp *http.Response) phase {
	if resp != nil && !s.wanted { // the transport doesn't trace
		return waiting
	}
	return held
}

// answeredLocked notes a response without its body. It does nothing if resp is
// nil.
func (s *record) answeredLocked(resp *http.Response) {
	if resp == nil {
		return
	}
	e := &s.entry
	e.status, e.proto = resp.StatusCode, resp.Proto
	e.answered = s.rec.header(resp.Header)
	e.unpacked = resp.Uncompressed
	if r := resp.Request; r != nil && r.Response != nil {
		e.own().landed = s.rec.address(r.URL)
	}
}

// now returns what is known at this moment.
func (s *record) now() entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry.copy()
	if !s.ended {
		e.took = time.Since(e.made)
	}
	return e
}

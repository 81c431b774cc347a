package waterfall

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// A record is the entry of a request while it is being written.
type record struct {
	rec    *Recorder
	region func(ended string) // ends that of runtime/trace; nil: there is none

	mu sync.Mutex

	// Guarded by mu.
	entry     entry
	asked     bool // for a connection, ever
	connected bool // since it last asked
	settled   bool // what comes now is of a dial that goes on for others
}

// recordKey is what a record has as its key in the context of its request.
type recordKey struct{ rec *Recorder }

// hooks is what the transport is to call, on whatever goroutine.
func (s *record) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              s.getConn,
		DNSStart:             func(httptrace.DNSStartInfo) { s.connecting(lookup) },
		DNSDone:              func(d httptrace.DNSDoneInfo) { s.stepDone(d.Err) },
		ConnectStart:         func(string, string) { s.connecting(dialling) },
		ConnectDone:          func(_, _ string, err error) { s.stepDone(err) },
		TLSHandshakeStart:    func() { s.connecting(handshake) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { s.stepDone(err) },
		GotConn:              s.gotConn,
		WroteRequest:         s.wroteRequest,
		GotFirstResponseByte: s.gotFirstByte,
	}
}

// maxMarks is more than a request has that is redirected ten times.
const maxMarks = 200

// begin begins a phase. The caller holds mu.
func (s *record) begin(p phase) {
	marks := s.entry.marks
	if len(marks) < maxMarks && marks[len(marks)-1].phase != p {
		s.entry.marks = append(marks, mark{time.Since(s.entry.made), p})
	}
}

// getConn begins a hop, or another try at one.
func (s *record) getConn(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.connected = true, false
	s.begin(held)
}

// connecting begins a step towards a connection. Once there is one, it is a step of a
// dial that goes on for another request.
func (s *record) connecting(p phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connected {
		s.begin(p)
	}
}

// stepDone ends a step. One that failed goes on: either another address is being
// dialled, or the request is about to fail, and what it failed in is to be seen.
func (s *record) stepDone(err error) {
	if err == nil {
		s.connecting(held)
	}
}

func (s *record) gotConn(info httptrace.GotConnInfo) {
	var local, remote net.Addr
	if info.Conn != nil { // as of a transport of the user's own
		local, remote = info.Conn.LocalAddr(), info.Conn.RemoteAddr()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected = true
	s.begin(sending)
	if s.settled {
		return
	}
	e := &s.entry
	e.hops, e.reused, e.local, e.remote = e.hops+1, info.Reused, local, remote
}

func (s *record) wroteRequest(httptrace.WroteRequestInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entry.marks[len(s.entry.marks)-1].phase == sending { // the response may be there already
		s.begin(waiting)
	}
}

func (s *record) gotFirstByte() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(reading)
}

// settle takes note of what became of the request.
func (s *record) settle(o pending.Outcome) {
	how, resp := failure{end: done}, o.Response
	if o.Err != nil {
		how, resp = s.rec.failure(o.Err) // without the lock: an error's methods may be anybody's
	}
	s.mu.Lock()
	e := &s.entry
	s.settled = true
	e.took, e.bytes, e.failure = o.Settled.Sub(e.made), o.Bytes, how
	if !o.Sent.IsZero() {
		e.marks = slices.Insert(e.marks, 1, mark{max(0, o.Sent.Sub(e.made)), s.unseen(o)})
	}
	s.answered(resp)
	ended := e.outcome()
	s.mu.Unlock()
	if s.region != nil {
		s.region(ended)
	}
}

// unseen is the phase between the getting of a slot and the first that the transport
// told of. The caller holds mu.
func (s *record) unseen(o pending.Outcome) phase {
	if o.Response != nil && !s.asked { // it doesn't trace
		return waiting
	}
	return held
}

// answered takes note of a response, if there is one, without its body. The caller
// holds mu.
func (s *record) answered(resp *http.Response) {
	if resp == nil {
		return
	}
	e := &s.entry
	e.status, e.statusText, e.proto = resp.StatusCode, status(resp), resp.Proto
	e.answered = s.rec.header(resp.Header)
	e.unpacked = resp.Uncompressed
	if r := resp.Request; r != nil && r.Response != nil {
		e.landed = s.rec.address(r.URL)
	}
}

// status is like "404 Not Found", for a server that says something else too.
func status(resp *http.Response) string {
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode)))
}

// now is what is known at this moment.
func (s *record) now() entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry
	e.marks = slices.Clone(e.marks)
	if !s.settled {
		e.took = time.Since(e.made)
	}
	return e
}

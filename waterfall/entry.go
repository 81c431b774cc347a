package waterfall

import (
	"net"
	"slices"
	"strings"
	"time"
)

// A phase is what a request is doing at one moment; see the package's documentation.
type phase uint8

const (
	queued phase = iota
	held
	lookup
	dialling
	handshake
	sending
	waiting
	reading
	phases // how many there are
)

var phaseNames = [phases]string{"queued", "held", "DNS", "dial", "TLS", "send", "wait", "body"}

// A mark is the beginning of a phase, since the request was made.
type mark struct {
	at    time.Duration
	phase phase
}

// An entry is what is known of one request.
type entry struct {
	made   time.Time
	took   time.Duration // so far, if it is in flight
	method string
	url    string // as all texts in an entry, without what must not be shown
	header []field
	length int64 // of its body; -1: not known
	marks  []mark
	failure

	status     int // 0: no response
	statusText string
	proto      string
	answered   []field // the header of the response
	landed     string  // where redirects led, if anywhere
	unpacked   bool    // the transport decompressed it
	bytes      int64   // of the response's body, as it was read

	hops          int // connections that were got
	reused        bool
	local, remote net.Addr // addresses of the last of these

	sent, came kept // bodies
}

// An end is how a request ended.
type end uint8

const (
	inFlight end = iota
	done
	failed
	timedOut
	cancelled
)

// broken reports whether the request ended without a response.
func (e *entry) broken() bool { return e.end != inFlight && e.end != done }

// brokenMeans is what a legend says of the sign for such an end.
const brokenMeans = "failed, timed out, cancelled"

// A field is one line of a header.
type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A span is a phase with its beginning and end, since the request was made.
type span struct {
	phase    phase
	from, to time.Duration
}

// spans are the phases that took any time. They follow each other without a gap,
// from 0 to took: marks that are later are not the request's.
func (e *entry) spans() (spans []span) {
	for i, m := range e.marks {
		to := e.took
		if i+1 < len(e.marks) {
			to = min(to, e.marks[i+1].at)
		}
		if to > m.at {
			spans = append(spans, span{m.phase, m.at, to})
		}
	}
	return spans
}

// outcome is how the request ended, in a few words.
func (e *entry) outcome() string {
	switch {
	case e.end == inFlight:
		return "in flight"
	case e.end == done:
		return e.statusText
	case e.notSent && e.kind == otherKind:
		return "not sent"
	case e.notSent:
		return e.kind + ", not sent"
	}
	return e.kind
}

// size is how much of the body came, if there can have been any.
func (e *entry) size() string {
	if e.status == 0 && e.bytes == 0 {
		return ""
	}
	return size(e.bytes)
}

// connection is what is known of the connection, in a few words.
func (e *entry) connection() string {
	switch {
	case e.hops == 0:
		return e.proto
	case e.reused:
		return strings.TrimSpace(e.proto + " kept")
	}
	return strings.TrimSpace(e.proto + " new")
}

// details is all that is worth saying, in lines.
func (e *entry) details() string {
	lines := []string{e.method + " " + e.url, e.outcome() + " after " + short(e.took)}
	if e.err != "" {
		lines = append(lines, e.err)
	}
	if e.landed != "" {
		lines = append(lines, "redirected to "+e.landed)
	}
	about := []string{e.size(), e.connection()}
	if e.remote != nil {
		about = append(about, e.remote.String())
	}
	about = slices.DeleteFunc(about, func(s string) bool { return s == "" })
	if len(about) > 0 {
		lines = append(lines, strings.Join(about, ", "))
	}
	for _, s := range e.spans() {
		lines = append(lines, e.during(s))
	}
	return strings.Join(lines, "\n")
}

// during says what was going on, and when.
func (*entry) during(s span) string {
	return phaseNames[s.phase] + " " + short(s.to-s.from) + ", from " + short(s.from) + " on"
}

package waterfall

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A phase is what a request is doing at one moment. The package documentation
// lists the phases.
type phase uint8

const (
	queued phase = iota
	pausing
	held
	lookup
	dialing
	handshake
	sending
	waiting
	reading
	phases // how many there are
)

var phaseNames = [phases]string{"queued", "pause", "held", "DNS", "dial", "TLS", "send", "wait", "body"}

// A mark is the beginning of a phase. Its lowest bits are the phase, and the
// others the time since the request was made, in nanoseconds. A struct would
// have twice its size.
type mark int64

const phaseBits = 4

func markOf(at time.Duration, p phase) mark { return mark(at)<<phaseBits | mark(p) }

func (m mark) at() time.Duration { return time.Duration(m >> phaseBits) }
func (m mark) phase() phase      { return phase(m & (1<<phaseBits - 1)) }

// An entry is what is known about one request. Its texts contain nothing that
// must not be shown.
//
// A Recorder allocates an entry for each request, so it is small. A field that
// few requests need is in the extra. The fields that a hook needs are together:
// when it is called, none of them may be in the cache of the processor.
type entry struct {
	made  time.Time
	marks []mark
	room  [6]mark // for marks: a request on a kept connection has no more

	hops          int32 // the number of connections that the request got
	reused        bool  // the last of them
	end           end
	unpacked      bool     // the transport decompressed the body
	local, remote net.Addr // addresses of the last connection

	took     time.Duration // until now, while it is in flight
	bytes    int64         // of the response body, after decompression
	status   int           // 0 without a response
	proto    string
	answered []field // the header of the response
	*extra           // never nil; see own

	method string
	url    string
	header []field
	length int64 // of the request body; -1 if unknown
}

// An extra is the part of an entry that few requests have.
type extra struct {
	failure        // zero unless end says that the request failed
	landed  string // the URL that redirects led to, if any

	attempts []entry       // those before the last; their times begin with the attempt
	since    time.Duration // when the last attempt began: when the one before it ended

	sent, came kept // the beginnings of the two bodies
}

// noExtra is the extra of all entries that have none. Nothing is written to it.
var noExtra = new(extra)

// own returns the extra of e to write to, which it allocates if need be.
func (e *entry) own() *extra {
	if e.extra == noExtra {
		e.extra = new(extra)
	}
	return e.extra
}

// copy returns a copy of e that changes of e do not affect.
func (e *entry) copy() entry {
	c := *e
	c.marks = slices.Clone(e.marks)
	c.header, c.answered = sorted(e.header), sorted(e.answered)
	if e.extra != noExtra {
		x := *e.extra
		x.attempts = slices.Clone(x.attempts)
		c.extra = &x
	}
	return c
}

// maxAttempts is how many attempts before the last are kept.
const maxAttempts = 20

// last returns the last attempt as an entry of its own.
func (e *entry) last() entry {
	last := e.copy()
	last.own().attempts, last.own().since = nil, 0
	last.made, last.took = e.made.Add(e.since), e.took-e.since
	last.marks = nil
	for _, m := range e.marks {
		if m.at() >= e.since {
			last.marks = append(last.marks, markOf(m.at()-e.since, m.phase()))
		}
	}
	return last
}

// all returns an entry for each attempt.
func (e *entry) all() []entry { return append(slices.Clone(e.attempts), e.last()) }

// An end says how a request ended.
type end uint8

const (
	inFlight end = iota
	done
	failed
	timedOut
	canceled
)

// broken reports whether the request ended without a response.
func (e *entry) broken() bool { return e.end != inFlight && e.end != done }

// brokenMeans explains the sign for a broken request in a legend.
const brokenMeans = "failed, timed out, canceled"

// A field is one line of a header.
type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (f field) size() int { return len(f.Name) + len(f.Value) }

// sorted returns a copy of a header, in the order of the names.
func sorted(header []field) []field {
	return slices.SortedStableFunc(slices.Values(header), func(a, b field) int { return strings.Compare(a.Name, b.Name) })
}

// A span is a phase with its beginning and end, since the request was made.
type span struct {
	phase    phase
	from, to time.Duration
}

// spans returns the phases that took any time. They follow each other without a
// gap, from 0 to took. Marks later than took do not belong to the request.
func (e *entry) spans() (spans []span) {
	for i, m := range e.marks {
		to := e.took
		if i+1 < len(e.marks) {
			to = min(to, e.marks[i+1].at())
		}
		if to > m.at() {
			spans = append(spans, span{m.phase(), m.at(), to})
		}
	}
	return spans
}

// outcome returns in a few words how the request ended.
func (e *entry) outcome() string {
	if n := len(e.attempts); n > 0 {
		return fmt.Sprintf("%s, attempt %d", e.ending(), n+1)
	}
	return e.ending()
}

// ending returns how the last attempt ended.
func (e *entry) ending() string {
	switch {
	case e.end == inFlight:
		return "in flight"
	case e.end == done:
		return status(e.status)
	case e.notSent && e.kind == otherKind:
		return "not sent"
	case e.notSent:
		return e.kind + ", not sent"
	}
	return e.kind
}

// status returns a code with its usual text, as in "404 Not Found". The text
// that the server sent is not kept.
func status(code int) string {
	return strings.TrimSpace(fmt.Sprint(code, " ", http.StatusText(code)))
}

// size returns how much of the response body arrived, or "" if there can be no
// body.
func (e *entry) size() string {
	if e.status == 0 && e.bytes == 0 {
		return ""
	}
	return size(e.bytes)
}

// connection returns in a few words what is known about the connection.
func (e *entry) connection() string {
	switch {
	case e.hops == 0:
		return e.proto
	case e.reused:
		return strings.TrimSpace(e.proto + " kept")
	}
	return strings.TrimSpace(e.proto + " new")
}

// details returns everything that is worth showing, in lines.
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
	for i := range e.attempts {
		a := &e.attempts[i]
		lines = append(lines, fmt.Sprintf("attempt %d: %s after %s", i+1, a.ending(), short(a.took)))
	}
	for _, s := range e.spans() {
		lines = append(lines, e.during(s))
	}
	return strings.Join(lines, "\n")
}

// during returns the name of a phase, how long it took and when it began.
func (*entry) during(s span) string {
	return phaseNames[s.phase] + " " + short(s.to-s.from) + ", from " + short(s.from) + " on"
}

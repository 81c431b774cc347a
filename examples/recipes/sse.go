package recipes

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

// An Event is a server-sent event, as the HTML standard defines it.
type Event struct {
	Type  string        // "message" if the server gave none
	Data  string        // its lines are separated by LF
	ID    string        // the last that the server gave, perhaps with an earlier event
	Retry time.Duration // the last reconnection time that the server gave, or 0
}

// maxEvent is the maximum number of bytes of one event, and of one line.
const maxEvent = 1 << 20

var errLongEvent = fmt.Errorf("an event of the stream is longer than %d bytes", maxEvent)

// Events calls handle with each server-sent event of a response, as it comes:
//
//	h := p.Post(url, parallel.JSON(question), recipes.Events(handle), parallel.Timeout(-1), parallel.Stall(time.Minute))
//
// The option is for a stream that ends, such as the answer of a language model.
// The handle is done when the stream ends. If the stream breaks off, the
// request fails. Turn the Timeout off for a long stream, and set a Stall to
// notice one that sends nothing.
//
// If handle returns an error, the request ends with it. handle runs on a
// goroutine of the block, for one event after another, and must not wait for a
// request of the same block. It is not called after the handle of the request
// is done. A stream that is sent again (see Client.Retry) begins again.
//
// The body of a status outside 2xx is kept in memory, so that Bytes and JSON
// return a *pending.StatusError. A 2xx response that is not an event stream is
// refused unread. An event that is longer than 1 MiB ends the request.
func Events(handle func(Event) error) parallel.Option {
	return parallel.Take(func(resp *http.Response) (io.Writer, error) {
		if resp.StatusCode/100 != 2 {
			return nil, nil
		}
		kind := resp.Header.Get("Content-Type")
		if media, _, _ := mime.ParseMediaType(kind); media != "text/event-stream" {
			return nil, fmt.Errorf("not an event stream: the Content-Type is %.40q", kind)
		}
		return &events{handle: handle}, nil
	})
}

// An events parses the stream that is written to it. It looks at whole lines
// only, so a Write may end within a character or a CRLF.
type events struct {
	handle func(Event) error
	event  Event
	data   []byte // of event, with a LF after each line
	line   []byte
	cr     bool // the last line ended in CR, and perhaps in CRLF
	later  bool // a line has ended
}

func (e *events) Write(p []byte) (int, error) {
	for n, c := range p {
		crlf := e.cr && c == '\n'
		e.cr = c == '\r'
		switch {
		case crlf:
		case c == '\r' || c == '\n':
			if err := e.endLine(); err != nil {
				return n, err
			}
		case len(e.line)+len(e.data) >= maxEvent:
			return n, errLongEvent
		default:
			e.line = append(e.line, c)
		}
	}
	return len(p), nil
}

// endLine handles a line, which has ended.
func (e *events) endLine() error {
	line := e.line
	e.line = e.line[:0]
	if !e.later {
		e.later = true
		line = bytes.TrimPrefix(line, []byte("\ufeff")) // a byte order mark
	}
	if len(line) == 0 {
		return e.endEvent()
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		e.event.Type = text(value)
	case "data":
		e.data = append(append(e.data, value...), '\n')
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.event.ID = text(value)
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			e.event.Retry = time.Duration(ms) * time.Millisecond
		}
	} // a comment has an empty field
	return nil
}

// endEvent calls handle, unless the event has no data.
func (e *events) endEvent() error {
	event := e.event
	data, ok := bytes.CutSuffix(e.data, []byte("\n"))
	e.event.Type, e.data = "", e.data[:0]
	if !ok {
		return nil
	}
	event.Data = text(data)
	if event.Type == "" {
		event.Type = "message"
	}
	return e.handle(event)
}

// text returns b as UTF-8. Bytes that are not become U+FFFD.
func text(b []byte) string { return string(bytes.Runes(b)) }

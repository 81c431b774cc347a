package waterfall

import (
	"cmp"
	"context"
	"net/http"
	"runtime/trace"
	"sync"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// A Recorder keeps what requests did and how they ended. The zero Recorder is
// ready to use. It may be used by any number of clients and blocks, and from
// any number of goroutines. It must not be copied, and its fields must not
// change after the first request is made.
//
// For a picture of one block, give that block a Recorder of its own: copy its
// client.Client and set Observe in the copy, which is a separate client.
type Recorder struct {
	// Max is the number of requests that are kept. When one more is made, the
	// Recorder forgets the one that was made first, whether it is done or not.
	// 0 or negative means 1,000.
	Max int

	// Redact names headers whose values are not kept, in addition to
	// Authorization, Proxy-Authorization, Cookie and Set-Cookie. Case does not
	// matter.
	Redact []string

	// If RedactQuery is true, values in the query and the fragment of a URL are
	// not kept, wherever the URL appears. Their names are.
	RedactQuery bool

	// Bodies is the number of bytes that are kept of each body that passes
	// through [Recorder.Transport], in both directions. 0 or negative means
	// none.
	Bodies int

	mu     sync.Mutex // guards the fields below
	kept   []*row     // a ring, once it has Max
	oldest int        // the index of the oldest in kept
	tasks  tasks
}

const defaultMax = 1000

// Observe begins to record r, a request that is being made. Set it as
// Client.Observe. The context that it returns has the values of r's context and
// a trace of the connection; it does not replace the traces that others have
// set. The function that it returns must be called once, with the Outcome of
// the request. Neither Observe nor that function blocks.
//
// If you have an observer of your own, call Observe from it and add your values
// to the context that Observe returns.
func (rec *Recorder) Observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	s := &record{rec: rec}
	s.Watcher, s.Context = s, r.Context()
	rec.keep(s)
	e := &s.row.entry
	e.method, e.url, e.length = cmp.Or(r.Method, http.MethodGet), rec.address(r), r.ContentLength
	e.header = rec.header(e.header, r.Header)
	method, url := e.method, e.url
	s.row.mu.Unlock()
	if trace.IsEnabled() {
		s.region = rec.region(r.Context(), method+" "+url)
	}
	return s, s.end
}

// keep gives s, whose request is being made, a row in the ring, and locks it for
// the caller, who fills its entry. If the ring is full, that is the row of the
// oldest request. If the oldest request is not done, it keeps its row, which
// leaves the ring.
func (rec *Recorder) keep(s *record) {
	most := rec.Max
	if most <= 0 {
		most = defaultMax
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	place := rec.oldest
	if len(rec.kept) < most {
		place = len(rec.kept)
		rec.kept = append(rec.kept, nil)
	} else {
		rec.oldest = (rec.oldest + 1) % most
	}
	w := rec.kept[place]
	if w != nil {
		w.mu.Lock()
		if !w.ended {
			w.mu.Unlock()
			w = nil
		}
	}
	if w == nil {
		w = new(row)
		w.mu.Lock()
		rec.kept[place] = w
	}
	w.takeLocked(s, time.Now()) // under the lock, so that the times are in order
}

// entries returns what is known at this moment, in the order in which the
// requests were made. A request that is forgotten meanwhile is left out.
func (rec *Recorder) entries() (entries []entry) {
	var kept []*record
	rec.mu.Lock()
	for _, w := range rec.kept[rec.oldest:] {
		kept = append(kept, w.of)
	}
	for _, w := range rec.kept[:rec.oldest] {
		kept = append(kept, w.of)
	}
	rec.mu.Unlock()
	for _, s := range kept {
		if e, ok := s.now(); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

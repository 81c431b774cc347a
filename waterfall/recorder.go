package waterfall

import (
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
// client.Client and set another Observe, which makes it another client.
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
	kept   []*record  // a ring, once it has Max
	oldest int        // the index of the oldest in kept
	tasks  tasks
}

const defaultMax = 1000

// Observe begins to record r, a request that is being made. Set it as
// Client.Observe. The context that it returns has the values of r's context and
// a trace of the connection; it does not replace the traces that others have
// set. The function that it returns must be called once, with how the request
// ended. Neither of them blocks.
//
// If you have an observer of your own, call Observe from it and add your values
// to the context that Observe returns.
func (rec *Recorder) Observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	s := &record{rec: rec, entry: entry{
		method: r.Method,
		url:    rec.address(r.URL),
		header: rec.header(r.Header),
		length: r.ContentLength,
		extra:  noExtra,
	}}
	s.Watcher, s.Context = s, r.Context()
	s.entry.marks = append(s.entry.room[:0], markOf(0, queued))
	if s.entry.method == "" {
		s.entry.method = http.MethodGet
	}
	rec.keep(s)
	if trace.IsEnabled() {
		s.region = rec.region(r.Context(), s.entry.method+" "+s.entry.url)
	}
	return s, s.end
}

// keep adds s, whose request is being made, to the records that are kept.
func (rec *Recorder) keep(s *record) {
	most := rec.Max
	if most <= 0 {
		most = defaultMax
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	s.entry.made = time.Now() // under the lock, so that the times are in order
	if len(rec.kept) < most {
		rec.kept = append(rec.kept, s)
		return
	}
	rec.kept[rec.oldest] = s
	rec.oldest = (rec.oldest + 1) % most
}

// entries returns what is known at this moment, in the order in which the
// requests were made.
func (rec *Recorder) entries() []entry {
	rec.mu.Lock()
	kept := append(append([]*record(nil), rec.kept[rec.oldest:]...), rec.kept[:rec.oldest]...)
	rec.mu.Unlock()
	entries := make([]entry, len(kept))
	for i, s := range kept {
		entries[i] = s.now()
	}
	return entries
}

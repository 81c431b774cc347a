package waterfall

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"runtime/trace"
	"sync"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// A Recorder keeps what became of requests. The zero Recorder is ready to use, for
// any number of clients and blocks and from any number of goroutines; it is not to be
// copied. Its fields are set before the first request is made.
//
// Whoever wants a picture of one block gives the block a Recorder of its own: a copy
// of a client.Client, with another Observe, is another client.
type Recorder struct {
	// Max is how many requests are kept. With one more, the one that was made first
	// is forgotten, be it settled or not. 0 or negative: 1,000.
	Max int

	// Redact names headers whose values are not kept, besides Authorization,
	// Proxy-Authorization, Cookie and Set-Cookie.
	Redact []string

	// RedactQuery says that no value of a URL's query is kept, nor of its fragment,
	// wherever the URL stands. Their names are.
	RedactQuery bool

	// Bodies is how many bytes are kept of each body that passes through Transport,
	// sent or received. 0 or negative: none.
	Bodies int

	mu sync.Mutex

	// Guarded by mu.
	kept   []*record // a ring, once it has Max
	oldest int       // in kept
	tasks  tasks
}

const defaultMax = 1000

// Observe is for Client.Observe: it takes note of a request that is being made. The
// context that it returns has the values of r's, and traces the connection beside
// whoever else does; the function takes note of how the request ended. Neither blocks.
//
// Those who have an observer of their own call Observe from it, and add values to the
// context that they get.
func (rec *Recorder) Observe(r *http.Request) (context.Context, func(pending.Outcome)) {
	s := &record{rec: rec, entry: entry{
		method: r.Method,
		url:    rec.address(r.URL),
		header: rec.header(r.Header),
		length: r.ContentLength,
		marks:  append(make([]mark, 0, 8), mark{0, queued}),
	}}
	if s.entry.method == "" {
		s.entry.method = http.MethodGet
	}
	rec.keep(s)
	if trace.IsEnabled() {
		s.region = rec.region(r.Context(), s.entry.method+" "+s.entry.url)
	}
	ctx := context.WithValue(r.Context(), recordKey{rec}, s)
	return httptrace.WithClientTrace(ctx, s.hooks()), s.settle
}

// keep puts s, which is being made, among what is kept.
func (rec *Recorder) keep(s *record) {
	most := rec.Max
	if most <= 0 {
		most = defaultMax
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	s.entry.made = time.Now() // here, so that the order is that of the times
	if len(rec.kept) < most {
		rec.kept = append(rec.kept, s)
		return
	}
	rec.kept[rec.oldest] = s
	rec.oldest = (rec.oldest + 1) % most
}

// entries is what is known at this moment, in the order in which the requests were
// made.
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

package parallel_test

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

var errTake = errors.New("the Take's error")

// A picking is what a request's Take does, if it has one.
type picking int

const (
	takesNot picking = iota
	takesMemory
	takesWriter // a new one for each attempt
	takesTo     // the option To, in place of Take
	takesError
	takesPanic
)

func (t picking) String() string {
	return [...]string{"none", "memory", "a writer", "To", "error", "panic"}[t]
}

// takes returns the option with which r does what its spec says.
func (r *record) takes() parallel.Option {
	switch r.spec.take {
	case takesNot:
		return func(*parallel.Request) error { return nil }
	case takesTo:
		return parallel.To(&modelWriter{r, r.toAttempts})
	}
	return parallel.Take(r.take)
}

// take does what the spec of r says of its Take.
func (r *record) take(resp *http.Response) (io.Writer, error) {
	w := r.b.w
	s := w.planned(r)
	w.mu.Lock()
	if r.took == r.began || !r.slot || r.bodies != 1 || r.h != nil && isDone(r.h) {
		w.problemLocked("Take was called in attempt %d, and before in attempt %d of %v, holding a slot: %v, with %d bodies open", r.began, r.took, r, r.slot, r.bodies)
	}
	r.took = r.began
	if _, err := resp.Body.Read(nil); resp.StatusCode != s.status() || err == nil || err == io.EOF {
		w.problemLocked("Take was called for %v with status %d, and Read() of its body = %v", r, resp.StatusCode, err)
	}
	w.mu.Unlock()
	pause(resp.Request.Context(), s.takes, 0)
	switch s.take {
	case takesWriter:
		return &modelWriter{r, r.toAttempt(r.began)}, nil
	case takesError:
		return nil, errTake
	case takesPanic:
		w.panics(r)
	}
	return nil, nil
}

// A modelWriter receives a body of r.
type modelWriter struct {
	r  *record
	to func(p []byte)
}

func (m *modelWriter) Write(p []byte) (int, error) {
	w := m.r.b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.r.h != nil && isDone(m.r.h) {
		w.problemLocked("%v is done, and its writer is written to", m.r)
	}
	m.to(p)
	return len(p), nil
}

// toAttempts adds p to what was written, in all attempts.
func (r *record) toAttempts(p []byte) { r.written = append(r.written, p...) }

// toAttempt returns a function that adds to what was written in attempt n.
func (r *record) toAttempt(n int) func([]byte) {
	r.written = nil
	return func(p []byte) {
		if n != r.began {
			r.b.w.problemLocked("a writer of attempt %d of %v is written to in attempt %d", n, r, r.began)
		}
		r.written = append(r.written, p...)
	}
}

// kept returns the body that the response of r keeps in memory.
func (r *record) kept() []byte {
	s := r.plannedLocked()
	if s.take == takesWriter || s.take == takesTo && s.status()/100 == 2 {
		return nil
	}
	return r.text()
}

// received returns what the writer of r must have, if r has a response.
func (r *record) received() []byte {
	if r.kept() == nil {
		return r.text()
	}
	return nil
}

// comes reports whether a response comes whose body may be read.
func (s spec) comes() bool {
	switch s.result {
	case ok, notFound, unavailable, short, cutOff, panicsIn:
		return true
	}
	return false
}

// retried reports whether Retry may be asked, as far as Take is concerned.
func (r *record) retried() bool {
	switch r.spec.take {
	case takesError:
		return r.took != r.began
	case takesTo:
		return len(r.written) == 0
	}
	return true
}

// takeSpec decodes a Take.
func (d *decoder) takeSpec(s *spec) {
	b := d.next()
	s.take = []picking{takesNot, takesMemory, takesWriter, takesWriter, takesTo, takesTo, takesError, takesNot}[b%8]
	if b > 250 {
		s.take = takesPanic
	}
	s.takes = time.Duration(b/8%4*9) * time.Millisecond
}

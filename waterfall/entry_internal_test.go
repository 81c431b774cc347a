package waterfall

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/pending"
)

func TestMark(t *testing.T) {
	for _, at := range []time.Duration{0, 1, 999, time.Second, 24 * 365 * time.Hour} {
		for p := range phases {
			if m := markOf(at, p); m.at() != at || m.phase() != p {
				t.Errorf("markOf(%v, %v) is at %v with the phase %v", at, p, m.at(), m.phase())
			}
		}
	}
}

// A Recorder allocates a record for each request, and a row for each that it
// keeps. Larger ones cost the next size class of the allocator.
func TestRecord_size(t *testing.T) {
	if size := unsafe.Sizeof(record{}); size > 80 {
		t.Errorf("a record has %d bytes, want 80 at most", size)
	}
	if size := unsafe.Sizeof(row{}); size > 304 {
		t.Errorf("a row has %d bytes, want 304 at most", size)
	}
}

// Of a header that is too large, the first fields are kept, in the order of the
// names.
func TestHeader_cutInOrder(t *testing.T) {
	large := make(http.Header)
	var want []field
	for i := range 100 {
		f := field{fmt.Sprintf("X-%02d", i), strings.Repeat("v", 1<<10-4)}
		large[f.Name] = []string{f.Value}
		if i < maxHeader>>10 {
			want = append(want, f)
		}
	}
	if diff := cmp.Diff(want, new(Recorder).header(nil, large)); diff != "" {
		t.Errorf("the part that is kept (-want +got):\n%s", diff)
	}
}

// Entries share noExtra. What one request was told must not appear in others.
func TestExtra_notShared(t *testing.T) {
	moved := &http.Response{StatusCode: 200, Request: &http.Request{Response: new(http.Response)}}
	for name, tell := range map[string]func(rec *Recorder, s *record){
		"an error":     func(_ *Recorder, s *record) { s.end(pending.Outcome{Err: errors.New("no")}) },
		"a redirect":   func(_ *Recorder, s *record) { s.end(pending.Outcome{Response: moved}) },
		"two attempts": func(_ *Recorder, s *record) { s.Ended(attempts.Attempt{Err: errors.New("no")}) },
		"a body": func(rec *Recorder, s *record) {
			rec.Transport(http.NewFileTransport(http.Dir("."))).RoundTrip(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := Recorder{Bodies: 10}
			ctx, _ := rec.Observe(httptest.NewRequest(http.MethodGet, "http://h.test/", nil))
			before := rec.entries()[0]
			tell(&rec, ctx.(*record))
			if before.extra != noExtra || rec.entries()[0].extra == noExtra {
				t.Error("nothing was noted, or also in an entry that was copied before")
			}
			unexported := cmp.AllowUnexported(extra{}, failure{}, kept{}, entry{})
			if diff := cmp.Diff(new(extra), noExtra, unexported); diff != "" {
				t.Errorf("noExtra was written to (-want +got):\n%s", diff)
			}
		})
	}
}

// A picture shows a request as it was when the picture was begun.
func TestEntry_copy(t *testing.T) {
	var rec Recorder
	ctx, end := rec.Observe(httptest.NewRequest(http.MethodGet, "http://h.test/", nil))
	s := ctx.(*record)
	s.Ended(attempts.Attempt{Err: errors.New("first")})
	was := rec.entries()[0]
	all := len(was.all())
	s.GetConn("h.test:80")
	s.Ended(attempts.Attempt{Err: errors.New("second")})
	end(pending.Outcome{Err: errors.New("third")})
	if got := was.all(); len(got) != all || was.end != inFlight || was.err != "" || was.attempts[0].err != "first" {
		t.Errorf("the copy has %d attempts, and ended as %v with %q; want %d, in flight", len(got), was.end, was.err, all)
	}
}

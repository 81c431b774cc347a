package waterfall

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/abreast-go/abreast/internal/attempts"
	"github.com/abreast-go/abreast/pending"
)

// recorded begins to record a request with one header.
func recorded(rec *Recorder, url string, value string) *record {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("X-Of", value)
	ctx, _ := rec.Observe(r)
	return ctx.(*record)
}

// answered returns an outcome with one header in its response.
func answered(value string) pending.Outcome {
	return pending.Outcome{
		Sent: time.Now(), Done: time.Now(), Response: &http.Response{StatusCode: 200, Header: http.Header{"X-Of": {value}}},
	}
}

// A row that is used again belongs to its new request alone. Late events of the
// old one change nothing.
func TestRow_belongsToOneRequest(t *testing.T) {
	first := func(rec *Recorder) *record {
		s := recorded(rec, "http://h.test/first", "first")
		s.Ended(attempts.Attempt{Err: errors.New("first")})
		s.GetConn("h.test:80")
		s.end(answered("first"))
		return s
	}
	rec := Recorder{Max: 1, Bodies: 10}
	old := first(&rec)
	s := recorded(&rec, "http://h.test/second", "second")
	if s.row != old.row {
		t.Fatal("the row of a request that is done was not used again")
	}
	fresh := new(Recorder)
	want := recorded(fresh, "http://h.test/second", "second")
	for name, tell := range map[string]func(){
		"GetConn":              func() { old.GetConn("h.test:80") },
		"DNSStart":             func() { old.DNSStart(httptrace.DNSStartInfo{}) },
		"ConnectDone":          func() { old.ConnectDone("tcp", "192.0.2.1:80", nil) },
		"GotConn":              func() { old.GotConn(httptrace.GotConnInfo{Reused: true}) },
		"WroteRequest":         func() { old.WroteRequest(httptrace.WroteRequestInfo{}) },
		"GotFirstResponseByte": func() { old.GotFirstResponseByte() },
		"Ended":                func() { old.Ended(attempts.Attempt{Err: errors.New("late")}) },
		"Begins":               func() { old.Begins(time.Now()) },
		"its end":              func() { old.end(answered("late")) },
		"its Transport": func() {
			r := httptest.NewRequest(http.MethodPut, "/", nil).WithContext(old)
			if resp, err := rec.Transport(http.NewFileTransport(http.Dir("."))).RoundTrip(r); err == nil {
				io.Copy(io.Discard, resp.Body)
			}
		},
	} {
		tell()
		got, ok := s.now()
		if !ok {
			t.Fatalf("after %s of the old request, the row is not that of the new one", name)
		}
		expected, _ := want.now()
		expected.made, expected.took = got.made, got.took
		if diff := cmp.Diff(expected, got, cmp.AllowUnexported(entry{}, extra{}, failure{}, kept{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("after %s of the old request, the entry of the new one (-want +got):\n%s", name, diff)
		}
	}
	if _, ok := old.now(); ok {
		t.Error("a request that is forgotten is shown")
	}
}

// A request in flight keeps its row, also if it is forgotten.
func TestRow_inFlightIsNotUsedAgain(t *testing.T) {
	rec := Recorder{Max: 1}
	old := recorded(&rec, "http://h.test/first", "first")
	s := recorded(&rec, "http://h.test/second", "second")
	if s.row == old.row {
		t.Fatal("two requests in flight have one row")
	}
	old.end(answered("first"))
	if e := rec.entries(); len(e) != 1 || e[0].url != "http://h.test/second" || e[0].end != inFlight {
		t.Errorf("the entries are %+v, want the second alone, in flight", e)
	}
}

// What a picture shows does not change when a row is used again.
func TestRow_copiedForPicture(t *testing.T) {
	rec := Recorder{Max: 1}
	recorded(&rec, "http://h.test/first", "first").end(answered("first"))
	was := rec.entries()
	recorded(&rec, "http://h.test/second", "second").end(answered("second"))
	want := []field{{"X-Of", "first"}}
	if diff := cmp.Diff([][]field{want, want}, [][]field{was[0].header, was[0].answered}); diff != "" {
		t.Errorf("the headers in the picture (-want +got):\n%s", diff)
	}
}

// A large header does not stay in memory with its row.
func TestRow_dropsLargeHeader(t *testing.T) {
	rec := Recorder{Max: 1}
	s := recorded(&rec, "http://h.test/", "first")
	large := make(http.Header)
	for i := range 100 {
		large.Set(fmt.Sprint("X-", i), "x")
	}
	s.end(pending.Outcome{Response: &http.Response{StatusCode: 200, Header: large}})
	if s = recorded(&rec, "http://h.test/", "second"); cap(s.row.entry.answered) > 0 {
		t.Errorf("the row has room for a header of %d fields, want none", cap(s.row.entry.answered))
	}
}

// Rows are used again while pictures are drawn. Each picture has the requests
// in their order, and each at most once.
func TestRow_pictureWhileUsedAgain(t *testing.T) {
	rec := Recorder{Max: 10}
	var recorders sync.WaitGroup
	for range 4 {
		recorders.Go(func() {
			for range 200 {
				s := recorded(&rec, "http://h.test/", "x")
				s.GotConn(httptrace.GotConnInfo{})
				s.end(answered("x"))
			}
		})
	}
	var stop sync.WaitGroup
	done := make(chan struct{})
	stop.Go(func() {
		for {
			entries := rec.entries()
			for i := 1; i < len(entries); i++ {
				if !entries[i-1].made.Before(entries[i].made) && !entries[i-1].made.Equal(entries[i].made) {
					t.Errorf("entry %d was made before the one above it", i)
				}
			}
			if len(entries) > 10 {
				t.Errorf("%d entries, want 10 at most", len(entries))
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	recorders.Wait()
	close(done)
	stop.Wait()
}

package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// What a program may give by mistake, and a transport too.

// A block without a Config sends with http.DefaultClient, and has no limits.
func TestConfig_zeroUsesDefaultClient(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "an answer")
	}))
	defer srv.Close()
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
		if got := text(t, p.Get(srv.URL)); got != "an answer" {
			t.Errorf("the body is %q", got)
		}
		return nil
	})
}

// A Send that returns nothing fails its request, of which nothing is proved.
func TestConfig_sendReturnsNil(t *testing.T) {
	cfg := parallel.Config{Send: func(*http.Request) (*http.Response, error) { return nil, nil }}
	parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
		err := failure(t, p.Get("http://h/"))
		const want = `Get "http://h/": neither a response nor an error came back`
		if err.Error() != want || errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Response = %v (ErrNotSent: %v); want %s", err, errors.Is(err, pending.ErrNotSent), want)
		}
		return nil
	})
}

// Nil items are none.
func TestEach_nilItems(t *testing.T) {
	get := func(string) *pending.Pending { t.Error("start was called"); return nil }
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
		for name, loop := range map[string]iter.Seq2[string, *pending.Pending]{
			"Each":    parallel.Each(p, nil, get),
			"Ordered": parallel.Ordered(p, nil, get),
		} {
			for item := range loop {
				t.Errorf("%s of nil items yielded %q", name, item)
			}
		}
		return nil
	})
}

// sent makes a request with o, and returns how its body came to the transport.
func sent(t *testing.T, o parallel.Option) (length int64, content string, none bool) {
	t.Helper()
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		length, none = r.ContentLength, r.Body == nil || r.Body == http.NoBody
		if !none {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			content = string(b)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if _, err := p.Post("http://h/", o).Response(); err != nil {
			t.Error(err)
		}
		return nil
	})
	return length, content, none
}

// A nil reader is an empty body, whatever its type.
func TestBody_nilReader(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"nil":                   nil,
		"a nil *bytes.Buffer":   (*bytes.Buffer)(nil),
		"a nil *bytes.Reader":   (*bytes.Reader)(nil),
		"a nil *strings.Reader": (*strings.Reader)(nil),
	} {
		if length, _, none := sent(t, parallel.Body("", r)); length != 0 || !none {
			t.Errorf("%s: the body has length %d and is none: %v; want 0, true", name, length, none)
		}
	}
}

// A file that stands beyond its end is an empty body; its length is not negative.
func TestBodyOfFile_offsetBeyondEnd(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(10, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if length, content, none := sent(t, parallel.Body("", f)); length != 0 || content != "" || !none {
		t.Errorf("the body has length %d, content %q and is none: %v; want 0, nothing and true", length, content, none)
	}
}

// Promise 13: a method that is none doesn't come to the transport.
func TestMethod_invalid(t *testing.T) {
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the request came to the transport")
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for _, method := range []string{"GET /admin HTTP/1.1\r\nX:", "GET\r\n", "GE T", "GÉT", "\x00"} {
			req := httpGet(context.Background(), "http://h/")
			req.Method = method
			if err := failure(t, p.Do(req)); !errors.Is(err, pending.ErrNotSent) || !as[*url.Error](err) {
				t.Errorf("method %q: %v; want a *url.Error that is ErrNotSent", method, err)
			}
		}
		return nil
	})
}

// Promise 15: a body whose Read breaks its contract ends the request, and neither the
// process nor the reading.
func TestBody_readReturnsWrongCount(t *testing.T) {
	for name, tc := range map[string]struct {
		read func([]byte) (int, error)
		want string
	}{
		"more than there was room for": {func(b []byte) (int, error) { return len(b) + 1, nil }, "the response body's Read returned an impossible count"},
		"less than nothing":            {func([]byte) (int, error) { return -1, nil }, "the response body's Read returned an impossible count"},
		"nothing, for ever":            {func([]byte) (int, error) { return 0, nil }, io.ErrNoProgress.Error()},
	} {
		c := client.Client{HTTP: &http.Client{Transport: answering(http.Response{
			StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(readFunc(tc.read)),
		})}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if got, want := failure(t, p.Get("http://h/")).Error(), `Get "http://h/": `+tc.want; got != want {
				t.Errorf("a Read that returns %s: %s; want %s", name, got, want)
			}
			return nil
		})
	}
}

// Promise 20: a transport's own timeout has the transport's text, and is
// context.DeadlineExceeded all the same.
func TestTimeout_textOfTransport(t *testing.T) {
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, os.ErrDeadlineExceeded
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		err := failure(t, p.Get("http://h/"))
		if diff := cmp.Diff(`Get "http://h/": i/o timeout`, err.Error()); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v is not both context.DeadlineExceeded and the transport's", err)
		}
		return nil
	})
}

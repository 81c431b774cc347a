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

// These tests pass values that programs and transports pass by mistake.

// A block with a zero Config sends with http.DefaultClient and has no limits.
func TestConfig_zeroUsesDefaultClient(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	defer srv.Close()
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
		if got := text(t, p.Get(srv.URL)); got != "hello" {
			t.Errorf("body = %q, want %q", got, "hello")
		}
		return nil
	})
}

// If Send returns nil and nil, the request fails, without a proof that it was
// not sent.
func TestConfig_sendReturnsNil(t *testing.T) {
	cfg := parallel.Config{Send: func(*http.Request) (*http.Response, error) { return nil, nil }}
	parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
		err := failure(t, p.Get("http://h/"))
		const want = `Get "http://h/": neither a response nor an error came back`
		if err.Error() != want || errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Response() error = %v (ErrNotSent: %v), want %s (false)", err, errors.Is(err, pending.ErrNotSent), want)
		}
		return nil
	})
}

// If items is nil, Each and Ordered yield nothing.
func TestEach_nilItems(t *testing.T) {
	get := func(string) *pending.Pending { t.Error("start was called"); return nil }
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
		for name, loop := range map[string]iter.Seq2[string, *pending.Pending]{
			"Each":    parallel.Each(p, iter.Seq[string](nil), get),
			"Ordered": parallel.Ordered(p, iter.Seq[string](nil), get),
		} {
			for item := range loop {
				t.Errorf("%s of nil items yielded %q", name, item)
			}
		}
		return nil
	})
}

// sent makes a request with o, and returns the length and content of the body
// that the transport got.
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

// A nil reader of any type is an empty body.
func TestBody_nilReader(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"nil":                   nil,
		"a nil *bytes.Buffer":   (*bytes.Buffer)(nil),
		"a nil *bytes.Reader":   (*bytes.Reader)(nil),
		"a nil *strings.Reader": (*strings.Reader)(nil),
	} {
		if length, _, none := sent(t, parallel.Body("", r)); length != 0 || !none {
			t.Errorf("%s: length = %d, no body = %v; want 0, true", name, length, none)
		}
	}
}

// If the offset of a file is beyond its end, the body is empty. Its length is
// not negative.
func TestBodyOfFile_offsetBeyondEnd(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(10, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if length, content, none := sent(t, parallel.Body("", f)); length != 0 || content != "" || !none {
		t.Errorf("length = %d, content = %q, no body = %v; want 0, \"\", true", length, content, none)
	}
}

// Promise 13: a request with an invalid method does not reach the transport.
func TestMethod_invalid(t *testing.T) {
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the request reached the transport")
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for _, method := range []string{"GET /admin HTTP/1.1\r\nX:", "GET\r\n", "GE T", "GÉT", "\x00"} {
			req := httpGet(context.Background(), "http://h/")
			req.Method = method
			if err := failure(t, p.Do(req)); !errors.Is(err, pending.ErrNotSent) || !as[*url.Error](err) {
				t.Errorf("method %q: error = %v, want a *url.Error that matches ErrNotSent", method, err)
			}
		}
		return nil
	})
}

// Promise 15: a Read of a response body that breaks the contract of io.Reader
// fails the request. It does not end the process, and the reading ends.
func TestBody_readReturnsWrongCount(t *testing.T) {
	for name, tc := range map[string]struct {
		read func([]byte) (int, error)
		want string
	}{
		"more than fits":    {func(b []byte) (int, error) { return len(b) + 1, nil }, "the response body's Read returned an impossible count"},
		"less than nothing": {func([]byte) (int, error) { return -1, nil }, "the response body's Read returned an impossible count"},
		"nothing, forever":  {func([]byte) (int, error) { return 0, nil }, io.ErrNoProgress.Error()},
	} {
		c := client.Client{HTTP: &http.Client{Transport: responding(http.Response{
			StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(readFunc(tc.read)),
		})}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if got, want := failure(t, p.Get("http://h/")).Error(), `Get "http://h/": `+tc.want; got != want {
				t.Errorf("Read that returns %s: error = %s, want %s", name, got, want)
			}
			return nil
		})
	}
}

// Promise 20: the error of a transport's own timeout has the transport's text,
// and matches context.DeadlineExceeded.
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
			t.Errorf("error = %v, want it to match context.DeadlineExceeded and the transport's error", err)
		}
		return nil
	})
}

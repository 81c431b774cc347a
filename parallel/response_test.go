package parallel_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests are of promise 15. (internal/exchange tests how memory grows.)

// raw returns a handler that writes the response as it is and closes the
// connection.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, answer)
	}
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

// A memo is a response body that counts its Reads and Closes.
type memo struct {
	io.Reader
	reads, closes atomic.Int32
}

func (m *memo) Read(p []byte) (int, error) { m.reads.Add(1); return m.Reader.Read(p) }
func (m *memo) Close() error               { m.closes.Add(1); return nil }

// responding returns a transport that responds to every request with a copy of
// resp.
func responding(resp http.Response) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		own := resp
		return &own, nil
	}
}

func TestResponse_outlivesItsBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("0123456789", 100_000)
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, long+r.URL.Path)
		}))
		c := client.Client{HTTP: s.Client()}
		var hs []*pending.Pending
		if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for i := range 3 {
				h := p.Get(fmt.Sprint("http://h/", i))
				<-h.Done()
				hs = append(hs, h)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n := s.Dials(); n != 1 {
			t.Errorf("3 requests in a row used %d connections, want 1", n)
		}
		s.Transport.CloseIdleConnections()
		for i, h := range hs {
			if got := text(t, h); got != fmt.Sprint(long, "/", i) {
				t.Errorf("body %d has %d bytes after the block, or other bytes; want %d", i, len(got), len(long)+2)
			}
		}
	})
}

// A response is complete with its last byte, not with its header.
func TestResponse_completeWithLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "a beginning")
			http.NewResponseController(w).Flush()
			<-time.After(300 * time.Millisecond)
			io.WriteString(w, " and an end")
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			h := p.Get("http://h/")
			<-h.Done()
			if d := time.Since(start); d != 300*time.Millisecond {
				t.Errorf("done after %v, want 300ms", d)
			}
			if got := text(t, h); got != "a beginning and an end" {
				t.Errorf("body = %q, want %q", got, "a beginning and an end")
			}
			return nil
		})
	})
}

// A truncated body is never a short success, neither in memory nor with To.
func TestResponse_truncatedBody(t *testing.T) {
	packed := string(gzipped(bytes.Repeat([]byte("content "), 1000)))
	const ok = "HTTP/1.1 200 OK\r\n"
	cut := map[string]http.Handler{
		"before the declared length": raw(ok + "Content-Length: 10\r\n\r\nshort"),
		"right after the headers":    raw(ok + "Content-Length: 10\r\n\r\n"),
		"within a chunk":             raw(ok + "Transfer-Encoding: chunked\r\n\r\n10\r\nshort"),
		"between two chunks":         raw(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
		"before the last chunk's end": raw(ok +
			"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n"),
		"within gzip": raw(ok + "Content-Encoding: gzip\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s",
			len(packed)-9, packed[:len(packed)-9])),
		"within gzip, chunked": raw(ok + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(packed)-9, packed[:len(packed)-9])),
		"after gzip, before the declared length": raw(ok + "Content-Encoding: gzip\r\n" +
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(packed)+10, packed)),
		"after gzip, before the last chunk": raw(ok + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n", len(packed), packed)),
	}
	check := func(t *testing.T, hc *http.Client) {
		c := client.Client{HTTP: hc}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for name, h := range map[string]*pending.Pending{
				"kept":       p.Get("http://h/"),
				"written to": p.Get("http://h/", parallel.To(io.Discard)),
			} {
				resp, err := h.Response()
				var ue *url.Error
				if resp != nil || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &ue) {
					t.Errorf("truncated body, %s: Response() = %v, %v; want a *url.Error that matches io.ErrUnexpectedEOF", name, resp, err)
				}
			}
			return nil
		})
	}
	for name, handler := range cut {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { check(t, testnet.New(t, handler).Client()) })
		})
	}
	for name, transport := range map[string]roundTrip{
		"another transport, before the declared length": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: 10, Body: io.NopCloser(strings.NewReader("short"))}, nil
		},
		"another transport, nothing of the declared length": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: 10, Body: http.NoBody}, nil
		},
		"another transport, within gzip": func(*http.Request) (*http.Response, error) {
			z, err := gzip.NewReader(strings.NewReader(packed[:len(packed)-9]))
			return &http.Response{StatusCode: 200, ContentLength: -1, Uncompressed: true, Body: io.NopCloser(z)}, err
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, &http.Client{Transport: transport}) })
	}
}

// The same over HTTP/2, where a stream ends too early.
func TestResponse_truncatedBodyHTTP2(t *testing.T) {
	srv := http2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "short")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	c := client.Client{HTTP: srv.Client()}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if resp, err := p.Get(srv.URL).Response(); err == nil {
			t.Errorf("Response() of a stream that was reset has no error (%v)", resp.Proto)
		}
		return nil
	})
}

func TestResponse_resetInBody(t *testing.T) {
	headersCame := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
		<-headersCame
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}))
	defer srv.Close()
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		defer close(headersCame)
		return srv.Client().Transport.RoundTrip(r)
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		resp, err := p.Get(srv.URL).Response()
		if resp != nil || !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Response() = %v, %v after a reset; want the transport's error", resp, err)
		}
		return nil
	})
}

// allocated returns the number of bytes that f, and what it starts, allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Memory grows with the bytes received, regardless of the declared length.
func TestResponse_declaredLengthNotAllocated(t *testing.T) {
	c := client.Client{MaxBody: -1, HTTP: &http.Client{Transport: responding(http.Response{
		StatusCode: 200, ContentLength: 1 << 40, Body: io.NopCloser(strings.NewReader("0123456789")),
	})}}
	n := allocated(func() {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("10 bytes of 1 TiB: error = %v, want io.ErrUnexpectedEOF", err)
			}
			return nil
		})
	})
	if n > 1<<20 {
		t.Errorf("10 bytes of 1 TiB allocated %d bytes, want less than 1 MiB", n)
	}
}

// MaxBody applies to the decompressed body of any status. A body of exactly
// that length is kept. One more byte is an error with the status and the
// header.
func TestMaxBody(t *testing.T) {
	const limit = 1000
	encodings := map[string]func(w http.ResponseWriter, status int, content []byte){
		"declared": func(w http.ResponseWriter, status int, content []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.WriteHeader(status)
			w.Write(content)
		},
		"chunked": func(w http.ResponseWriter, status int, content []byte) {
			w.WriteHeader(status)
			http.NewResponseController(w).Flush()
			w.Write(content)
		},
		"gzip": func(w http.ResponseWriter, status int, content []byte) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(status)
			w.Write(gzipped(content))
		},
	}
	for name, answer := range encodings {
		for _, status := range []int{http.StatusOK, http.StatusNotFound} {
			for _, length := range []int{limit - 1, limit, limit + 1, 100 * limit} {
				t.Run(fmt.Sprint(name, " ", status, " ", length), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						content := bytes.Repeat([]byte("x"), length)
						s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							w.Header().Set("X-Request-Id", "7")
							answer(w, status, content)
						}))
						c := client.Client{HTTP: s.Client(), MaxBody: limit}
						c.Parallel(t.Context(), func(p *parallel.Parallel) error {
							h := p.Get("http://h/")
							if length <= limit {
								if got := text(t, h); got != string(content) {
									t.Errorf("the body has %d bytes, or other bytes; want %d", len(got), length)
								}
								return nil
							}
							_, err := h.Response()
							checkTooLarge(t, err, limit, status)
							return nil
						})
					})
				})
			}
		}
	}
}

func checkTooLarge(t *testing.T, err error, limit int64, status int) {
	t.Helper()
	var ue *url.Error
	var tooLarge *pending.BodyTooLargeError
	if !errors.As(err, &ue) || !errors.As(ue, &tooLarge) {
		t.Fatalf("error = %v, want a *url.Error that wraps a *BodyTooLargeError", err)
	}
	type answer struct {
		Limit     int64
		Status    int
		RequestID string
	}
	got := answer{tooLarge.Limit, tooLarge.Response.StatusCode, tooLarge.Response.Header.Get("X-Request-Id")}
	if diff := cmp.Diff(answer{limit, status, "7"}, got); diff != "" {
		t.Errorf("limit and response of the error (-want +got):\n%s", diff)
	}
	if b, err := io.ReadAll(tooLarge.Response.Body); len(b) != 0 || err != nil {
		t.Errorf("body of the error's Response: %d bytes, %v; want 0", len(b), err)
	}
}

// If the declared length is over MaxBody, the response is refused at once and
// no byte is read.
func TestMaxBody_declaredLengthRefused(t *testing.T) {
	body := &memo{Reader: strings.NewReader(strings.Repeat("x", 1001))}
	c := client.Client{MaxBody: 1000, HTTP: &http.Client{Transport: responding(http.Response{
		StatusCode: 200, Header: http.Header{"X-Request-Id": {"7"}}, ContentLength: 1001, Body: body,
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		_, err := p.Get("http://h/").Response()
		checkTooLarge(t, err, 1000, 200)
		return nil
	})
	if body.reads.Load() != 0 || body.closes.Load() == 0 {
		t.Errorf("the body was read %d times and closed %d times, want 0 and at least 1", body.reads.Load(), body.closes.Load())
	}
}

func TestMaxBody_gzipBomb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bomb := gzipped(make([]byte, 20<<20))
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "7")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}))
		c := client.Client{HTTP: s.Client(), MaxBody: 64 << 10}
		n := allocated(func() {
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				_, err := p.Get("http://h/").Response()
				checkTooLarge(t, err, 64<<10, 200)
				return nil
			})
		})
		if n > 2<<20 {
			t.Errorf("20 MiB in gzip allocated %d bytes with a MaxBody of 64 KiB, want less than 2 MiB", n)
		}
	})
}

// A 101 response has no end. It is refused, and its body, which is the
// connection, is closed unread.
func TestResponse_switchingProtocolsRefused(t *testing.T) {
	refused := func(t *testing.T, h *pending.Pending) {
		t.Helper()
		resp, err := h.Response()
		var ue *url.Error
		if resp != nil || !errors.As(err, &ue) || !strings.Contains(err.Error(), "101") {
			t.Errorf("Response() of a 101 = %v, %v; want a *url.Error with \"101\"", resp, err)
		}
		if errors.Is(err, pending.ErrNotSent) {
			t.Errorf("error of a 101 = %v, want it not to match ErrNotSent", err)
		}
	}
	t.Run("net/http's transport", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			closed := make(chan error, 2)
			s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					panic(err)
				}
				defer conn.Close()
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
				_, err = conn.Read(make([]byte, 1))
				closed <- err
			}))
			c := client.Client{HTTP: s.Client(), Timeout: -1}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				refused(t, p.Get("http://h/"))
				refused(t, p.Get("http://h/", parallel.To(io.Discard)))
				return nil
			})
			for range 2 {
				if err := <-closed; err != io.EOF {
					t.Errorf("Read of the server's connection = %v, want io.EOF", err)
				}
			}
		})
	})
	t.Run("another transport", func(t *testing.T) {
		body := &memo{Reader: strings.NewReader("x")}
		c := client.Client{HTTP: &http.Client{Transport: responding(http.Response{StatusCode: 101, Body: body})}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			refused(t, p.Get("http://h/"))
			return nil
		})
		if body.reads.Load() != 0 || body.closes.Load() == 0 {
			t.Errorf("the body was read %d times and closed %d times, want 0 and at least 1", body.reads.Load(), body.closes.Load())
		}
	})
}

// A response that can have no body is complete without one, with any declared
// length.
func TestResponse_lengthWithoutBody(t *testing.T) {
	cases := map[string]struct {
		method string
		status int
	}{
		"HEAD":         {http.MethodHead, 200},
		"HEAD, 404":    {http.MethodHead, 404},
		"204":          {http.MethodGet, 204},
		"304":          {http.MethodGet, 304},
		"HEAD and 304": {http.MethodHead, 304},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			const length = 20 << 20 // more than MaxBody
			check := func(t *testing.T, c client.Client) {
				t.Helper()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					r, err := http.NewRequest(tc.method, "http://h/", nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, opts := range [][]parallel.Option{nil, {parallel.To(io.Discard)}} {
						resp, err := p.Do(r, opts...).Response()
						if err != nil {
							t.Fatal(err)
						}
						b, err := io.ReadAll(resp.Body)
						if resp.StatusCode != tc.status || len(b) != 0 || err != nil {
							t.Errorf("status %d, %d bytes, %v; want %d, 0 bytes", resp.StatusCode, len(b), err, tc.status)
						}
						if tc.method == http.MethodHead && resp.ContentLength != length {
							t.Errorf("ContentLength = %d, want %d", resp.ContentLength, length)
						}
					}
					return nil
				})
			}
			synctest.Test(t, func(t *testing.T) {
				check(t, client.Client{HTTP: testnet.New(t, raw(fmt.Sprintf(
					"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n", tc.status, http.StatusText(tc.status), length))).Client()})
			})
			check(t, client.Client{HTTP: &http.Client{Transport: responding(http.Response{
				StatusCode: tc.status, ContentLength: length, Body: http.NoBody,
			})}})
		})
	}
}

// Send need not set Response.Request or Body.
func TestResponse_incompleteFromTransport(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		resp   http.Response
		err    error
	}{
		"no body":                      {"GET", http.Response{StatusCode: 200}, nil},
		"no body, but a length":        {"GET", http.Response{StatusCode: 200, ContentLength: 5}, io.ErrUnexpectedEOF},
		"HEAD, and a length":           {"HEAD", http.Response{StatusCode: 200, ContentLength: 5}, nil},
		"HEAD, a length and a NoBody":  {"HEAD", http.Response{StatusCode: 200, ContentLength: 5, Body: http.NoBody}, nil},
		"a 204 with a length, no body": {"GET", http.Response{StatusCode: 204, ContentLength: 5}, nil},
	} {
		cfg := parallel.Config{Send: func(*http.Request) (*http.Response, error) { return &tc.resp, nil }}
		parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
			r, err := http.NewRequest(tc.method, "http://h/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := p.Do(r).Response()
			if !errors.Is(err, tc.err) {
				t.Errorf("%s: Response() error = %v, want %v", name, err, tc.err)
			}
			if err == nil {
				if b, err := io.ReadAll(resp.Body); len(b) != 0 || err != nil {
					t.Errorf("%s: the body has %d bytes, %v; want 0", name, len(b), err)
				}
			}
			return nil
		})
	}
}

func TestResponse_noBodyOrLength(t *testing.T) {
	for name, tc := range map[string]struct {
		resp http.Response
		want string
	}{
		"no body":             {http.Response{StatusCode: 200}, ""},
		"a body and length 0": {http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("here"))}, "here"},
		"a body and length -1": {
			http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader("here"))}, "here",
		},
		"decompressed, with the compressed length": {
			http.Response{StatusCode: 200, Uncompressed: true, ContentLength: 50, Body: io.NopCloser(strings.NewReader("here"))}, "here",
		},
	} {
		c := client.Client{HTTP: &http.Client{Transport: responding(tc.resp)}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if got := text(t, p.Get("http://h/")); got != tc.want {
				t.Errorf("%s: body = %q, want %q", name, got, tc.want)
			}
			return nil
		})
	}
}

// A target is a writer for To that counts its Closes.
type target struct {
	bytes.Buffer
	closes int
}

func (w *target) Close() error { w.closes++; return nil }

// To receives the body of a 2xx response of any length. The body of any other
// status is kept as if To were not set.
func TestTo_receives2xxOnly(t *testing.T) {
	const limit = 1000
	for _, status := range []int{200, 201, 206, 299, 300, 304, 400, 404, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Request-Id", "7")
					w.WriteHeader(status)
					if r.URL.Path == "/long" {
						w.Write(bytes.Repeat([]byte("x"), limit+1))
					} else {
						io.WriteString(w, "short")
					}
				}))
				c := client.Client{HTTP: s.Client(), MaxBody: limit}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					var short, long target
					kept := text(t, p.Get("http://h/", parallel.To(&short)))
					resp, err := p.Get("http://h/long", parallel.To(&long)).Response()
					switch {
					case status/100 == 2:
						if kept != "" || short.String() != "short" {
							t.Errorf("kept %q and wrote %q, want all written", kept, short.String())
						}
						if err != nil || long.Len() != limit+1 {
							t.Errorf("wrote %d bytes, %v; want %d", long.Len(), err, limit+1)
						}
					case status == 304: // has no body
						if kept != "" || short.Len() != 0 {
							t.Errorf("kept %q and wrote %q of a 304, want nothing", kept, short.String())
						}
					default:
						if kept != "short" || short.Len() != 0 {
							t.Errorf("kept %q and wrote %q, want all kept", kept, short.String())
						}
						if resp != nil || long.Len() != 0 {
							t.Errorf("Response() = %v, and %d bytes of an error page were written; want an error, and 0", resp, long.Len())
						}
						checkTooLarge(t, err, limit, status)
					}
					if short.closes+long.closes != 0 {
						t.Error("To was closed")
					}
					return nil
				})
			})
		})
	}
}

// The handle does not keep a body that To received.
func TestTo_bytesAreEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "body") }))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w target
			if b, err := p.Get("http://h/", parallel.To(&w)).Bytes(); len(b) != 0 || err != nil || w.String() != "body" {
				t.Errorf("Bytes() = %q, %v, and wrote %q; want an empty body, and all written", b, err, w.String())
			}
			return nil
		})
	})
}

// A fullDisk is a writer that fails after some bytes.
type fullDisk struct {
	room int
	err  error
}

func (w *fullDisk) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	w.room -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

// An error of To fails the request and ends the transfer.
func TestTo_writeError(t *testing.T) {
	full := errors.New("disk full")
	for name, tc := range map[string]struct{ given, want error }{
		"an error":      {full, full},
		"a short write": {nil, io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for r.Context().Err() == nil {
						if _, err := w.Write(make([]byte, 1000)); err != nil {
							return
						}
					}
				}))
				c := client.Client{HTTP: s.Client()}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					h := p.Post("http://h/", parallel.To(&fullDisk{room: 10_000, err: tc.given}))
					resp, err := h.Response()
					var ue *url.Error
					if resp != nil || !errors.As(err, &ue) || ue.Op != "Post" || !errors.Is(err, tc.want) {
						t.Errorf("Response() = %v, %v; want a *url.Error that matches %v", resp, err, tc.want)
					}
					if errors.Is(err, context.Canceled) {
						t.Errorf("error = %v, want it not to match context.Canceled", err)
					}
					return nil
				})
			})
		})
	}
}

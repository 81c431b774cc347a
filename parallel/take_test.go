package parallel_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 31.

// into returns a Take that returns w for every response.
func into(w io.Writer) parallel.Option {
	return parallel.Take(func(*http.Response) (io.Writer, error) { return w, nil })
}

// takeNone returns a Take that refuses every response.
func takeNone(err error) parallel.Option {
	return parallel.Take(func(*http.Response) (io.Writer, error) { return nil, err })
}

// Take is called once for the final response of any status. The body goes to
// the writer that it returns, or stays in memory.
func TestTake_everyFinalResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var status int
			fmt.Sscanf(r.URL.Path, "/%d", &status)
			switch {
			case r.URL.Path == "/redirect":
				http.Redirect(w, r, "/200", http.StatusFound)
			case r.URL.Path == "/hint":
				w.WriteHeader(http.StatusEarlyHints)
				io.WriteString(w, "body")
			case r.URL.Path == "/gzip":
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				io.WriteString(z, "body")
				z.Close()
			default:
				w.WriteHeader(status)
				if status != 204 && status != 304 {
					io.WriteString(w, "body")
				}
			}
		}))
		c := client.Client{HTTP: s.Client(), BaseURL: "http://h"}
		type result struct {
			Called  []int
			Path    string
			Written string
			Kept    string
		}
		get := func(p *parallel.Parallel, method, path string, keep bool) (r result) {
			var w bytes.Buffer
			req, err := http.NewRequest(method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Kept = text(t, p.Do(req, parallel.Take(func(resp *http.Response) (io.Writer, error) {
				r.Called = append(r.Called, resp.StatusCode)
				r.Path = resp.Request.URL.Path
				if keep {
					return nil, nil
				}
				return &w, nil
			})))
			r.Written = w.String()
			return r
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for _, test := range []struct {
				method, path string
				keep         bool
				want         result
			}{
				{"GET", "/200", false, result{[]int{200}, "/200", "body", ""}},
				{"GET", "/200", true, result{[]int{200}, "/200", "", "body"}},
				{"GET", "/404", false, result{[]int{404}, "/404", "body", ""}},
				{"GET", "/503", true, result{[]int{503}, "/503", "", "body"}},
				{"GET", "/204", false, result{[]int{204}, "/204", "", ""}},
				{"GET", "/304", false, result{[]int{304}, "/304", "", ""}},
				{"HEAD", "/200", false, result{[]int{200}, "/200", "", ""}},
				{"GET", "/redirect", false, result{[]int{200}, "/200", "body", ""}},
				{"GET", "/hint", false, result{[]int{200}, "/hint", "body", ""}},
				{"GET", "/gzip", false, result{[]int{200}, "/gzip", "body", ""}},
			} {
				if diff := cmp.Diff(test.want, get(p, test.method, test.path, test.keep)); diff != "" {
					t.Errorf("%s %s, kept: %v (-want +got):\n%s", test.method, test.path, test.keep, diff)
				}
			}
			return nil
		})
	})
}

// MaxBody counts only what is kept in memory.
func TestTake_maxBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			w.Write(make([]byte, 5000))
		})).Client(), MaxBody: 1000}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w bytes.Buffer
			if _, err := p.Get("http://h/", into(&w)).Bytes(); err != nil || w.Len() != 5000 {
				t.Errorf("Bytes() error = %v, and %d bytes were written; want 5000", err, w.Len())
			}
			var large *pending.BodyTooLargeError
			if err := failure(t, p.Get("http://h/", into(nil))); !errors.As(err, &large) {
				t.Errorf("Response() error = %v for a body that is kept; want a *BodyTooLargeError", err)
			}
			return nil
		})
	})
}

// Take gets a copy of the response. Nothing that it does with it changes the
// result, and a Read of the body fails: it ended at once, as an empty body
// does.
func TestTake_getsCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "body")
		})).Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var kept *http.Response
			h := p.Get("http://h/", parallel.Take(func(resp *http.Response) (io.Writer, error) {
				if b, err := io.ReadAll(resp.Body); len(b) != 0 || err == nil || !strings.Contains(err.Error(), "return an io.Writer") {
					t.Errorf("Take reads %q, %v; want an error that says to return an io.Writer", b, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Errorf("Close() = %v", err)
				}
				kept, resp.StatusCode, resp.Body = resp, 500, nil
				return nil, nil
			}))
			if b, err := h.Bytes(); string(b) != "body" || err != nil {
				t.Errorf("Bytes() = %q, %v; want the body", b, err)
			}
			if resp, _ := h.Response(); resp.StatusCode != 200 || kept.StatusCode != 500 || kept.Body != nil {
				t.Errorf("status %d, and Take's copy has %d, %v; want 200, 500, nil", resp.StatusCode, kept.StatusCode, kept.Body)
			}
			return nil
		})
	})
}

// The context of the Request that Take sees is not the one by which the
// request's own connections are tracked.
func TestTake_unwatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, newFlaky(0, 0)).Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			type key struct{}
			req, err := http.NewRequestWithContext(context.WithValue(t.Context(), key{}, "value"), "GET", "http://h/", nil)
			if err != nil {
				t.Fatal(err)
			}
			p.Do(req, parallel.Take(func(resp *http.Response) (io.Writer, error) {
				ctx := resp.Request.Context()
				if httptrace.ContextClientTrace(ctx) != nil || ctx.Value(key{}) != "value" {
					t.Errorf("the context has the trace %v and the value %v", httptrace.ContextClientTrace(ctx), ctx.Value(key{}))
				}
				return nil, nil
			})).Response()
			return nil
		})
	})
}

// An error of Take is the error of the handle. The body is not read, and its
// connection is given up.
func TestTake_refuses(t *testing.T) {
	errUser := errors.New("no page")
	for name, want := range map[string]error{
		"an error":                   errUser,
		"an error that was not sent": fmt.Errorf("%w: %w", errUser, pending.ErrNotSent),
		"a *url.Error":               &url.Error{Op: "Look", URL: "at", Err: errUser},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan struct{})
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					close(ended)
				}))
				c := client.Client{HTTP: s.Client()}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					resp, err := p.Post("http://h/", takeNone(want)).Response()
					var ue *url.Error
					if resp != nil || !errors.As(err, &ue) || ue.Op != "Post" || !errors.Is(err, want) {
						t.Errorf("Response() = %v, %v; want a *url.Error that matches %v", resp, err, want)
					}
					if errors.Is(err, context.Canceled) {
						t.Errorf("error = %v, want it not to match context.Canceled", err)
					}
					if errors.Is(err, pending.ErrNotSent) {
						t.Errorf("error = %v, want it not to match ErrNotSent", err)
					}
					<-ended
					return nil
				})
				if s.Dials() != 1 {
					t.Errorf("%d connections, want 1", s.Dials())
				}
			})
		})
	}
}

// A cancel during Take ends the context of its response's Request. The request
// fails with the cancel, even if Take returns an error. A *BodyTooLargeError of
// Take was taken for the library's own, and was the error of the request in
// place of the cancel.
func TestTake_canceled(t *testing.T) {
	for name, result := range map[string]struct {
		w   io.Writer
		err error
	}{
		"memory": {}, "a writer": {w: io.Discard}, "an error": {err: errors.New("refused")},
		"a *BodyTooLargeError": {err: &pending.BodyTooLargeError{Limit: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, "body")
				})).Client()}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					start := time.Now()
					h := p.Get("http://h/", parallel.Take(func(resp *http.Response) (io.Writer, error) {
						<-resp.Request.Context().Done()
						time.Sleep(time.Second)
						return result.w, result.err
					}))
					time.Sleep(time.Second)
					h.Cancel()
					if err := failure(t, h); !errors.Is(err, context.Canceled) {
						t.Errorf("Response() error = %v, want one that matches context.Canceled", err)
					}
					took(t, "the handle was done", start, 2*time.Second)
					return nil
				})
			})
		})
	}
}

// Take may open a block with the context of its response's Request.
func TestTake_opensBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.URL.Path)
		})).Client(), BaseURL: "http://h", Limit: 1}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w bytes.Buffer
			h := p.Get("/first", parallel.Take(func(resp *http.Response) (io.Writer, error) {
				return &w, c.Parallel(resp.Request.Context(), func(p *parallel.Parallel) error {
					w.WriteString(text(t, p.Get("/second")))
					return nil
				})
			}))
			if _, err := h.Bytes(); err != nil || w.String() != "/second/first" {
				t.Errorf("Bytes() error = %v, and %q was written", err, w.String())
			}
			return nil
		})
	})
}

// Each attempt has a writer of its own. What the earlier ones received does not
// prevent another attempt.
func TestTake_writerForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came atomic.Int32
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "4")
			if came.Add(1) < 3 {
				io.WriteString(w, "bo")
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, "body")
		})).Client(), Retry: every(time.Second, 5)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var ws []*strings.Builder
			_, err := p.Get("http://h/", parallel.Take(func(*http.Response) (io.Writer, error) {
				ws = append(ws, new(strings.Builder))
				return ws[len(ws)-1], nil
			})).Bytes()
			var got []string
			for _, w := range ws {
				got = append(got, w.String())
			}
			if want := []string{"bo", "bo", "body"}; err != nil || !cmp.Equal(got, want) {
				t.Errorf("Bytes() error = %v, and %q was written; want %q", err, got, want)
			}
			return nil
		})
	})
}

// A body that breaks off fails the request after the writer got its beginning.
func TestTake_shortBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})).Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w bytes.Buffer
			if err := failure(t, p.Get("http://h/", into(&w))); !errors.Is(err, io.ErrUnexpectedEOF) || w.String() != "body" {
				t.Errorf("Response() error = %v, and %q was written; want io.ErrUnexpectedEOF, and the beginning", err, w.String())
			}
			return nil
		})
	})
}

// A Write that fails, is short or counts wrong fails the request, even if the
// body's WriteTo says nothing of it and goes on.
func TestTake_writeError(t *testing.T) {
	full := errors.New("disk full")
	for name, test := range map[string]struct {
		w    writeFunc
		want string
	}{
		"an error":          {func([]byte) (int, error) { return 0, full }, "disk full"},
		"a short write":     {func([]byte) (int, error) { return 0, nil }, "short write"},
		"an impossible one": {func(b []byte) (int, error) { return len(b) + 1, nil }, "a Write returned an impossible count"},
		"a negative one":    {func([]byte) (int, error) { return -1, nil }, "a Write returned an impossible count"},
		"only the first":    {func(b []byte) (int, error) { return 0, map[bool]error{true: full}[len(b) > 0] }, "disk full"},
	} {
		for by, body := range map[string]io.ReadCloser{"Read": io.NopCloser(iotest.OneByteReader(strings.NewReader("body"))), "WriteTo": mute("body")} {
			t.Run(name+"/"+by, func(t *testing.T) {
				send := func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: body, ContentLength: -1}, nil
				}
				parallel.Run(t.Context(), parallel.Config{Send: send}, func(p *parallel.Parallel) error {
					err := failure(t, p.Get("http://h/", into(test.w)))
					if got := fmt.Sprintf(`Get "http://h/": %s`, test.want); err.Error() != got {
						t.Errorf("Response() error = %v, want %s", err, got)
					}
					return nil
				})
			})
		}
	}
}

// A mute body has a WriteTo that does not report errors.
type mute string

func (m mute) Read([]byte) (int, error) { return 0, io.EOF }
func (m mute) Close() error             { return nil }
func (m mute) WriteTo(w io.Writer) (int64, error) {
	w.Write([]byte(m))
	w.Write(nil)
	return int64(len(m)), nil
}

// A 101 is refused, and Take is not called for it.
func TestTake_not101(t *testing.T) {
	send := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: http.NoBody}, nil
	}
	parallel.Run(t.Context(), parallel.Config{Send: send}, func(p *parallel.Parallel) error {
		err := failure(t, p.Get("http://h/", parallel.Take(func(*http.Response) (io.Writer, error) {
			t.Error("Take was called")
			return io.Discard, nil
		})))
		if !strings.Contains(err.Error(), "refusing response with status 101") {
			t.Errorf("Response() error = %v", err)
		}
		return nil
	})
}

// The last of several options counts.
func TestTake_lastCounts(t *testing.T) {
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		var first, second bytes.Buffer
		errUser := errors.New("refused")
		for name, opts := range map[string][]parallel.Option{
			"Take": {takeNone(errUser), parallel.To(&first), into(&second)},
			"To":   {into(&first), takeNone(errUser), parallel.To(&second)},
		} {
			second.Reset()
			if _, err := p.Get("http://h/", opts...).Bytes(); err != nil || first.Len() != 0 || second.String() != "ok" {
				t.Errorf("%s: Bytes() error = %v, and the writers have %q and %q", name, err, &first, &second)
			}
		}
		return nil
	})
}

// An option To works for one request. Its attempts count as one use, and
// io.Discard may be shared.
func TestTo_secondRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, newFlaky(2, 0)).Client(), Retry: every(0, 5), BaseURL: "http://h"}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w bytes.Buffer
			to, drop := parallel.To(&w), parallel.To(io.Discard)
			first, second := p.Get("/1", to), p.Get("/2", to)
			if _, err := first.Bytes(); err != nil || w.String() != "3" {
				t.Errorf("Bytes() error = %v, and %q was written; want the third attempt's body", err, w.String())
			}
			err := failure(t, second)
			if !errors.Is(err, pending.ErrNotSent) || !strings.Contains(err.Error(), "already used by another request") {
				t.Errorf("error of the second request = %v", err)
			}
			for _, path := range []string{"/3", "/4"} {
				if _, err := p.Get(path, drop).Bytes(); err != nil {
					t.Errorf("Bytes() error = %v with io.Discard", err)
				}
			}
			return nil
		})
	})
}

// An Option may wrap the Take that is set. The writer of To still receives one
// attempt.
func TestTo_wrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came atomic.Int32
		c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			came.Add(1)
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "body")
		})).Client(), Retry: every(0, 5)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var w, tee bytes.Buffer
			failure(t, p.Get("http://h/", parallel.To(&w), func(r *parallel.Request) error {
				next := r.Take
				r.Take = func(resp *http.Response) (io.Writer, error) {
					w, err := next(resp)
					return io.MultiWriter(w, &tee), err
				}
				return nil
			}))
			if came.Load() != 1 || w.String() != "body" || tee.String() != "body" {
				t.Errorf("%d attempts, wrote %q and %q; want 1, and what came", came.Load(), &w, &tee)
			}
			return nil
		})
	})
}

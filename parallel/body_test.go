package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// panickingContext is a context whose Done panics.
type panickingContext struct{ context.Context }

func (panickingContext) Done() <-chan struct{} { panic("end") }

// Bodies stayed open if user code panicked or ended the goroutine while a
// request was made.
func TestBody_closedOnEveryOutcome(t *testing.T) {
	var l *ledger
	type maker func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending
	makers := map[string]maker{
		"Do": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), opts...)
		},
		"Do with GetBody": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			return p.Do(l.request(t, "http://h/", true), opts...)
		},
		"Do with a reference": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			return p.Do(l.request(t, "/reference", false), opts...)
		},
		"Body before": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			return p.Post("http://h/", append([]parallel.Option{parallel.Body("", l.body("content"))}, opts...)...)
		},
		"Body after": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			return p.Post("http://h/", append(slices.Clone(opts), nil, parallel.Body("", l.body("content")))...)
		},
		"Body after an exit": func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
			exits := func(*parallel.Request) error { runtime.Goexit(); return nil }
			return p.Post("http://h/", append(slices.Clone(opts), exits, parallel.Body("", l.body("content")))...)
		},
	}
	ends := map[string]func(){
		"panics": func() { panic("end") },
		"exits":  runtime.Goexit,
	}
	for how, end := range ends {
		for where, tc := range map[string]struct {
			cfg    parallel.Config
			option parallel.Option
			bodies int // number of bodies that the option brings
		}{
			"an option": {option: func(*parallel.Request) error { end(); return nil }},
			"an option with a body": {bodies: 1, option: func(r *parallel.Request) error {
				r.Body = l.body("another")
				end()
				return nil
			}},
			"an option with a request": {bodies: 2, option: func(r *parallel.Request) error {
				r.Body = l.body("another")
				r.Request = l.request(t, "http://h/", false)
				end()
				return nil
			}},
			"an option that removes the request": {bodies: 1, option: func(r *parallel.Request) error {
				r.Body = l.body("another")
				r.Request = nil
				end()
				return nil
			}},
			"an option, after another": {bodies: 1, option: func(r *parallel.Request) error {
				defer end()
				r.Body = l.body("another")
				panic("this is not the end")
			}},
			"Resolve": {cfg: parallel.Config{Resolve: func(string) (*url.URL, error) { end(); return nil, nil }}},
			"Observe": {cfg: parallel.Config{Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
				end()
				return nil, nil
			}}},
			"the request's context": {bodies: 1, option: func(r *parallel.Request) error {
				r.Request = l.request(t, "http://h/", false).WithContext(panickingContext{context.WithValue(t.Context(), key{}, "v")})
				return nil
			}},
		} {
			for name, begin := range makers {
				t.Run(where+" "+how+"/"+name, func(t *testing.T) {
					l = new(ledger)
					observed, told := 0, 0
					cfg := tc.cfg
					if cfg.Observe == nil {
						cfg.Observe = func(*http.Request) (context.Context, func(pending.Outcome)) {
							observed++
							return nil, func(pending.Outcome) { told++ }
						}
					}
					cfg.Send = func(r *http.Request) (*http.Response, error) {
						if r.Body != nil {
							r.Body.Close()
						}
						return nil, errRefused
					}
					var opts []parallel.Option
					if tc.option != nil {
						opts = append(opts, tc.option)
					}
					var block *parallel.Parallel
					d := depart(func() error {
						return parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
							block = p
							begin(p, opts...)
							return nil
						})
					})
					l.check(t, "after the block", 1+tc.bodies)
					if d.raised != nil && d.raised != "end" && where != "Observe" && where != "the request's context" { // their panics are guarded
						t.Errorf("raised = %v, want the option's own panic", d.raised)
					}
					if observed != told {
						t.Errorf("Observe was called %d times, and the function that it returned %d times", observed, told)
					}
					if stats := block.Stats(); stats != (parallel.Stats{Done: stats.Done, Failed: stats.Failed}) || where != "Observe" && stats.Done != told {
						t.Errorf("Stats() = %+v, want %d done, as observed", stats, told)
					}
				})
			}
		}
	}
}

// Promise 17: if an option replaces the request, the body of the replaced
// request is closed.
func TestBody_ofReplacedRequestIsClosed(t *testing.T) {
	var l ledger
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		failure(t, p.Post("no base", func(r *parallel.Request) error {
			r.Body = l.body("left")
			r.Request = l.request(t, "http://h/", false)
			return nil
		}))
		l.check(t, "when the handle is done", 2)
		return nil
	})
}

// A filling is a body that fills a trailer at its end.
type filling struct {
	io.Reader
	trailer http.Header
	value   string
}

func (b *filling) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.trailer.Set("X-Sum", b.value)
	}
	return n, err
}

func (*filling) Close() error { return nil }

// Trailers that a body fills were announced and sent empty.
func TestTrailer_filledByBody(t *testing.T) {
	srv := http2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" && r.Header.Get("Again") == "" {
			return
		}
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Proto, r.Trailer)
	}))
	newRequest := func(value string, again bool) *http.Request {
		trailer := http.Header{"X-Sum": nil}
		open := func() (io.ReadCloser, error) {
			return &filling{strings.NewReader("content"), trailer, value}, nil
		}
		body, _ := open()
		r, err := http.NewRequest(http.MethodPut, srv.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = trailer
		if again {
			r.GetBody = open
		}
		return r
	}
	auth := func(r *http.Request) error { r.Trailer.Set("X-Auth", "a"); return nil }
	header := http.Header{"X-Client": {"c"}}
	wrap := func(r *parallel.Request) error {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, io.Discard), r.Body}
		return nil
	}
	tests := map[string]struct {
		client client.Client
		begin  func(p *parallel.Parallel) *pending.Pending
		want   string
	}{
		"Do": {begin: func(p *parallel.Parallel) *pending.Pending { return p.Do(newRequest("1", false)) }, want: "map[X-Sum:[1]]"},
		"Do, with Header": {client: client.Client{Header: header}, want: "map[X-Sum:[1]]",
			begin: func(p *parallel.Parallel) *pending.Pending { return p.Do(newRequest("1", false)) }},
		"Do, with a trailer of Auth's": {client: client.Client{Auth: auth}, want: "map[X-Auth:[a] X-Sum:[1]]",
			begin: func(p *parallel.Parallel) *pending.Pending {
				r := newRequest("1", false)
				h := p.Do(r)
				<-h.Done()
				if _, ok := r.Trailer["X-Auth"]; ok {
					t.Error("Auth changed the caller's Trailer")
				}
				return h
			}},
		"Do with GetBody, twice": {want: "map[X-Sum:[1]]", begin: func(p *parallel.Parallel) *pending.Pending {
			r := newRequest("1", true)
			<-p.Do(r).Done()
			return p.Do(r)
		}},
		"Do, wrapped": {begin: func(p *parallel.Parallel) *pending.Pending { return p.Do(newRequest("1", false), wrap) }, want: "map[X-Sum:[1]]"},
		"Do, with another trailer of an option": {want: "map[X-Option:[o] X-Sum:[1]]", begin: func(p *parallel.Parallel) *pending.Pending {
			r := newRequest("1", false)
			h := p.Do(r, func(r *parallel.Request) error { r.Trailer.Set("X-Option", "o"); return nil })
			<-h.Done()
			if diff := cmp.Diff(http.Header{"X-Sum": {"1"}}, r.Trailer); diff != "" {
				t.Errorf("the caller's Trailer (-want +got):\n%s", diff)
			}
			return h
		}},
		"Do, with an option that replaces the request": {want: "map[X-Sum:[1]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Do(newRequest("1", false), func(r *parallel.Request) error {
				r.Request = r.WithContext(r.Context())
				return nil
			})
		}},
		"Do, with an option's own value": {want: "map[X-Sum:[o]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Do(newRequest("1", false), func(r *parallel.Request) error { r.Trailer.Set("X-Sum", "o"); return nil })
		}},
		"an option that sets Trailer": {want: "map[X-Sum:[2]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Put(srv.URL, func(r *parallel.Request) error {
				r.Trailer = http.Header{"X-Sum": nil}
				return parallel.Body("", &filling{strings.NewReader("content"), r.Trailer, "2"})(r)
			})
		}},
		"an option that replaces Trailer": {want: "map[X-Sum:[2]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Do(newRequest("1", false), func(r *parallel.Request) error {
				r.Trailer = http.Header{"X-Sum": nil}
				return parallel.Body("", &filling{strings.NewReader("content"), r.Trailer, "2"})(r)
			})
		}},
		"an option that replaces the request": {want: "map[X-Sum:[2]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Do(newRequest("1", false), func(r *parallel.Request) error { r.Request = newRequest("2", false); return nil })
		}},
		"a value that is known": {want: "map[X-Sum:[3]]", begin: func(p *parallel.Parallel) *pending.Pending {
			return p.Put(srv.URL, func(r *parallel.Request) error {
				r.Trailer = http.Header{"X-Sum": {"3"}}
				return nil
			}, parallel.Body("", io.MultiReader(strings.NewReader("content"))))
		}},
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := srv.Client().Transport.(*http.Transport).Clone()
		if proto == "HTTP/1.1" {
			tr.ForceAttemptHTTP2, tr.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
		}
		t.Cleanup(tr.CloseIdleConnections)
		for name, tc := range tests {
			t.Run(proto+"/"+name, func(t *testing.T) {
				c := tc.client
				c.HTTP = &http.Client{Transport: tr}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					if got := text(t, tc.begin(p)); got != proto+tc.want {
						t.Errorf("the server got %q, want %q", got, proto+tc.want)
					}
					return nil
				})
			})
		}
	}
}

// Body trusted the size that a file reports: files of /proc were sent empty,
// and a file that had grown in the queue failed.
func TestBodyOfFile_length(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	var f *os.File
	write := func(at int64, s string) {
		if _, err := f.WriteAt([]byte(s), at); err != nil {
			t.Error(err)
		}
	}
	file := func(content string) {
		var err error
		if f, err = os.Create(filepath.Join(t.TempDir(), "file")); err != nil {
			t.Fatal(err)
		}
		write(0, content)
	}
	tests := map[string]struct {
		open   func()
		queued func() // called after the request is made and before it is sent
		option parallel.Option
		want   string
		length int
	}{
		"empty":                    {open: func() { file("") }},
		"short":                    {open: func() { file("short") }, want: "short", length: 5},
		"short, grown in queue":    {open: func() { file("short") }, queued: func() { write(5, long) }, want: "short" + long, length: 100_005},
		"empty, grown in queue":    {open: func() { file("") }, queued: func() { write(0, "now") }, want: "now", length: 3},
		"long":                     {open: func() { file(long) }, want: long, length: 100_000},
		"long, grown in queue":     {open: func() { file(long) }, queued: func() { write(100_000, "more") }, want: long + "more", length: 100_004},
		"long, shrunk in queue":    {open: func() { file(long) }, queued: func() { f.Truncate(6_000) }, want: long[:6_000], length: 6_000},
		"long, emptied in queue":   {open: func() { file(long) }, queued: func() { f.Truncate(0) }},
		"long, moved in queue":     {open: func() { file(long) }, queued: func() { f.Seek(99_997, io.SeekStart) }, want: "789", length: 3},
		"chunked by an option":     {open: func() { file(long) }, option: chunked, queued: func() { write(100_000, "more") }, want: long + "more", length: -1},
		"wrapped, grown in queue":  {open: func() { file(long) }, option: wrapped, queued: func() { write(100_000, "more") }, want: long, length: 100_000},
		"wrapped, short and grown": {open: func() { file("short") }, option: wrapped, queued: func() { write(5, "er") }, want: "shorter", length: -1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.open()
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					b, err := io.ReadAll(r.Body)
					fmt.Fprint(w, r.ContentLength, " ", err, " ", string(b))
				}))
				c := client.Client{HTTP: s.Client(), Wait: func(*http.Request) error {
					if tc.queued != nil {
						tc.queued()
					}
					return nil
				}}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					opts := []parallel.Option{parallel.Body("", f)}
					if tc.option != nil {
						opts = append(opts, tc.option)
					}
					if diff := cmp.Diff(fmt.Sprint(tc.length, " <nil> ", tc.want), text(t, p.Post("http://h/", opts...))); diff != "" {
						t.Errorf("what the server received (-want +got):\n%s", diff)
					}
					return nil
				})
			})
			if _, err := f.Write(nil); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the file is not closed: %v", err)
			}
		})
	}
}

func wrapped(r *parallel.Request) error {
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, io.Discard), r.Body}
	return nil
}

func chunked(r *parallel.Request) error {
	r.ContentLength = -1
	return wrapped(r)
}

// Files that report a wrong size are sent whole.
func TestBodyOfFile_wrongSize(t *testing.T) {
	for _, name := range []string{"/proc/version", "/proc/self/limits", "/proc/kallsyms", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/online"} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Log(err)
			continue
		}
		c := echo(t)
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := arrived(t, p.Post("http://h/", parallel.Body("", f))); got.Body != string(want) {
				t.Errorf("%s: %d bytes arrived, want %d", name, len(got.Body), len(want))
			}
			return nil
		})
	}
}

// If a file shrinks while it is sent, the error says so: the transport has
// declared the length by then. If it grows, the declared length is sent.
func TestBodyOfFile_changesWhileSent(t *testing.T) {
	const size = 100_000
	for name, tc := range map[string]struct {
		size int64
		err  string
	}{
		"shrinks": {10_000, "became shorter"},
		"grows":   {2 * size, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			f.Truncate(size)
			c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				f.Truncate(tc.size)
				n, err := io.Copy(io.Discard, r.Body)
				if err == nil && n != size {
					err = fmt.Errorf("%d bytes", n)
				}
				return &http.Response{StatusCode: http.StatusOK}, err
			})}}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				_, err := p.Post("http://h/", parallel.Body("", f)).Response()
				if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err) || !errors.Is(err, io.ErrUnexpectedEOF)) {
					t.Errorf("Response() error = %v, want %q", err, tc.err)
				}
				return nil
			})
		})
	}
}

// writes counts the Writes of the connections of a test.
type writes struct {
	net.Conn
	n *atomic.Int64
}

func (c writes) Write(p []byte) (int, error) { c.n.Add(1); return c.Conn.Write(p) }

// A small body in memory was written separately from the header.
func TestBody_writtenWithHeader(t *testing.T) {
	newRequest := func(body io.Reader) *http.Request {
		r, err := http.NewRequest(http.MethodPost, "http://h/", body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	short, err := os.Create(filepath.Join(t.TempDir(), "short"))
	if err != nil {
		t.Fatal(err)
	}
	short.WriteAt([]byte("content"), 0)
	own := func(r *parallel.Request) error {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("content")), 7
		return nil
	}
	for name, tc := range map[string]struct {
		begin func(p *parallel.Parallel) *pending.Pending
		want  int64
	}{
		"JSON": {func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/", parallel.JSON("content")) }, 1},
		"Form": {func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Form(url.Values{"a": {"1"}}))
		}, 1},
		"bytes.Reader": {func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", bytes.NewReader([]byte("content"))))
		}, 1},
		"bytes.Buffer": {func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", bytes.NewBufferString("content")))
		}, 1},
		"strings.Reader": {func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", strings.NewReader("content")))
		}, 1},
		"a short file": {func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/", parallel.Body("", short)) }, 1},
		"another reader": {func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", io.MultiReader(strings.NewReader("content"))))
		}, 2},
		"an option's own": {func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/", own) }, 1},
		"Do": {func(p *parallel.Parallel) *pending.Pending {
			return p.Do(newRequest(bytes.NewReader([]byte("content"))))
		}, 1},
		"Do of a Buffer": {func(p *parallel.Parallel) *pending.Pending { return p.Do(newRequest(bytes.NewBufferString("content"))) }, 1},
		"Do again": {func(p *parallel.Parallel) *pending.Pending {
			return p.Do(p.Do(newRequest(strings.NewReader("content"))).Request())
		}, 2},
		"Do, no GetBody": {func(p *parallel.Parallel) *pending.Pending {
			r := newRequest(strings.NewReader("content"))
			r.GetBody = nil
			return p.Do(r)
		}, 1},
		"redirected": {func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/307", parallel.JSON("content")) }, 2},
		"Do, redirected": {func(p *parallel.Parallel) *pending.Pending {
			r := newRequest(bytes.NewReader([]byte("content")))
			r.URL.Path = "/307"
			return p.Do(r)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if b, err := io.ReadAll(r.Body); len(b) == 0 || err != nil {
						t.Errorf("the server received %q, %v; want the content", b, err)
					}
					if r.URL.Path == "/307" {
						http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
					}
				}))
				var n atomic.Int64
				s.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := s.Dial(ctx, network, addr)
					return writes{conn, &n}, err
				}
				c := client.Client{HTTP: s.Client()}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					h := tc.begin(p)
					_, err := h.Response()
					for p.HasPending() {
						p.Next()
					}
					if n := n.Load(); err != nil || n > tc.want && name != "another reader" {
						t.Errorf("%d writes, %v; want %d", n, err, tc.want)
					}
					return nil
				})
			})
		})
	}
}

// A transport that kept the body of a request read the caller's bytes after the
// handle was done. net/http keeps it when an early response has come.
func TestBody_memoryUnreadOnceDone(t *testing.T) {
	starts := map[string]func(p *parallel.Parallel, b []byte) *pending.Pending{
		"Body": func(p *parallel.Parallel, b []byte) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", bytes.NewReader(b)))
		},
		"Do": func(p *parallel.Parallel, b []byte) *pending.Pending {
			r, err := http.NewRequest(http.MethodPost, "http://h/", bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			return p.Do(r)
		},
	}
	for name, start := range starts {
		for _, size := range []int{100, 1 << 20} {
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				var kept io.Reader
				cfg := parallel.Config{Send: func(r *http.Request) (*http.Response, error) {
					kept = r.Body
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
				}}
				parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
					b := make([]byte, size)
					<-start(p, b).Done()
					for i := range b {
						b[i] = 'x'
					}
					if got, err := io.ReadAll(kept); bytes.ContainsRune(got, 'x') {
						t.Errorf("ReadAll(Body) = %d bytes that were written since, %v; want none", len(got), err)
					}
					return nil
				})
			})
		}
	}
}

// A body in memory is not read after its request is done, although net/http
// continues to write after an early response: the caller may reuse its bytes.
// (The race detector reports a failure.)
func TestBody_memoryFreedWhenDone(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		for name, begin := range map[string]func(p *parallel.Parallel, url string, b []byte) *pending.Pending{
			"Body": func(p *parallel.Parallel, url string, b []byte) *pending.Pending {
				return p.Post(url, parallel.Body("", bytes.NewReader(b)))
			},
			"Do": func(p *parallel.Parallel, url string, b []byte) *pending.Pending {
				r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				return p.Do(r)
			},
			"an option's own": func(p *parallel.Parallel, url string, b []byte) *pending.Pending {
				return p.Post(url, func(r *parallel.Request) error {
					r.Body, r.ContentLength = io.NopCloser(bytes.NewBuffer(b)), int64(len(b))
					return nil
				})
			},
		} {
			for _, end := range []string{"early response", "canceled"} {
				t.Run(fmt.Sprint(size, "/", name, "/", end), func(t *testing.T) {
					for _, srv := range []string{"h1", "h2"} {
						arrived, free := make(chan struct{}, 1), make(chan struct{})
						s := http2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							if end == "early response" {
								w.WriteHeader(http.StatusRequestEntityTooLarge)
								return
							}
							arrived <- struct{}{}
							r.Body.Read(make([]byte, 1))
							<-free
						}))
						tr := s.Client().Transport.(*http.Transport)
						if srv == "h1" {
							tr.ForceAttemptHTTP2, tr.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
						}
						c := client.Client{HTTP: s.Client()}
						c.Parallel(t.Context(), func(p *parallel.Parallel) error {
							b := make([]byte, size)
							h := begin(p, s.URL, b)
							if end == "canceled" {
								<-arrived
								h.Cancel()
							}
							<-h.Done()
							clear(b)
							return nil
						})
						close(free)
					}
				})
			}
		}
	}
}

// Errors matched ErrNotSent although a transport had read the body. It had sent
// the request in another way, before it failed to get a connection.
func TestErrNotSent_bodyNotRead(t *testing.T) {
	newRequest := func() *http.Request {
		r, err := http.NewRequest(http.MethodPost, "http://h/", strings.NewReader("content"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	begins := map[string]func(p *parallel.Parallel) *pending.Pending{
		"JSON": func(p *parallel.Parallel) *pending.Pending { return p.Post("http://h/", parallel.JSON("content")) },
		"reader": func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", io.MultiReader(strings.NewReader("content"))))
		},
		"Do": func(p *parallel.Parallel) *pending.Pending { return p.Do(newRequest()) },
		"Do, no GetBody": func(p *parallel.Parallel) *pending.Pending {
			r := newRequest()
			r.GetBody = nil
			return p.Do(r)
		},
	}
	reads := map[string]func(r *http.Request){
		"a byte": func(r *http.Request) { r.Body.Read(make([]byte, 1)) },
		"GetBody": func(r *http.Request) {
			if r.GetBody == nil {
				r.Body.Read(make([]byte, 1))
			} else if b, err := r.GetBody(); err == nil {
				io.Copy(io.Discard, b)
			}
		},
		"nothing": func(r *http.Request) { r.Body.Close() },
	}
	for name, begin := range begins {
		for _, what := range slices.Sorted(maps.Keys(reads)) {
			t.Run(name+"/"+what, func(t *testing.T) {
				c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					reads[what](r)
					httptrace.ContextClientTrace(r.Context()).GetConn("h:80")
					return nil, errDial
				})}}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					err := failure(t, begin(p))
					if got, want := errors.Is(err, pending.ErrNotSent), what == "nothing"; got != want {
						t.Errorf("errors.Is(%v, ErrNotSent) = %v, want %v", err, got, want)
					}
					return nil
				})
			})
		}
	}
}

// Over HTTP/2, net/http may still read a body in memory after its RoundTrip has
// returned an error. The race detector saw that its position was looked at.
func TestErrNotSent_bodyStillRead(t *testing.T) {
	var reading sync.WaitGroup
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		trace.GetConn("h:80")
		trace.GotConn(httptrace.GotConnInfo{})
		reading.Go(func() { io.Copy(io.Discard, r.Body) })
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for range 20 {
			if err := failure(t, p.Post("http://h/", parallel.JSON("content"))); errors.Is(err, pending.ErrNotSent) {
				t.Errorf("the error is %v, of a request that got a connection", err)
			}
		}
		return nil
	})
	reading.Wait()
}

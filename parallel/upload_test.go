package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests are of promise 17.

// A ledger makes request bodies and counts the Closes of each.
type ledger struct {
	mu     sync.Mutex
	closes []int // by body
}

// body returns a new body, of a type that net/http does not know.
func (l *ledger) body(content string) io.ReadCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closes = append(l.closes, 0)
	return &entered{strings.NewReader(content), l, len(l.closes) - 1}
}

type entered struct {
	io.Reader
	ledger *ledger
	n      int
}

func (b *entered) Close() error {
	b.ledger.mu.Lock()
	defer b.ledger.mu.Unlock()
	b.ledger.closes[b.n]++
	return nil
}

// request returns a POST to url with a new body. With GetBody, each call of it
// returns another new body.
func (l *ledger) request(t testing.TB, url string, withGetBody bool) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, l.body("content"))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len("content"))
	if withGetBody {
		r.GetBody = func() (io.ReadCloser, error) { return l.body("content"), nil }
	}
	return r
}

// check fails the test unless each body was closed once, and there were at
// least atLeast of them.
func (l *ledger) check(t testing.TB, when string, atLeast int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.closes) < atLeast {
		t.Errorf("%s: %d bodies were taken or opened, want at least %d", when, len(l.closes), atLeast)
	}
	for n, closes := range l.closes {
		if closes != 1 {
			t.Errorf("%s: body %d of %d was closed %d times, want once", when, n, len(l.closes), closes)
		}
	}
}

// Every body that the library takes is closed once, no later than its handle is
// done, whether or not the request is sent.
func TestUpload_closedOnceByDone(t *testing.T) {
	refused := errors.New("refused")
	ended := func(t testing.TB) *parallel.Parallel {
		var gone *parallel.Parallel
		client.Parallel(t.Context(), func(p *parallel.Parallel) error { gone = p; return nil })
		return gone
	}
	// canceled is p.Post with opts, canceled before it is sent.
	canceled := func(p *parallel.Parallel, opts ...parallel.Option) *pending.Pending {
		h := p.Post("http://h/", opts...)
		h.Cancel()
		return h
	}
	wrap := func(r *parallel.Request) error {
		inner := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(inner, io.Discard), inner}
		r.GetBody = nil
		return nil
	}
	cases := map[string]struct {
		client client.Client
		ask    func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending
		fails  bool
		bodies int // at least this many
	}{
		"sent": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", l.body("content")))
		}},
		"sent and not read": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Post("http://h/unread", parallel.Body("", l.body(strings.Repeat("long", 1<<20))))
		}},
		"sent, and refused with a status": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Post("http://h/418", parallel.Body("", l.body("content")))
		}},
		"Do without GetBody": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false))
		}},
		"Do with GetBody": {bodies: 2, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", true))
		}},
		"redirected with 307, with GetBody": {bodies: 3, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/307", true))
		}},
		"redirected with 307, without GetBody": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/307", false))
		}},
		"redirected with 303": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/303", false))
		}},
		"redirected endlessly": {fails: true, bodies: 10, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/loop", true))
		}},
		"GetBody fails": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			r := l.request(t, "http://h/", false)
			r.GetBody = func() (io.ReadCloser, error) { return nil, refused }
			return p.Do(r)
		}},
		"a failing option": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", l.body("content")), func(*parallel.Request) error { return refused })
		}},
		"a failing option, with Do": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", true), func(*parallel.Request) error { return refused })
		}},
		"a failing option before that of the body": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			// The later option is applied although the first has failed.
			return p.Do(l.request(t, "http://h/", false), func(*parallel.Request) error { return refused },
				parallel.Body("", strings.NewReader("another")))
		}},
		"replaced by an option": {bodies: 3, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), parallel.Body("", l.body("content")), parallel.Body("", l.body("content")))
		}},
		"replaced by an empty one": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), parallel.Body("", nil))
		}},
		"removed by an option": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), func(r *parallel.Request) error {
				r.Body, r.ContentLength = nil, 0
				return nil
			})
		}},
		"wrapped by an option": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", l.body("content")), wrap)
		}},
		"wrapped by an option, with Do": {ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), wrap)
		}},
		"an option removes the request": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), func(r *parallel.Request) error { r.Request = nil; return nil })
		}},
		"an option replaces the request": {bodies: 2, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", false), func(r *parallel.Request) error {
				r.Request = l.request(t, "http://h/", false)
				return nil
			})
		}},
		"a bad URL": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "relative", true))
		}},
		"a header that cannot be sent": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return p.Do(l.request(t, "http://h/", true), parallel.Header("X", "a\nb"))
		}},
		"canceled in the queue": {
			client: client.Client{Limit: 1}, fails: true,
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				p.Get("http://h/never")
				return canceled(p, parallel.Body("", l.body("content")))
			},
		},
		"canceled before After": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			return canceled(p, parallel.Body("", l.body("content")), parallel.After(time.Hour))
		}},
		"canceled in flight": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			h := p.Do(l.request(t, "http://h/never", true))
			synctest.Wait()
			h.Cancel()
			return h
		}},
		"its own context has ended": {fails: true, ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return p.Do(l.request(t, "http://h/", true).WithContext(ctx))
		}},
		"the block ended": {fails: true, ask: func(t testing.TB, _ *parallel.Parallel, l *ledger) *pending.Pending {
			return ended(t).Do(l.request(t, "http://h/", true))
		}},
		"in the queue when the block ends": {fails: true, ask: func(t testing.TB, _ *parallel.Parallel, l *ledger) (h *pending.Pending) {
			client.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h = p.Do(l.request(t, "http://h/", true), parallel.After(time.Hour))
				return nil
			})
			return h
		}},
		"refused by Wait": {
			client: client.Client{Wait: func(*http.Request) error { return refused }}, fails: true,
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				return p.Do(l.request(t, "http://h/", true))
			},
		},
		"refused by Auth": {
			client: client.Client{Auth: func(*http.Request) error { return refused }}, fails: true,
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				return p.Do(l.request(t, "http://h/", true))
			},
		},
		"refused by Auth at the second hop": {
			client: client.Client{Auth: func(r *http.Request) error {
				if r.Response != nil {
					return refused
				}
				return nil
			}},
			fails: true, bodies: 2,
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				return p.Do(l.request(t, "http://h/307", true))
			},
		},
		"a transport that neither reads nor closes": {
			client: client.Client{HTTP: &http.Client{Transport: responding(http.Response{StatusCode: 200})}},
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				return p.Do(l.request(t, "http://h/", false))
			},
		},
		"a transport that closes twice": {
			client: client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				r.Body.Close()
				r.Body.Close()
				return nil, refused
			})}},
			fails: true,
			ask: func(t testing.TB, p *parallel.Parallel, l *ledger) *pending.Pending {
				return p.Do(l.request(t, "http://h/", false))
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/never":
						io.Copy(io.Discard, r.Body) // otherwise the server does not notice the end of the connection
						<-r.Context().Done()
					case "/unread":
					case "/307":
						http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
					case "/303":
						http.Redirect(w, r, "/", http.StatusSeeOther)
					case "/loop":
						http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
					case "/418":
						w.WriteHeader(http.StatusTeapot)
					default:
						io.Copy(io.Discard, r.Body)
					}
				}))
				if tc.client.HTTP == nil {
					tc.client.HTTP = s.Client()
				}
				var l ledger
				tc.client.Parallel(t.Context(), func(p *parallel.Parallel) error {
					h := tc.ask(t, p, &l)
					<-h.Done()
					l.check(t, "when the handle is done", max(tc.bodies, 1))
					if _, err := h.Response(); (err != nil) != tc.fails {
						t.Errorf("Response() error = %v, want an error: %v", err, tc.fails)
					}
					return nil
				})
				l.check(t, "after the block", 1)
				<-time.After(time.Second) // net/http's server waits on a connection that it did not read to the end
			})
		})
	}
}

// A reader that one request has taken is not given to another. The second
// request fails, and the first continues with the reader.
func TestUpload_oneUseReaderClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
		c := client.Client{HTTP: s.Client()}
		var l ledger
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			body := parallel.Body("", l.body("content"))
			first, second := p.Post("http://h/", body), p.Post("http://h/", body)
			if _, err := second.Response(); err == nil {
				t.Error("two requests took the same reader")
			}
			if got := text(t, first); got != "content" {
				t.Errorf("the first request sent %q, want the content", got)
			}
			return nil
		})
		l.check(t, "after the block", 1)
	})
}

// An upload whose Read blocks, and ends with its Close, delays neither the end
// of the block nor a Cancel.
func TestUpload_blockedReadDoesntDelayEnd(t *testing.T) {
	ways := map[string]func(p *parallel.Parallel, h *pending.Pending, cancel context.CancelFunc){
		"the block ends": func(*parallel.Parallel, *pending.Pending, context.CancelFunc) {},
		"Cancel":         func(_ *parallel.Parallel, h *pending.Pending, _ context.CancelFunc) { h.Cancel(); <-h.Done() },
		"its own context": func(_ *parallel.Parallel, h *pending.Pending, cancel context.CancelFunc) {
			cancel()
			<-h.Done()
		},
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
				}))
				c := client.Client{HTTP: s.Client(), Timeout: -1}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					body, w := io.Pipe()
					r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h/", body)
					if err != nil {
						t.Fatal(err)
					}
					h := p.Do(r)
					io.WriteString(w, "a beginning")
					<-time.After(time.Second)
					end(p, h, cancel)
					return nil
				})
				if d := time.Since(start); d != time.Second {
					t.Errorf("the block took %v, want 1s", d)
				}
			})
		})
	}
}

// The same over HTTP/2, which reads a body in another way.
func TestUpload_blockedReadHTTP2(t *testing.T) {
	began := make(chan struct{})
	srv := http2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body.Read(make([]byte, 1))
		close(began)
		<-r.Context().Done()
	}))
	c := client.Client{HTTP: srv.Client(), Timeout: -1}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		body, w := io.Pipe()
		p.Post(srv.URL, parallel.Body("", body))
		io.WriteString(w, "a beginning")
		<-began
		return nil
	}) // would not return
}

// A timeout ends a blocked upload and its request on time. This holds for the
// client's Timeout and for that of the user's http.Client.
func TestUpload_timeoutEndsBlockedRead(t *testing.T) {
	for name, c := range map[string]client.Client{
		"Timeout":      {HTTP: &http.Client{}, Timeout: 300 * time.Millisecond},
		"HTTP.Timeout": {HTTP: &http.Client{Timeout: 300 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
				}))
				c.HTTP.Transport = s.Transport
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					body, _ := io.Pipe()
					_, err := p.Post("http://h/", parallel.Body("", body)).Response()
					if d := time.Since(start); d != 300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error = %v after %v, want context.DeadlineExceeded after 300ms", err, d)
					}
					return nil
				})
			})
		})
	}
}

// A stubborn body's Read takes a fixed time. Its Close does not end a Read.
type stubborn struct{ readTakes time.Duration }

func (b stubborn) Read([]byte) (int, error) { <-time.After(b.readTakes); return 0, io.EOF }
func (stubborn) Close() error               { return nil }

// The block waits for an upload's Read that does not end with its Close,
// exactly as long as it takes and regardless of any deadline. It also waits for
// a To, an Auth, a Wait, a transport and a Go function that do not honor their
// context.
func TestEnd_waitsForCodeIgnoringContext(t *testing.T) {
	const takes = time.Hour
	slow := func(*http.Request) error { <-time.After(takes); return nil }
	cases := map[string]struct {
		client client.Client
		start  func(p *parallel.Parallel)
	}{
		"a Read": {start: func(p *parallel.Parallel) { p.Post("http://h/", parallel.Body("", stubborn{takes})) }},
		"a Write": {start: func(p *parallel.Parallel) {
			p.Get("http://h/", parallel.To(writeFunc(func(b []byte) (int, error) { <-time.After(takes); return len(b), nil })))
		}},
		"Auth": {client: client.Client{Auth: slow}, start: func(p *parallel.Parallel) { p.Get("http://h/") }},
		"Wait": {client: client.Client{Wait: slow}, start: func(p *parallel.Parallel) { p.Get("http://h/") }},
		"a transport": {
			client: client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				slow(r)
				return &http.Response{StatusCode: 200}, nil
			})}},
			start: func(p *parallel.Parallel) { p.Get("http://h/") },
		},
		"a Go function": {start: func(p *parallel.Parallel) {
			p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, slow(nil) })
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					io.WriteString(w, "hello")
				}))
				c := tc.client
				if c.HTTP == nil {
					c.HTTP = s.Client()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					tc.start(p)
					<-time.After(time.Second)
					return nil
				})
				if d := time.Since(start); d != takes {
					t.Errorf("the block took %v, want %v", d, takes)
				}
			})
		})
	}
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(b []byte) (int, error) { return f(b) }

// If a Read of a request's body is still running, the handle is done only when
// the Read has returned, and no other Read begins.
func TestUpload_doneAfterLastRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			reads := make(chan time.Time, 100)
			h := p.Post("http://h/", parallel.Body("", readFunc(func(b []byte) (int, error) {
				<-time.After(time.Minute)
				reads <- time.Now()
				return copy(b, "x"), nil
			})))
			start := time.Now()
			<-time.After(time.Second)
			h.Cancel()
			<-h.Done()
			if d := time.Since(start); d != time.Minute {
				t.Errorf("the handle was done after %v, want 1m0s", d)
			}
			<-time.After(time.Hour)
			if n := len(reads); n != 1 {
				t.Errorf("%d Reads began, want 1", n)
			}
			return nil
		})
	})
}

// The same holds if the transport does not wait for that Read, as net/http does
// not for HTTP/1.
func TestUpload_doneAfterAbandonedRead(t *testing.T) {
	reading, returned := make(chan struct{}), make(chan struct{})
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		defer close(returned)
		go io.Copy(io.Discard, r.Body)
		<-reading
		return nil, errRefused
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		ended := false
		h := p.Post("http://h/", parallel.Body("", readFunc(func([]byte) (int, error) {
			close(reading)
			<-returned
			for range 1000 { // enough time for the handle to complete too early
				runtime.Gosched()
			}
			ended = true
			return 0, io.EOF
		})))
		<-h.Done()
		if !ended {
			t.Error("the handle was done while its body was being read")
		}
		return nil
	})
}

// Promise 10: a transport that reads the body after the handle is done gets an
// error, and the user's reader is not called.
func TestUpload_noReadOnceDone(t *testing.T) {
	var body io.ReadCloser
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return &http.Response{StatusCode: 200}, nil
	})}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		reads := 0
		h := p.Post("http://h/", parallel.Body("", readFunc(func([]byte) (int, error) { reads++; return 0, io.EOF })))
		<-h.Done()
		if n, err := body.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF || reads != 0 {
			t.Errorf("Read after the handle was done = %d, %v, with %d Reads of the user's reader; want an error, and 0", n, err, reads)
		}
		return nil
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// The type of a body is hidden from net/http, but its length is not. An upload
// of known length is not sent chunked, and an empty one has no body.
func TestUpload_keepsItsLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, r.ContentLength, " ", r.TransferEncoding, " ", string(b), " ", err)
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			sized, err := http.NewRequest(http.MethodPut, "http://h/", readFunc(strings.NewReader("content").Read))
			if err != nil {
				t.Fatal(err)
			}
			sized.ContentLength = 7
			for _, tc := range []struct {
				h    *pending.Pending
				want string
			}{
				{p.Post("http://h/", parallel.Body("", strings.NewReader("content"))), "7 [] content <nil>"},
				{p.Do(sized), "7 [] content <nil>"},
				{p.Post("http://h/", parallel.Body("", readFunc(strings.NewReader("content").Read))), "-1 [chunked] content <nil>"},
				{p.Post("http://h/", parallel.Body("", nil)), "0 []  <nil>"},
				{p.Post("http://h/", parallel.Body("", strings.NewReader(""))), "0 []  <nil>"},
				{p.Post("http://h/"), "0 []  <nil>"},
			} {
				if got := text(t, tc.h); got != tc.want {
					t.Errorf("the server received %q, want %q", got, tc.want)
				}
			}
			return nil
		})
	})
}

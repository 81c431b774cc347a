package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A place is a point at which a request runs user code.
type place struct {
	name   string
	upload bool // in an upload: net/http runs it on its own goroutines
	caller bool // on the goroutine that makes the request

	// start puts run at this place of c, or of the request. It returns a
	// function that makes a request that runs it. Other requests do not run it.
	start func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending
}

var places = []place{
	{name: "the transport", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		next := c.HTTP.Transport
		c.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			atThePlace(r, run)
			return next.RoundTrip(r)
		})
		return getPlace
	}},
	{name: "Auth", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Auth = func(r *http.Request) error { atThePlace(r, run); return nil }
		return getPlace
	}},
	{name: "Wait", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Wait = func(r *http.Request) error { atThePlace(r, run); return nil }
		return getPlace
	}},
	{name: "Observe", caller: true, start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) { atThePlace(r, run); return nil, nil }
		return getPlace
	}},
	{name: "Observe's function", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) {
			return nil, func(pending.Outcome) { atThePlace(r, run) }
		}
		return getPlace
	}},
	{name: "CheckRedirect", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { run(); return nil }
		return func(p *parallel.Parallel) *pending.Pending { return p.Get("/redirect") }
	}},
	{name: "the body of a response", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		next := c.HTTP.Transport
		c.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && r.URL.Path == "/place" {
				resp.Body = &stream{read: run, ReadCloser: resp.Body}
			}
			return resp, err
		})
		return getPlace
	}},
	{name: "the writer of To", start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending { return p.Get("/place", parallel.To(writer(run))) }
	}},
	{name: "Take", start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Get("/place", parallel.Take(func(*http.Response) (io.Writer, error) { run(); return nil, nil }))
		}
	}},
	{name: "the Read of an upload", upload: true, start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Post("/place", parallel.Body("", &stream{read: run, ReadCloser: http.NoBody}))
		}
	}},
	{name: "the Close of an upload", upload: true, start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Post("/place", parallel.Body("", &stream{close: run, ReadCloser: http.NoBody}))
		}
	}},
	{name: "GetBody", upload: true, start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			req, _ := http.NewRequest(http.MethodPost, "/place", strings.NewReader("upload"))
			req.GetBody = func() (io.ReadCloser, error) { run(); return io.NopCloser(strings.NewReader("upload")), nil }
			return p.Do(req)
		}
	}},
	{name: "a function given to Go", start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) { run(); return nil, nil })
		}
	}},
	{name: "the body of a function's response", start: func(_ *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: &stream{read: run, ReadCloser: http.NoBody}}, nil
			})
		}
	}},
	{name: "a request of a function given to Go", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Auth = func(r *http.Request) error { atThePlace(r, run); return nil }
		return func(p *parallel.Parallel) *pending.Pending {
			return p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/place").Response() })
		}
	}},
	{name: "a racer", start: func(c *client.Client, run func()) func(*parallel.Parallel) *pending.Pending {
		c.Wait = func(r *http.Request) error { atThePlace(r, run); return nil }
		return func(p *parallel.Parallel) *pending.Pending { return pending.Race(p.Get("/place"), p.Get("/place")) }
	}},
}

func atThePlace(r *http.Request, run func()) {
	if r.URL.Path == "/place" {
		run()
	}
}

func getPlace(p *parallel.Parallel) *pending.Pending { return p.Get("/place") }

// A stream calls read and close, if not nil, before each Read and Close.
type stream struct {
	io.ReadCloser
	read, close func()
}

func (s *stream) Read(b []byte) (int, error) {
	if s.read != nil {
		s.read()
	}
	return s.ReadCloser.Read(b)
}

func (s *stream) Close() error {
	if s.close != nil {
		s.close()
	}
	return s.ReadCloser.Close()
}

// A writer calls a function at each Write.
type writer func()

func (w writer) Write(b []byte) (int, error) { w(); return len(b), nil }

var errBang = errors.New("bang")

// explode panics. Its name must appear in the stack of the panic.
func explode() { panic(errBang) }

// isExplosion fails the test unless raised is the panic of explode, as the
// owner of a block gets it.
func isExplosion(t testing.TB, raised any) {
	t.Helper()
	r, ok := raised.(*panics.Recovered)
	if !ok || r.Value != errBang {
		t.Fatalf("raised %T %v, want a *panics.Recovered of %v", raised, raised, errBang)
	}
	if text := r.String(); !strings.Contains(text, "bang") || !strings.Contains(text, "parallel_test.explode(") {
		t.Errorf("the text of the raised value does not have the original stack:\n%s", text)
	}
}

// Promise 6: a panic fails its handle, cancels the block, and is raised when fn
// has returned.
func TestPanic_cancelsBlockAndReraises(t *testing.T) {
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				start := at.start(&c, explode)
				began := time.Now()
				var kept *parallel.Parallel
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						kept = p
						siblings := []*pending.Pending{
							p.Get("/slow"),
							p.Get("/delayed", parallel.After(time.Hour)),
							p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/slow").Response() }),
						}
						synctest.Wait()
						if err := failure(t, start(p)); !errors.Is(err, errBang) {
							t.Errorf("error of its handle = %v, want it to match %v", err, errBang)
						}
						for i, h := range append(siblings, p.Get("/late")) {
							err := failure(t, h)
							if !errors.Is(err, context.Canceled) || errors.Is(err, parallel.ErrEnded) || !strings.Contains(err.Error(), "panic in the block: bang") {
								t.Errorf("sibling %d: error = %v, want context.Canceled with a cause that has the panic", i, err)
							}
						}
						cause := context.Cause(p.Context())
						if cause == nil || !strings.Contains(cause.Error(), "panic") || !strings.Contains(cause.Error(), "bang") {
							t.Errorf("context.Cause() of the block's context = %v, want it to have the panic", cause)
						}
						<-time.After(time.Second) // nothing is raised before fn returns
						return io.EOF
					})
				})
				if d := time.Since(began); d != time.Second {
					t.Errorf("the block took %v, want 1s, as long as fn", d)
				}
				isExplosion(t, got.raised)
				if st := kept.Stats(); st.Queued != 0 || st.InFlight != 0 {
					t.Errorf("Stats = %+v; want nothing queued or in flight", st)
				}
			})
		})
	}
}

// Promise 6: http.ErrAbortHandler is raised as itself, because net/http's
// server compares it by identity.
func TestPanic_abortHandlerIsRaisedAsItself(t *testing.T) {
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				start := at.start(&c, func() { panic(http.ErrAbortHandler) })
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						if err := failure(t, start(p)); !errors.Is(err, http.ErrAbortHandler) {
							t.Errorf("error of its handle = %v, want it to match %v", err, http.ErrAbortHandler)
						}
						if p.Context().Err() == nil {
							t.Error("the block was not canceled")
						}
						return nil
					})
				})
				if got.raised != http.ErrAbortHandler {
					t.Errorf("raised %T %v, want http.ErrAbortHandler itself", got.raised, got.raised)
				}
			})
		})
	}
}

// Promise 6: a panic is raised even if nobody reads its handle, or if it
// happens after fn has returned.
func TestPanic_asTheBlockEnds(t *testing.T) {
	for _, at := range places {
		if at.caller {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				var ctx context.Context
				start := at.start(&c, func() {
					<-ctx.Done()
					explode()
				})
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						ctx = p.Context()
						start(p)
						synctest.Wait()
						return nil
					})
				})
				isExplosion(t, got.raised)
			})
		})
	}
}

// Promise 6: a request that is never sent runs some user code. Its panic is
// raised.
func TestPanic_neverSent(t *testing.T) {
	for _, at := range places {
		if at.name != "Observe's function" && at.name != "the Close of an upload" {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				c.Limit = 1
				start := at.start(&c, explode)
				var h *pending.Pending
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						p.Get("/slow")
						h = start(p)
						return nil
					})
				})
				isExplosion(t, got.raised)
				if err := failure(t, h); !errors.Is(err, errBang) {
					t.Errorf("error of its handle = %v, want it to match %v", err, errBang)
				}
			})
		})
	}
}

// Promise 6: if fn panics or calls Goexit, that wins over the panic of a
// request.
func TestPanic_fnsOwnExitWins(t *testing.T) {
	for _, way := range waysOut {
		if way.want.returned {
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				start := places[0].start(&c, explode)
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						failure(t, start(p))
						return way.out()
					})
				})
				if got != way.want {
					t.Errorf("Parallel ended with %+v, want %+v", got, way.want)
				}
			})
		})
	}
}

// Promise 6: a panic with any value is raised. The cause of the block's context
// can be compared with the errors of its requests, even if the value cannot be
// compared.
func TestPanic_anyValue(t *testing.T) {
	for _, value := range []any{"text", 7, nil, []string{"incomparable"}, incomparable{"error"}, panics.NewRecovered(0, "a copy"), errBang} {
		t.Run(fmt.Sprintf("%T", value), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				start := places[0].start(&c, func() { panic(value) })
				got := depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						sibling := p.Get("/slow")
						failure(t, start(p))
						if err := failure(t, sibling); !errors.Is(err, context.Cause(p.Context())) {
							t.Errorf("error of the sibling = %v, want it to match the cause %v", err, context.Cause(p.Context()))
						}
						return nil
					})
				})
				r, ok := got.raised.(*panics.Recovered)
				if !ok {
					t.Fatalf("raised %T %v; want a *panics.Recovered", got.raised, got.raised)
				}
				if value == nil {
					if _, ok := r.Value.(*runtime.PanicNilError); !ok {
						t.Errorf("raised a Recovered of %#v, want a *runtime.PanicNilError", r.Value)
					}
				} else if !reflect.DeepEqual(r.Value, value) {
					t.Errorf("raised a Recovered of %#v, want %#v", r.Value, value)
				}
			})
		})
	}
}

// Promise 6: code that uses conc panics with a Recovered, which has the
// original stack. It is raised as it is.
func TestPanic_recoveredIsNotWrappedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := depart(func() error {
			return client.Parallel(t.Context(), func(p *parallel.Parallel) error {
				failure(t, p.Go(func(*parallel.Parallel) (*http.Response, error) {
					var wg conc.WaitGroup
					wg.Go(explode)
					wg.Wait()
					return nil, nil
				}))
				return nil
			})
		})
		isExplosion(t, got.raised)
	})
}

// Promise 6: of several panics the first is raised. The others may be a result
// of the cancellation.
func TestPanic_firstIsRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/first" {
				<-time.After(time.Second)
				explode()
			}
			<-r.Context().Done()
			panic("later")
		})}}
		got := depart(func() error {
			return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				hs := []*pending.Pending{p.Get("http://any/later"), p.Get("http://any/first"), p.Get("http://any/later")}
				for _, h := range hs {
					failure(t, h)
				}
				return nil
			})
		})
		isExplosion(t, got.raised)
	})
}

// Promises 6 and 18: a panic in the block of a Go function is raised on the
// goroutine of the function. It is then the function's panic, and so on
// outward. The first Recovered arrives, with the original stack.
func TestPanic_throughNestedBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		start := places[0].start(&c, explode)
		got := depart(func() error {
			return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				sibling := p.Get("/slow")
				h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
					h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
						failure(t, start(p))
						if sibling := p.Context(); sibling.Err() == nil {
							t.Error("the block of the panic was not canceled")
						}
						<-time.After(time.Second)
						return nil, nil
					})
					if p.Context().Err() != nil {
						t.Error("the outer block was canceled before the function returned")
					}
					failure(t, h)
					return nil, nil
				})
				err := failure(t, h)
				if n := strings.Count(err.Error(), "parallel_test.explode("); n != 1 || !errors.Is(err, errBang) {
					t.Errorf("the handle's error has the stack %d times, want once:\n%v", n, err)
				}
				if err := failure(t, sibling); !strings.Contains(err.Error(), "panic in the block: bang") {
					t.Errorf("error of the sibling = %v, want the panic in it", err)
				}
				return nil
			})
		})
		isExplosion(t, got.raised)
		if n := strings.Count(got.raised.(*panics.Recovered).String(), "parallel_test.explode("); n != 1 {
			t.Errorf("the text of the raised value has the stack %d times, want once", n)
		}
	})
}

// Promise 6: the panic of a Go function wins over the panic of one of its
// requests, as for fn.
func TestPanic_ofGoFunctionWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		start := places[0].start(&c, func() { panic("the request's") })
		got := depart(func() error {
			return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				failure(t, p.Go(func(p *parallel.Parallel) (*http.Response, error) {
					failure(t, start(p))
					explode()
					return nil, nil
				}))
				return nil
			})
		})
		isExplosion(t, got.raised)
	})
}

// Promise 6: after a Goexit nothing waits forever, neither for the handle nor
// for its slot.
func TestGoexit_failsItsHandleOnly(t *testing.T) {
	for _, at := range places {
		if at.caller {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				c.Limit = 1
				began := time.Now()
				start := at.start(&c, runtime.Goexit)
				err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					failing := []*pending.Pending{start(p), start(p)}
					behind := []*pending.Pending{p.Get("/ok"), p.Get("/ok"), p.Get("/ok")}
					for _, h := range failing {
						if err := failure(t, h); !strings.Contains(err.Error(), "Goexit") {
							t.Errorf("error of its handle = %v, want one with \"Goexit\"", err)
						}
					}
					for _, h := range behind {
						if got := text(t, h); got != "ok" {
							t.Errorf("body of a request that was queued behind it = %q, want ok", got)
						}
					}
					if d := time.Since(began); d != 0 {
						t.Errorf("the block took %v, want 0, which means no timeout", d)
					}
					if err := context.Cause(p.Context()); err != nil {
						t.Errorf("Err() of the block's context = %v, want nil", err)
					}
					if st := p.Stats(); st.Queued != 0 || st.InFlight != 0 {
						t.Errorf("Stats = %+v; want nothing queued or in flight", st)
					}
					return nil
				})
				if err != nil {
					t.Errorf("Parallel() = %v, want nil", err)
				}
			})
		})
	}
}

// Promise 6: at the end of a block one goroutine completes many requests. A
// Goexit in one does not keep it from the others.
func TestGoexit_neverSent(t *testing.T) {
	for _, at := range places {
		if at.name != "Observe's function" && at.name != "the Close of an upload" {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t)
				c.Limit = 1
				start := at.start(&c, runtime.Goexit)
				var hs []*pending.Pending
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("/slow")
					for range 5 {
						hs = append(hs, start(p))
					}
					hs[0].Cancel()
					failure(t, hs[0])
					return nil
				})
				for _, h := range hs {
					failure(t, h)
				}
			})
		})
	}
}

// Promises 6, 17 and 25: if user code ends the goroutine while a request that
// was never sent is completed, what is left to do is done: its body is closed,
// its observer is told, and its own context keeps nothing of the block.
func TestGoexit_whileNeverSent(t *testing.T) {
	for name, exits := range map[string]struct {
		inClose func()
		why     error // the end of the block
	}{
		"in the body's Close":            {runtime.Goexit, errRefused},
		"in a method of the block's end": {func() {}, &hostileError{cause: io.EOF, do: runtime.Goexit}},
	} {
		t.Run(name, func(t *testing.T) {
			own, cancelOwn := context.WithCancel(t.Context())
			defer cancelOwn()
			told, closed := 0, 0
			body := &stream{ReadCloser: http.NoBody, close: func() {
				closed++
				exits.inClose()
			}}
			var value weak.Pointer[[1 << 10]byte]
			func() {
				big := new([1 << 10]byte)
				value = weak.Make(big)
				ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, big))
				cfg := parallel.Config{
					Send: func(*http.Request) (*http.Response, error) { return nil, errRefused },
					Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
						return nil, func(pending.Outcome) { told++ }
					},
				}
				parallel.Run(ctx, cfg, func(p *parallel.Parallel) error {
					r, err := http.NewRequestWithContext(own, http.MethodPost, "http://h/", body)
					if err != nil {
						t.Fatal(err)
					}
					h := p.Do(r, parallel.After(time.Hour))
					cancel(exits.why)
					failure(t, h)
					return nil
				})
			}()
			if told != 1 || closed != 1 {
				t.Errorf("the observer was told %d times, and the body closed %d times, want 1 and 1", told, closed)
			}
			if !collected(func() bool { return value.Value() == nil }) {
				t.Error("the request's own context keeps the block")
			}
			runtime.KeepAlive(own)
		})
	}
}

// Promises 6 and 17: a request may have several bodies, here its own, and one
// that GetBody opened, whose Read ends with its Close. A Goexit in the Close of
// the first must not keep the second open, or the block would wait forever.
func TestGoexit_inCloseClosesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		c.Timeout = -1
		var h *pending.Pending
		closed := make(chan struct{})
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			req := httpGet(context.Background(), "/slow")
			req.Method, req.ContentLength = http.MethodPost, 10
			req.Body = &stream{ReadCloser: http.NoBody, close: runtime.Goexit}
			req.GetBody = func() (io.ReadCloser, error) {
				r, w := io.Pipe()
				time.AfterFunc(time.Hour, func() { w.Close() }) // a watchdog
				return &stream{ReadCloser: r, close: func() { close(closed) }}, nil
			}
			h = p.Do(req)
			synctest.Wait()
			return nil
		})
		select {
		case <-closed:
		default:
			t.Error("the second body was not closed")
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the end of the block took %v, want 0", d)
		}
		failure(t, h)
	})
}

// Promises 1 and 6: Observe runs on the goroutine that makes the request. A
// Goexit in it ends fn, like any other Goexit.
func TestGoexit_inObserveIsFns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var transport slow
		c := client.Client{HTTP: &http.Client{Transport: &transport}, BaseURL: "http://any"}
		c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) {
			atThePlace(r, runtime.Goexit)
			return nil, nil
		}
		start := time.Now()
		got := depart(func() error {
			return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				p.Get("/")
				synctest.Wait()
				getPlace(p)
				return nil
			})
		})
		if d := time.Since(start); got != (departure{}) || d != 3*time.Second || transport.left.Load() != 1 {
			t.Errorf("Parallel ended with %+v after %v, with %d of 1 RoundTrips returned; want a Goexit after 3s", got, d, transport.left.Load())
		}
	})
}

// Promise 6: fn can read the failed handle like any other, before the panic is
// raised.
func TestPanic_yieldedByNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t)
		start := places[0].start(&c, explode)
		yielded := 0
		got := depart(func() error {
			return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				start(p)
				p.Get("/slow")
				yielded = drain(p)
				return nil
			})
		})
		isExplosion(t, got.raised)
		if yielded != 2 {
			t.Errorf("Arrivals yielded %d handles, want 2", yielded)
		}
	})
}

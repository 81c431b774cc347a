package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 26.

// A flaky server responds to the first requests of each path with 503, and then
// with 200 and the body that it received. It logs when requests came.
type flaky struct {
	fails int           // for each path
	takes time.Duration // for each request

	mu    sync.Mutex
	start time.Time
	came  map[string]int
	log   []string
}

func newFlaky(fails int, takes time.Duration) *flaky {
	return &flaky{fails: fails, takes: takes, start: time.Now(), came: make(map[string]int)}
}

func (s *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.came[r.URL.Path]++
	n := s.came[r.URL.Path]
	s.log = append(s.log, fmt.Sprintf("%v %s", time.Since(s.start), r.URL.Path))
	s.mu.Unlock()
	time.Sleep(s.takes)
	if n <= s.fails {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, "%s%d", body, n)
}

// every returns a Retry that sends again after d, up to n times.
func every(d time.Duration, n int) func(parallel.Attempt) (time.Duration, bool) {
	return func(a parallel.Attempt) (time.Duration, bool) {
		return d, a.N <= n && (a.Err != nil || a.Response.StatusCode/100 == 5)
	}
}

func TestRetry_sendsAgainAfterPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky(2, 10*time.Millisecond)
		var outcomes []pending.Outcome
		c := client.Client{
			BaseURL: "http://h", HTTP: testnet.New(t, s).Client(), Retry: every(time.Second, 5),
			Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
				return nil, func(o pending.Outcome) { outcomes = append(outcomes, o) }
			},
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Post("/x", parallel.JSON("body"))
			synctest.Wait()
			time.Sleep(500 * time.Millisecond)
			if diff := cmp.Diff(parallel.Stats{Queued: 1}, p.Stats()); diff != "" {
				t.Errorf("Stats in the pause (-want +got):\n%s", diff)
			}
			if body, err := h.Bytes(); string(body) != `"body"3` || err != nil {
				t.Errorf("Bytes() = %q, %v; want the third response", body, err)
			}
			if p.HasPending() {
				t.Error("attempts have handles of their own")
			}
			return nil
		})
		want := []string{"0s /x", "1.01s /x", "2.02s /x"}
		if diff := cmp.Diff(want, s.log); diff != "" {
			t.Errorf("the server (-want +got):\n%s", diff)
		}
		if len(outcomes) != 1 || outcomes[0].Attempts != 3 || !outcomes[0].Sent.Equal(s.start) || outcomes[0].Done.Sub(s.start) != 2030*time.Millisecond {
			t.Errorf("outcomes = %+v; want one, with 3 attempts, sent at 0s, done at 2.03s", outcomes)
		}
	})
}

// A pause holds no slot. After it the request goes before requests that were
// made later.
func TestRetry_holdsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky(0, time.Second)
		failing := newFlaky(1, time.Second)
		mux := http.NewServeMux()
		mux.Handle("/", s)
		mux.Handle("/fails", failing)
		failing.start = s.start
		c := client.Client{BaseURL: "http://h", HTTP: testnet.New(t, mux).Client(), Limit: 1, Retry: every(1500*time.Millisecond, 1)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			first := p.Get("/fails")
			for _, path := range []string{"/1", "/2", "/3", "/4"} {
				p.Get(path)
			}
			first.Response()
			for p.HasPending() {
				p.Next()
			}
			return nil
		})
		if diff := cmp.Diff([]string{"0s /fails", "3s /fails"}, failing.log); diff != "" {
			t.Errorf("the retried request (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"1s /1", "2s /2", "4s /3", "5s /4"}, s.log); diff != "" {
			t.Errorf("the others (-want +got):\n%s", diff)
		}
	})
}

func TestRetry_attempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []string
		c := client.Client{
			BaseURL: "http://h", HTTP: testnet.New(t, newFlaky(2, 10*time.Millisecond)).Client(),
			Retry: func(a parallel.Attempt) (time.Duration, bool) {
				body, err := io.ReadAll(a.Response.Body)
				got = append(got, fmt.Sprintf("%d %s %s %v %d %s %v %v %v %v", a.N, a.Request.Method, a.Request.URL, a.Request.Body, a.Response.StatusCode, body, err,
					a.Err, a.Sent.Sub(start), a.Done.Sub(start)))
				return -time.Second, a.N < 2 // a negative pause means no pause
			},
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Put("/x", parallel.JSON(7)).Bytes()
			if se := (*pending.StatusError)(nil); !errors.As(err, &se) {
				t.Errorf("Bytes() = %v; want the status of the last attempt", err)
			}
			return nil
		})
		want := []string{
			"1 PUT http://h/x <nil> 503 71 <nil> <nil> 0s 10ms",
			"2 PUT http://h/x <nil> 503 72 <nil> <nil> 10ms 20ms",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}

// Each attempt opens the body again, has the whole Timeout, and is asked Wait
// and Auth.
func TestRetry_eachAttemptIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies countedBodies
		var waits, auths int
		c := client.Client{
			HTTP:    testnet.New(t, newFlaky(3, 900*time.Millisecond)).Client(),
			Timeout: time.Second,
			Retry:   every(0, 5),
			Wait:    func(*http.Request) error { waits++; return nil },
			Auth:    func(*http.Request) error { auths++; return nil },
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			req, err := http.NewRequest(http.MethodPost, "http://h/", bodies.open("own "))
			if err != nil {
				return err
			}
			req.GetBody = func() (io.ReadCloser, error) { return bodies.open("again "), nil }
			if body, err := p.Do(req).Bytes(); string(body) != "again 4" || err != nil {
				t.Errorf("Bytes() = %q, %v; want the fourth response", body, err)
			}
			return nil
		})
		if waits != 4 || auths != 4 {
			t.Errorf("Wait was called %d times and Auth %d times; want 4", waits, auths)
		}
		if opened, closed := bodies.counts(); opened != closed || opened != 5 {
			t.Errorf("%d bodies were opened, %d closed; want 5", opened, closed)
		}
	})
}

type countedBodies struct {
	mu             sync.Mutex
	opened, closed int
}

func (b *countedBodies) open(text string) io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened++
	return &countedReader{strings.NewReader(text), b}
}

func (b *countedBodies) counts() (opened, closed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened, b.closed
}

type countedReader struct {
	io.Reader
	of *countedBodies
}

func (r *countedReader) Close() error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.of.closed++
	return nil
}

// A request that was canceled while Retry was asked succeeded if Retry
// declined, except with a File.
func TestRetry_canceledMeanwhile(t *testing.T) {
	cause := errors.New("the caller's")
	for name, test := range map[string]struct {
		end  func(h *pending.Pending, own, block context.CancelCauseFunc)
		want error
	}{
		"Cancel":                 {func(h *pending.Pending, _, _ context.CancelCauseFunc) { h.Cancel() }, context.Canceled},
		"the end of its context": {func(_ *pending.Pending, own, _ context.CancelCauseFunc) { own(cause) }, cause},
		"the caller's end":       {func(_ *pending.Pending, _, block context.CancelCauseFunc) { block(cause) }, cause},
	} {
		for status, failures := range map[string]int{"200": 0, "503": 1} {
			t.Run(name+", "+status, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					block, endBlock := context.WithCancelCause(t.Context())
					own, endOwn := context.WithCancelCause(t.Context())
					defer endBlock(nil)
					defer endOwn(nil)
					var h *pending.Pending
					c := client.Client{HTTP: testnet.New(t, newFlaky(failures, 0)).Client(), Retry: func(parallel.Attempt) (time.Duration, bool) {
						synctest.Wait() // until h is known
						test.end(h, endOwn, endBlock)
						return 0, false
					}}
					c.Parallel(block, func(p *parallel.Parallel) error {
						req, err := http.NewRequestWithContext(own, "GET", "http://h/", nil)
						if err != nil {
							t.Fatal(err)
						}
						h = p.Do(req)
						if err := failure(t, h); !errors.Is(err, test.want) || !errors.Is(err, context.Canceled) || errors.Is(err, pending.ErrNotSent) {
							t.Errorf("Response() error = %v, want one that matches %v and context.Canceled", err, test.want)
						}
						return nil
					})
				})
			})
		}
	}
}

// A request whose block was canceled while Retry was asked, and then ended,
// failed with ErrEnded in place of what had canceled the block.
func TestRetry_blockEndsMeanwhile(t *testing.T) {
	cause := errors.New("the caller's")
	for name, test := range map[string]struct {
		cancel func(p *parallel.Parallel, caller context.CancelCauseFunc) // nil for nothing
		want   string
	}{
		"canceled by the caller": {func(_ *parallel.Parallel, caller context.CancelCauseFunc) { caller(cause) }, "the caller's"},
		"canceled by a panic": {func(p *parallel.Parallel, _ context.CancelCauseFunc) {
			<-p.Go(func(*parallel.Parallel) (*http.Response, error) { panic("in Go") }).Done()
		}, "in Go"},
		"not canceled": {want: parallel.ErrEnded.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				c := client.Client{HTTP: testnet.New(t, newFlaky(9, 0)).Client(), Retry: func(parallel.Attempt) (time.Duration, bool) {
					time.Sleep(time.Second) // the block has ended
					return 0, true
				}}
				var h *pending.Pending
				depart(func() error {
					return c.Parallel(ctx, func(p *parallel.Parallel) error {
						h = p.Get("http://h/")
						synctest.Wait()
						if test.cancel != nil {
							test.cancel(p, cancel)
						}
						return nil
					})
				})
				_, err := h.Response()
				if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), test.want) || errors.Is(err, parallel.ErrEnded) != (test.cancel == nil) {
					t.Errorf("Response() error = %v; want one that says %q, and matches ErrEnded if nothing canceled the block", err, test.want)
				}
			})
		})
	}
}

// Retry is not asked about what another attempt can't mend.
func TestRetry_notCalled(t *testing.T) {
	errUser := errors.New("of user code")
	ended, end := context.WithCancel(t.Context())
	redirects := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	long := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("long ", 100)) })
	switches := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		conn.Close()
	})
	cut := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "cut")
	})
	for name, test := range map[string]struct {
		handler http.Handler
		change  func(*client.Client)
		opts    []parallel.Option
	}{
		"Auth":          {redirects, func(c *client.Client) { c.Auth = func(*http.Request) error { return errUser } }, nil},
		"Auth of a hop": {redirects, func(c *client.Client) { c.Auth = func(r *http.Request) error { return onlyHop(r, errUser) } }, nil},
		"Wait":          {redirects, func(c *client.Client) { c.Wait = func(*http.Request) error { return errUser } }, nil},
		"CheckRedirect": {redirects, func(c *client.Client) {
			c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return errUser }
		}, nil},
		"too many redirects": {redirects, nil, nil},
		"too large":          {long, func(c *client.Client) { c.MaxBody = 10 }, nil},
		"101":                {switches, nil, nil},
		"an option":          {long, nil, []parallel.Option{func(*parallel.Request) error { return errUser }}},
		"a body's Read": {long, nil, []parallel.Option{func(r *parallel.Request) error {
			r.Method, r.ContentLength = http.MethodPost, -1
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(failing{errUser}), nil }
			r.Body, _ = r.GetBody()
			return nil
		}}},
		"a body without GetBody": {newFlaky(9, 0), nil, []parallel.Option{func(r *parallel.Request) error {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("once"))
			return nil
		}}},
		"a To that was written":   {cut, nil, []parallel.Option{parallel.To(new(strings.Builder))}},
		"a To that fails":         {long, nil, []parallel.Option{parallel.To(failing{errUser})}},
		"a Take that fails":       {long, nil, []parallel.Option{parallel.Take(func(*http.Response) (io.Writer, error) { return nil, errUser })}},
		"a Write that fails":      {long, nil, []parallel.Option{parallel.Take(func(*http.Response) (io.Writer, error) { return failing{errUser}, nil })}},
		"Retry(nil) of a request": {newFlaky(9, 0), nil, []parallel.Option{parallel.Retry(nil)}},
		"another scheme":          {long, func(c *client.Client) { c.HTTP = nil }, []parallel.Option{func(r *parallel.Request) error { r.URL.Scheme = "gopher"; return nil }}},
		"the end of its context": {long, func(c *client.Client) {
			c.HTTP.Transport = roundTrip(func(*http.Request) (*http.Response, error) { end(); return nil, errRefused })
		}, []parallel.Option{func(r *parallel.Request) error { r.Request = r.WithContext(ended); return nil }}},
		"a panic of the transport": {long, func(c *client.Client) {
			c.HTTP.Transport = roundTrip(func(*http.Request) (*http.Response, error) { panic("out") })
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer func() { recover() }()
				c := client.Client{HTTP: testnet.New(t, test.handler).Client(), Retry: func(a parallel.Attempt) (time.Duration, bool) {
					t.Errorf("Retry was called: %v, %v", a.Response, a.Err)
					return 0, false
				}}
				if test.change != nil {
					test.change(&c)
				}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("http://h/", test.opts...).Response()
					return nil
				})
			})
		})
	}
}

// onlyHop returns err for a request that follows a redirect.
func onlyHop(r *http.Request, err error) error {
	if r.Response != nil {
		return err
	}
	return nil
}

// failing fails to read and to write.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A To into which nothing was written yet does not prevent another attempt.
func TestRetry_unusedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{HTTP: testnet.New(t, newFlaky(2, 0)).Client(), Retry: every(0, 5)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var to strings.Builder
			if _, err := p.Get("http://h/", parallel.To(&to)).Bytes(); err != nil || to.String() != "3" {
				t.Errorf("Bytes() = %v, and %q was written; want the body of the third response", err, to.String())
			}
			return nil
		})
	})
}

func TestRetry_pauseCanEnd(t *testing.T) {
	cause := errors.New("the caller's cause")
	refused := roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	for name, test := range map[string]struct {
		end  func(h *pending.Pending, cancel context.CancelCauseFunc)
		want error
	}{
		"Cancel":           {func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() }, context.Canceled},
		"the caller's end": {func(_ *pending.Pending, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		"the block's end":  {nil, parallel.ErrEnded},
	} {
		for _, withinSend := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, as Retry decides: %v", name, withinSend), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					var h *pending.Pending
					made := make(chan struct{})
					c := client.Client{HTTP: &http.Client{Transport: refused}}
					c.Retry = func(parallel.Attempt) (time.Duration, bool) {
						if withinSend && test.end != nil {
							<-made
							test.end(h, cancel)
							time.Sleep(time.Millisecond) // for the end to arrive
						}
						return time.Hour, true
					}
					c.Parallel(ctx, func(p *parallel.Parallel) error {
						h = p.Get("http://h/")
						close(made)
						time.Sleep(time.Second)
						if !withinSend {
							synctest.Wait()
						}
						if test.end != nil {
							if !withinSend {
								test.end(h, cancel)
							}
							<-h.Done()
						}
						return nil
					})
					_, err := h.Response()
					if !errors.Is(err, test.want) || errors.Is(err, pending.ErrNotSent) || strings.Contains(err.Error(), "broken") {
						t.Errorf("Response() = %v; want %v, not ErrNotSent, and not the last attempt's error", err, test.want)
					}
					if took := time.Since(start); took > 2*time.Second {
						t.Errorf("the pause ended after %v; want at once", took)
					}
				})
			})
		}
	}
}

// A pause that ends after a deadline is not begun.
func TestRetry_pauseBeyondDeadline(t *testing.T) {
	for name, options := range map[string]func(t *testing.T) (context.Context, *http.Request){
		"of the block": func(t *testing.T) (context.Context, *http.Request) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			r, _ := http.NewRequest(http.MethodGet, "http://h/", nil)
			return ctx, r
		},
		"of the request": func(t *testing.T) (context.Context, *http.Request) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://h/", nil)
			return t.Context(), r
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, req := options(t)
				c := client.Client{HTTP: testnet.New(t, newFlaky(9, 0)).Client(), Retry: every(25*time.Second, 9)}
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					resp, err := p.Do(req).Response()
					if err != nil || resp.StatusCode != 503 || time.Since(start) != 50*time.Second {
						t.Errorf("Response() = %v, %v after %v; want the third 503, after 50s", resp, err, time.Since(start))
					}
					return nil
				})
			})
		})
	}
}

// The error of the handle matches ErrNotSent only if the error of every attempt
// did.
func TestRetry_notSentOnlyIfNoneWas(t *testing.T) {
	for _, sent := range []bool{false, true} {
		n := 0
		c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 && sent {
				return nil, errors.New("broken")
			}
			return nil, notSentByTrace(r)
		})}}
		var alone []bool
		c.Retry = func(a parallel.Attempt) (time.Duration, bool) {
			alone = append(alone, errors.Is(a.Err, pending.ErrNotSent))
			return 0, a.N < 3
		}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Post("http://h/").Response()
			if errors.Is(err, pending.ErrNotSent) == sent {
				t.Errorf("first attempt sent = %v: Response() = %v", sent, err)
			}
			if strings.Contains(err.Error(), "not sent") == sent {
				t.Errorf("first attempt sent = %v: the text is %v", sent, err)
			}
			return nil
		})
		if diff := cmp.Diff([]bool{!sent, true, true}, alone); diff != "" {
			t.Errorf("first attempt sent = %v: ErrNotSent of each attempt (-want +got):\n%s", sent, diff)
		}
	}
}

// notSentByTrace returns the error of a dial that was refused, as net/http
// would trace it.
func notSentByTrace(r *http.Request) error {
	tr := http.Transport{DialContext: refuseDial}
	defer tr.CloseIdleConnections()
	_, err := tr.RoundTrip(r)
	return err
}

func TestRetry_panics(t *testing.T) {
	for name, test := range map[string]struct {
		do     func()
		raised any
	}{
		"panic":  {func() { panic("in Retry") }, "in Retry"},
		"Goexit": {runtime.Goexit, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h, other *pending.Pending
				c := client.Client{HTTP: testnet.New(t, newFlaky(9, time.Second)).Client(), Limit: 1}
				c.Retry = func(parallel.Attempt) (time.Duration, bool) { test.do(); return 0, true }
				var raised any
				func() {
					defer func() { raised = recover() }()
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						h = p.Get("http://h/")
						other = p.Get("http://h/", parallel.Retry(nil))
						<-h.Done()
						<-other.Done()
						if got := p.Stats(); got.Done != 2 || got.InFlight != 0 || got.Queued != 0 {
							t.Errorf("Stats() = %+v; want two done", got)
						}
						return nil
					})
				}()
				if r, ok := raised.(*panics.Recovered); ok {
					raised = r.Value
				}
				if raised != test.raised {
					t.Errorf("the block raised %v; want %v", raised, test.raised)
				}
				_, err := h.Response()
				var recovered *panics.ErrRecovered
				if err == nil || errors.As(err, &recovered) != (test.raised != nil) {
					t.Errorf("Response() error = %v; want the panic, if there was one", err)
				}
			})
		})
	}
}

// A Race sees one request, whose attempts end when another racer has won.
func TestRetry_raced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := newFlaky(1, 0)
		c := client.Client{BaseURL: "http://h", HTTP: testnet.New(t, s).Client(), Retry: every(time.Minute, 5)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			loser := p.Get("/", parallel.Retry(every(time.Hour, 5)))
			h := pending.Race(loser, p.Get("/other"))
			if body, err := h.Bytes(); string(body) != "2" || err != nil || time.Since(start) != time.Minute {
				t.Errorf("Bytes() = %q, %v after %v; want the second attempt, after 1m", body, err, time.Since(start))
			}
			if _, err := loser.Response(); !errors.Is(err, context.Canceled) || time.Since(start) != time.Minute {
				t.Errorf("the loser: %v after %v; want it canceled", err, time.Since(start))
			}
			return nil
		})
	})
}

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

// After a redirect, the next attempt waited for a place at the host that the
// redirect had led to, and not at its own.
func TestRetry_countsAtFirstHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &arrivals{start: start, takes: time.Minute}
		mux := http.NewServeMux()
		mux.Handle("first/", http.RedirectHandler("http://second/", http.StatusFound))
		mux.Handle("first/long", s)
		mux.Handle("second/", newFlaky(1, 0))
		mux.Handle("second/long", s)
		c := client.Client{HTTP: testnet.New(t, mux).Client(), HostLimit: 1, Retry: every(2*time.Second, 1), Timeout: time.Hour}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get("http://first/")
			time.Sleep(time.Second)
			p.Get("http://first/long")
			time.Sleep(10 * time.Second)
			p.Get("http://second/long")
			if _, err := h.Response(); err != nil || time.Since(start) != 71*time.Second {
				t.Errorf("Response() error = %v after %v; want none, when both hosts have a place", err, time.Since(start))
			}
			return nil
		})
	})
}

// The body of the first attempt fills the trailer. That of the second sent
// none, since the trailer's values were no longer those that the request was
// made with.
func TestRetry_trailer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			got = append(got, r.Trailer.Get("Sum"))
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		c := client.Client{HTTP: testnet.New(t, server).Client(), Retry: every(0, 2)}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			req, err := http.NewRequest(http.MethodPost, "http://h/", nil)
			if err != nil {
				return err
			}
			opened := 0
			req.Trailer = http.Header{"Sum": nil}
			req.GetBody = func() (io.ReadCloser, error) {
				opened++
				return io.NopCloser(&summing{strings.NewReader("body"), func() { req.Trailer.Set("Sum", fmt.Sprint(opened)) }}), nil
			}
			req.Body, req.ContentLength = io.NopCloser(strings.NewReader("body")), -1
			p.Do(req).Response()
			return nil
		})
		if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" {
			t.Errorf("the trailers: -want +got\n%s", diff)
		}
	})
}

// A summing reader calls a function when it ends.
type summing struct {
	io.Reader
	end func()
}

func (s *summing) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err == io.EOF {
		s.end()
	}
	return n, err
}

// If GetBody fails, the outcome of the last attempt is the result.
func TestRetry_getBodyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, asked := 0, 0
		c := client.Client{HTTP: testnet.New(t, newFlaky(9, 0)).Client(), Retry: func(parallel.Attempt) (time.Duration, bool) {
			asked++
			return time.Second, true
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			req, err := http.NewRequest(http.MethodPost, "http://h/", strings.NewReader("body "))
			if err != nil {
				return err
			}
			req.GetBody = func() (io.ReadCloser, error) {
				if opened++; opened > 2 {
					return nil, errors.New("the file is gone")
				}
				return io.NopCloser(strings.NewReader("body ")), nil
			}
			resp, err := p.Do(req).Response()
			if err != nil || resp.StatusCode != 503 {
				t.Fatalf("Response() = %v, %v; want the second 503", resp, err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "body 2" || err != nil || asked != 2 {
				t.Errorf("the body is %q, %v, Retry was called %d times; want the second 503, and 2", body, err, asked)
			}
			return nil
		})
	})
}

// A Retry that blocks holds the slot of its request, and nothing else.
func TestRetry_blocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := client.Client{HTTP: testnet.New(t, newFlaky(1, time.Second)).Client(), Limit: 2, Retry: func(a parallel.Attempt) (time.Duration, bool) {
			if a.Request.URL.Path == "/blocks" {
				time.Sleep(time.Hour)
			}
			return 0, a.N == 1
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get("http://h/blocks")
			var others []*pending.Pending
			for i := range 5 {
				others = append(others, p.Get(fmt.Sprint("http://h/", i)))
			}
			if _, err := pending.All(others...); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d != 10*time.Second {
				t.Errorf("the others took %v; want 10s, two attempts of each on one slot", d)
			}
			if got := p.Stats(); got.InFlight != 1 || got.Done != 5 {
				t.Errorf("Stats() = %+v; want one in flight", got)
			}
			if _, err := h.Response(); err != nil {
				t.Error(err)
			}
			return nil
		})
	})
}

package parallel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// paced returns a client of a server that responds with the path, after the
// time in it ("/300ms"). came counts the requests that the server received.
func paced(t testing.TB) (c client.Client, came *atomic.Int64) {
	came = new(atomic.Int64)
	s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		d, _ := time.ParseDuration(r.URL.Path[1:])
		select {
		case <-time.After(d):
			io.WriteString(w, r.URL.Path)
		case <-r.Context().Done():
		}
	}))
	return client.Client{HTTP: s.Client(), BaseURL: "http://any"}, came
}

// Promise 18: Go runs fn at once, on its own goroutine, even if the queue is
// full. Its requests take slots; fn does not.
func TestGo_takesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := paced(t)
		c.Limit = 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			p.Get("/1s")
			var over []time.Duration
			began := make([]time.Duration, 3)
			var hs []*pending.Pending
			for i := range began {
				hs = append(hs, p.Go(func(p *parallel.Parallel) (*http.Response, error) {
					began[i] = time.Since(start)
					<-time.After(500 * time.Millisecond)
					return p.Get("/100ms").Response()
				}))
				<-time.After(time.Millisecond)
			}
			for _, h := range hs {
				text(t, h)
				over = append(over, time.Since(start))
			}
			if diff := cmp.Diff([]time.Duration{0, time.Millisecond, 2 * time.Millisecond}, began); diff != "" {
				t.Errorf("functions that began (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]time.Duration{1100 * time.Millisecond, 1200 * time.Millisecond, 1300 * time.Millisecond}, over); diff != "" {
				t.Errorf("ends of the functions, which share one slot (-want +got):\n%s", diff)
			}
			return nil
		})
	})
}

// Promise 18: Go returns while the function runs.
func TestGo_returnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			h := p.Go(func(*parallel.Parallel) (*http.Response, error) { <-time.After(time.Second); return nil, nil })
			if d := time.Since(start); d != 0 {
				t.Errorf("Go returned after %v, want at once", d)
			}
			text(t, h)
			if d := time.Since(start); d != time.Second {
				t.Errorf("the function returned after %v, want 1s", d)
			}
			return nil
		})
	})
}

// Promise 18: handles and arrivals belong to the block in which they were made.
// The outer block yields one handle for the function.
func TestGo_ownBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := paced(t)
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("/1s")
			var inner []string
			h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				if p.HasPending() {
					t.Error("the function's block has the pending handles of the outer one")
				}
				p.Get("/20ms")
				p.Get("/10ms")
				for h := range p.Arrivals() {
					inner = append(inner, text(t, h))
				}
				p.Get("/2s") // unclaimed; canceled at the end
				resp, err := p.Get("/30ms").Response()
				return resp, err
			})
			var outer []string
			for h := range p.Arrivals() {
				outer = append(outer, text(t, h))
			}
			if diff := cmp.Diff([]string{"/10ms", "/20ms"}, inner); diff != "" {
				t.Errorf("arrivals of the function's block (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"/30ms", "/1s"}, outer); diff != "" {
				t.Errorf("arrivals of the outer block (-want +got):\n%s", diff)
			}
			if r := h.Request(); r != nil {
				t.Errorf("Request() of a Go handle = %v, want nil", r)
			}
			return nil
		})
	})
}

// Promise 18: fn's Context ends with its handle or with the outer block, and
// not earlier.
func TestGo_contextEnds(t *testing.T) {
	for _, row := range []struct {
		name  string
		end   func(h *pending.Pending, caller context.CancelCauseFunc) // called in the outer block
		after time.Duration
		cause error
		outer error // the end of the outer block's context
	}{
		{"the function returns", func(*pending.Pending, context.CancelCauseFunc) {},
			2 * time.Second, parallel.ErrEnded, nil},
		{"its handle is canceled", func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() },
			time.Second, context.Canceled, nil},
		{"the caller's context ends", func(_ *pending.Pending, caller context.CancelCauseFunc) { caller(errOwn) },
			time.Second, errOwn, context.Canceled},
		{"the outer block ends", nil, time.Second, parallel.ErrEnded, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, caller := context.WithCancelCause(context.WithValue(t.Context(), key{}, "the caller's"))
				defer caller(nil)
				start := time.Now()
				var inner context.Context
				client.Parallel(ctx, func(p *parallel.Parallel) error {
					h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
						inner = p.Context()
						select {
						case <-inner.Done():
						case <-time.After(2 * time.Second):
						}
						if d := time.Since(start); d != row.after || (d == 2*time.Second) != (inner.Err() == nil) {
							t.Errorf("the function's context ended with %v after %v, want it after %v", inner.Err(), d, row.after)
						}
						return nil, nil
					})
					<-time.After(time.Second)
					if row.end == nil {
						return nil
					}
					row.end(h, caller)
					<-h.Done()
					if inner.Err() == nil {
						t.Error("the function's context has not ended when the handle is done")
					}
					if err := p.Context().Err(); err != row.outer {
						t.Errorf("Err() of the outer block's context = %v, want %v", err, row.outer)
					}
					return nil
				})
				if cause := context.Cause(inner); cause != row.cause {
					t.Errorf("context.Cause() of the function's context = %v, want %v", cause, row.cause)
				}
				if v := inner.Value(key{}); v != "the caller's" {
					t.Errorf("Value() of the function's context = %v, want the caller's", v)
				}
			})
		})
	}
}

// Promise 18: when the function's block ends, its requests are removed from the
// shared queue, and no others.
func TestGo_endCancelsItsOwnRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, came := paced(t)
		c.Limit = 2
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			outer := []*pending.Pending{p.Get("/2s")}
			var inner []*pending.Pending
			fn := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				inner = append(inner, p.Get("/1h"), p.Get("/1ms"))
				<-time.After(time.Second)
				inner = append(inner, p.Get("/2ms"), p.Get("/3ms", parallel.After(time.Millisecond)))
				return nil, nil
			})
			synctest.Wait()
			outer = append(outer, p.Get("/3s"), p.Get("/5s", parallel.After(time.Second)))
			other := p.Go(func(p *parallel.Parallel) (*http.Response, error) { return p.Get("/4s").Response() })

			if text(t, fn); time.Since(start) != time.Second {
				t.Errorf("the function returned after %v, want 1s", time.Since(start))
			}
			for i, h := range inner {
				select {
				case <-h.Done():
				default:
					t.Errorf("request %d of the function is not done when the function is", i)
				}
				isEnded(t, "a request of the function", failure(t, h))
			}
			// One slot serves 2s, then 4s. The function's slot serves 3s from
			// 1s on, then 5s.
			for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 9 * time.Second} {
				if text(t, outer[i]); time.Since(start) != want {
					t.Errorf("request %d of the outer block was done after %v, want %v", i, time.Since(start), want)
				}
			}
			text(t, other)
			if n := came.Load(); n != 5 {
				t.Errorf("the server received %d requests, want 5: four of the block and its other function, and the one that was in flight", n)
			}
			return nil
		})
	})
}

// Promise 18: before a function's handle is done, all that the function started
// is out of the HTTP client. The end of the outer block waits for both.
func TestGo_isJoined(t *testing.T) {
	for _, way := range waysOut {
		t.Run("its requests, on "+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var transport slow
				c := client.Client{HTTP: &http.Client{Transport: &transport}}
				depart(func() error {
					return c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						start := time.Now()
						<-p.Go(func(p *parallel.Parallel) (*http.Response, error) {
							p.Get("http://any/")
							<-time.After(time.Second)
							return nil, way.out()
						}).Done()
						if d, n := time.Since(start), transport.left.Load(); d != 4*time.Second || n != 1 {
							t.Errorf("the handle was done after %v, with %d of 1 RoundTrips returned; want 4s, 1", d, n)
						}
						return nil
					})
				})
			})
		})
	}
	for _, way := range waysOut {
		t.Run("itself, on "+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var over atomic.Bool
				start := time.Now()
				got := depart(func() error {
					return client.Parallel(t.Context(), func(p *parallel.Parallel) error {
						p.Go(func(p *parallel.Parallel) (*http.Response, error) {
							<-p.Context().Done()
							<-time.After(3 * time.Second)
							over.Store(true)
							return nil, nil
						})
						return way.out()
					})
				})
				if d := time.Since(start); got != way.want || d != 3*time.Second || !over.Load() {
					t.Errorf("Parallel ended with %+v after %v, the function has returned: %v; want %+v after 3s, true", got, d, over.Load(), way.want)
				}
			})
		})
	}
}

// Promise 18: a function may send requests with its own client under its
// Context, because its response is read before the Context ends.
func TestGo_responseReadBeforeContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				io.WriteString(w, "part ")
				w.(http.Flusher).Flush()
				<-time.After(100 * time.Millisecond)
			}
		}))
		client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			var closed atomic.Int64
			h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				resp, err := s.Client().Do(httpGet(p.Context(), "http://any/"))
				if err == nil {
					resp.Body = &stream{ReadCloser: resp.Body, close: func() { closed.Add(1) }}
				}
				return resp, err
			})
			if got := text(t, h); got != "part part part " {
				t.Errorf("body = %q, want all three parts", got)
			}
			if d := time.Since(start); d != 300*time.Millisecond || closed.Load() == 0 {
				t.Errorf("the body was read after %v and closed %d times, want 300ms and at least 1", d, closed.Load())
			}
			if got := text(t, h); got != "part part part " {
				t.Errorf("body = %q the second time, want it from the start", got)
			}
			return nil
		})
	})
}

// Promise 18: the response of a function is read like any other: up to MaxBody,
// and until the handle or the block is canceled.
func TestGo_readingResponseFails(t *testing.T) {
	// Go 1.27 waits up to 50 ms for the rest of a closed body, unless it is
	// longer than 256 KiB. A Read that blocks meanwhile stops the fake time.
	const maxBody = 300 << 10
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/long":
				io.WriteString(w, strings.Repeat("x", maxBody+1))
			case "/endless":
				w.Header().Set("Content-Length", strconv.Itoa(maxBody))
				for r.Context().Err() == nil {
					io.WriteString(w, "x")
					w.(http.Flusher).Flush()
					select {
					case <-time.After(100 * time.Millisecond):
					case <-r.Context().Done():
					}
				}
			}
		}))
		c := client.Client{MaxBody: maxBody}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			// without the block's context
			send := func(path string) *pending.Pending {
				return p.Go(func(*parallel.Parallel) (*http.Response, error) { return s.Client().Get("http://any" + path) })
			}
			var tooLarge *pending.BodyTooLargeError
			if err := failure(t, send("/long")); !errors.As(err, &tooLarge) || tooLarge.Limit != maxBody {
				t.Errorf("over MaxBody: error = %v, want a *BodyTooLargeError", err)
			}
			short := p.Go(func(*parallel.Parallel) (*http.Response, error) {
				return &http.Response{StatusCode: 200, ContentLength: 5, Body: io.NopCloser(strings.NewReader("body"))}, nil
			})
			if err := failure(t, short); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("truncated: error = %v, want io.ErrUnexpectedEOF", err)
			}
			start := time.Now()
			endless := send("/endless")
			<-time.After(time.Second)
			endless.Cancel()
			if err := failure(t, endless); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
				t.Errorf("canceled: error = %v after %v, want context.Canceled after 1s", err, time.Since(start))
			}
			return nil
		})
	})
}

// Promise 18: a function's response may have any status. nil stands for an
// empty 204.
func TestGo_responseOfHandleIsWhole(t *testing.T) {
	closed := 0
	body := &stream{ReadCloser: io.NopCloser(strings.NewReader("body")), close: func() { closed++ }}
	for _, row := range []struct {
		name         string
		resp         *http.Response
		status, body string
	}{
		{"none", nil, "204 No Content", ""},
		{"with a body", &http.Response{StatusCode: 418, Status: "418 I'm a teapot", ContentLength: 4, Body: body}, "418 I'm a teapot", "body"},
		{"without a body", &http.Response{StatusCode: 200, Status: "200 OK"}, "200 OK", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			client.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := p.Go(func(*parallel.Parallel) (*http.Response, error) { return row.resp, nil })
				got := text(t, h)
				resp, _ := h.Response()
				if resp.Status != row.status || got != row.body {
					t.Errorf("Response() = %s %q, want %s %q", resp.Status, got, row.status, row.body)
				}
				resp.Header.Get("X-Any") // a nil Header must not panic
				if row.resp == nil && (resp.StatusCode != http.StatusNoContent || resp.Header == nil || resp.ContentLength != 0) {
					t.Errorf("Response() = %+v, want a 204 with a header", resp)
				}
				return nil
			})
		})
	}
	if closed == 0 {
		t.Error("the body was not closed")
	}
}

// Promise 18: a function's error is returned unchanged, even one that cannot be
// compared with ==. A response beside it is closed.
func TestGo_errorUnchanged(t *testing.T) {
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		own := error(&url.Error{Op: "Own", URL: "http://user:password@any/", Err: io.EOF})
		closed := 0
		body := &stream{ReadCloser: http.NoBody, close: func() { closed++ }}
		for _, resp := range []*http.Response{nil, {StatusCode: 200, Body: body}, {StatusCode: 200}} {
			h := p.Go(func(*parallel.Parallel) (*http.Response, error) { return resp, own })
			if got, err := h.Response(); got != nil || err != own {
				t.Errorf("beside the response %v: Response() = %v, %#v; want nil and the same error", resp, got, err)
			}
		}
		if closed != 1 {
			t.Errorf("the response's body was closed %d times, want once", closed)
		}
		err := failure(t, p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, incomparable{"own"} }))
		if diff := cmp.Diff(error(incomparable{"own"}), err); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		return nil
	})
}

// Promise 18: Go of a nil function returns a handle that failed.
func TestGo_nilFunction(t *testing.T) {
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if err := failure(t, p.Go(nil)); !strings.Contains(err.Error(), "nil") {
			t.Errorf("Go(nil): error = %v, want one with \"nil\"", err)
		}
		if err := p.Context().Err(); err != nil {
			t.Errorf("Err() of the block's context = %v, want nil", err)
		}
		p.Go(nil)
		if n := drain(p); n != 1 {
			t.Errorf("Arrivals yielded %d handles, want 1", n)
		}
		return nil
	})
}

// Promise 18: the Stats of an outer block include those of its inner blocks, at
// any depth. They count neither Go nor Race.
func TestStats_countRequestsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := paced(t)
		c.Limit = 3
		var outer, middle, inner *parallel.Parallel
		at := func(when string, wantOuter, wantMiddle, wantInner parallel.Stats) {
			t.Helper()
			synctest.Wait()
			got := []parallel.Stats{outer.Stats(), middle.Stats(), inner.Stats()}
			if diff := cmp.Diff([]parallel.Stats{wantOuter, wantMiddle, wantInner}, got); diff != "" {
				t.Errorf("Stats of the outer, the middle and the inner block %s (-want +got):\n%s", when, diff)
			}
		}
		type st = parallel.Stats
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			outer = p
			p.Get("/1s")
			p.Get("no scheme://")
			synctest.Wait()
			h := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
				middle = p
				p.Get("/3s")
				pending.Race(p.Go(func(p *parallel.Parallel) (*http.Response, error) {
					inner = p
					pending.Race(p.Get("/3s"), p.Get("/3s")).Response()
					return nil, nil
				}))
				<-time.After(2 * time.Second)
				return nil, nil
			})
			at("with all slots taken",
				st{Queued: 1, InFlight: 3, Done: 1, Failed: 1}, st{Queued: 1, InFlight: 2}, st{Queued: 1, InFlight: 1})
			<-time.After(1500 * time.Millisecond)
			at("with the first request done",
				st{InFlight: 3, Done: 2, Failed: 1}, st{InFlight: 3}, st{InFlight: 2})
			<-h.Done()
			at("with the middle block ended",
				st{Done: 5, Failed: 4}, st{Done: 3, Failed: 3}, st{Done: 2, Failed: 2})
			return nil
		})
	})
}

// Promise 18: a request with After waits outside the queue, counts as Queued
// and holds no slot.
func TestAfter_waitsOutsideTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := paced(t)
		c.Limit = 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			delayed := p.Get("/10ms", parallel.After(5*time.Second))
			if st := p.Stats(); st != (parallel.Stats{Queued: 1}) {
				t.Errorf("Stats() = %+v, want the request Queued", st)
			}
			if text(t, p.Get("/1s")); time.Since(start) != time.Second {
				t.Errorf("another request was done after %v, want 1s, since the slot is free", time.Since(start))
			}
			if st := p.Stats(); st != (parallel.Stats{Queued: 1, Done: 1}) {
				t.Errorf("Stats() = %+v, want one Queued and one Done", st)
			}
			if text(t, delayed); time.Since(start) != 5010*time.Millisecond {
				t.Errorf("the delayed request was done after %v, want 5.01s from when it was made", time.Since(start))
			}
			return nil
		})
	})
}

// Promise 18: after its delay, the request joins the end of the queue, behind
// requests that were made before that.
func TestAfter_joinsQueueWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := paced(t)
		c.Limit = 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("/3s", parallel.After(time.Second))
			p.Get("/2s")
			<-time.After(500 * time.Millisecond)
			p.Get("/1s")
			<-time.After(time.Second)
			p.Get("/4s")
			p.Get("/5s", parallel.After(-1)) // at once, like 0
			p.Get("/6s", parallel.After(0))
			var got []string
			for h := range p.Arrivals() {
				got = append(got, text(t, h))
			}
			if diff := cmp.Diff([]string{"/2s", "/1s", "/3s", "/4s", "/5s", "/6s"}, got); diff != "" {
				t.Errorf("order of sending (-want +got):\n%s", diff)
			}
			return nil
		})
	})
}

// Promise 18: a delayed request is not sent once it is canceled, in any way.
func TestAfter_canceledIsNotSent(t *testing.T) {
	for _, end := range []struct {
		name string
		end  func(h *pending.Pending, own, caller context.CancelFunc)
	}{
		{"Cancel", func(h *pending.Pending, own, caller context.CancelFunc) { h.Cancel() }},
		{"its own context", func(h *pending.Pending, own, caller context.CancelFunc) { own() }},
		{"the block's context", func(h *pending.Pending, own, caller context.CancelFunc) { caller() }},
		{"a race", func(h *pending.Pending, own, caller context.CancelFunc) { pending.Race(h).Cancel() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, came := paced(t)
				ctx, cancel := context.WithCancel(t.Context())
				own, cancelOwn := context.WithCancel(t.Context())
				defer cancelOwn()
				defer cancel()
				c.Parallel(ctx, func(p *parallel.Parallel) error {
					start := time.Now()
					h := p.Do(httpGet(own, "/1s"), parallel.After(2*time.Second))
					<-time.After(time.Second)
					end.end(h, cancelOwn, cancel)
					if err := failure(t, h); time.Since(start) != time.Second || !errors.Is(err, context.Canceled) || !errors.Is(err, pending.ErrNotSent) {
						t.Errorf("error = %v after %v, want context.Canceled and ErrNotSent after 1s", err, time.Since(start))
					}
					if st := p.Stats(); st != (parallel.Stats{Done: 1, Failed: 1}) {
						t.Errorf("Stats() = %+v, want one Done and Failed", st)
					}
					<-time.After(time.Minute)
					return nil
				})
				if n := came.Load(); n != 0 {
					t.Errorf("the server received %d requests, want 0", n)
				}
			})
		})
	}
}

// Promise 18: a slot is held from the call of Wait to the last byte of the
// body.
func TestSlot_heldFromWaitToLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Second)
			io.WriteString(w, "head")
			w.(http.Flusher).Flush()
			<-time.After(2 * time.Second)
			io.WriteString(w, "tail")
		}))
		start := time.Now()
		var waited []time.Duration
		c := client.Client{HTTP: s.Client(), Limit: 1, Wait: func(*http.Request) error {
			waited = append(waited, time.Since(start))
			<-time.After(4 * time.Second)
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://any/")
			p.Get("http://any/")
			for _, when := range []struct {
				at   time.Duration
				what string
			}{
				{2 * time.Second, "in the Wait"}, {4500 * time.Millisecond, "before the header"}, {6 * time.Second, "in the body"},
			} {
				<-time.After(when.at - time.Since(start))
				if st := p.Stats(); st != (parallel.Stats{Queued: 1, InFlight: 1}) {
					t.Errorf("Stats() %s = %+v, want one InFlight and one Queued", when.what, st)
				}
			}
			drain(p)
			return nil
		})
		if diff := cmp.Diff([]time.Duration{0, 7 * time.Second}, waited); diff != "" {
			t.Errorf("calls of Wait (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != 14*time.Second {
			t.Errorf("the block took %v, want 14s", d)
		}
	})
}

// Promise 18: code that runs while a slot is held may open a block of its own.
func TestSlot_userCodeMayOpenBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, came := paced(t)
		tokens := c
		c.Limit = 1
		c.Auth = func(r *http.Request) error {
			return tokens.Parallel(r.Context(), func(p *parallel.Parallel) error {
				_, err := p.Get("/1s").Bytes()
				return err
			})
		}
		start := time.Now()
		err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("/2s").Bytes()
			return err
		})
		if d := time.Since(start); err != nil || d != 3*time.Second || came.Load() != 2 {
			t.Errorf("Parallel() = %v after %v and %d requests; want nil, 3s, 2", err, d, came.Load())
		}
	})
}

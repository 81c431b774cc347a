package waterfall_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

const (
	latency  = 100 * ms // of a response
	transfer = 50 * ms  // of its body
)

// site answers after latency, with a body that takes transfer.
func site(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/moved":
		http.Redirect(w, r, "http://other.test/", http.StatusFound)
		return
	case "/missing":
		http.NotFound(w, r)
		return
	case "/cut":
		w.Header().Set("Content-Length", "9")
	}
	answer{latency, transfer, 8}.ServeHTTP(w, r)
}

// A slow body arrives a byte at a time.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	<-time.After(25 * ms)
	return copy(p, "x"), nil
}

// canned is a transport that doesn't trace, and the length of the bodies that
// it returns.
type canned int

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	<-time.After(latency)
	return &http.Response{StatusCode: 200, ContentLength: int64(c), Body: io.NopCloser(strings.NewReader(strings.Repeat("a", int(c))))}, nil
}

// The timings of a request, in milliseconds of fake time, and how it ended. The
// request is the last one that the block makes. Phases that took no time are
// left out.
func TestTimings(t *testing.T) {
	const url = "http://a.test/"
	get := func(url string, opts ...parallel.Option) func(*parallel.Parallel) {
		return func(p *parallel.Parallel) { p.Get(url, opts...); drain(p) }
	}
	twice := func(p *parallel.Parallel) { p.Get(url); p.Get(url); drain(p) }
	end := func(requests int) func(*parallel.Parallel) {
		return func(p *parallel.Parallel) {
			for range requests {
				p.Get(url)
			}
			<-time.After(50 * ms)
		}
	}
	held := func(*http.Request) error { <-time.After(70 * ms); return nil }
	refuse := func(*http.Request) error { return errors.New("no") }
	one := client.Client{Limit: 1}

	cert := certificate()
	for _, tt := range []struct {
		name   string
		client client.Client
		block  func(*parallel.Parallel)
		went   string
		end    string
	}{
		{"a new connection", client.Client{}, get(url), "connect 20, dns 10, receive 50, wait 100", "200 OK"},
		{"TLS", client.Client{}, get("https://a.test/"), "connect 50, dns 10, receive 50, ssl 30, wait 100", "200 OK"},
		{"a kept connection", client.Client{}, func(p *parallel.Parallel) { get(url)(p); get(url)(p) }, "receive 50, wait 100", "200 OK"},
		{"not 2xx", client.Client{}, get(url + "missing"), "connect 20, dns 10", "404 Not Found"},
		{"an upload", client.Client{}, func(p *parallel.Parallel) { p.Post(url, parallel.Body("", &slow{4})); drain(p) }, "connect 20, dns 10, receive 50, send 100, wait 100", "200 OK"},
		{"two hops", client.Client{}, get(url + "moved"), "connect 40, dns 20, receive 50, wait 100", "200 OK"},
		{"a transport that doesn't trace", client.Client{HTTP: &http.Client{Transport: canned(0)}}, get(url), "wait 100", "200 OK"},
		{"too large, from a transport that doesn't trace", client.Client{HTTP: &http.Client{Transport: canned(5)}, MaxBody: 4}, get(url), "wait 100", "too large"},
		{"queued", one, twice, "_blocked_queueing 180, blocked 180, receive 50, wait 100", "200 OK"},
		{"After", client.Client{}, get(url, parallel.After(time.Hour)), "_blocked_queueing 3600000, blocked 3600000, connect 20, dns 10, receive 50, wait 100", "200 OK"},
		{"Wait", client.Client{Wait: held}, get(url), "blocked 70, connect 20, dns 10, receive 50, wait 100", "200 OK"},
		{"Auth", client.Client{Auth: held}, get(url), "blocked 70, connect 20, dns 10, receive 50, wait 100", "200 OK"},

		{"timed out in the lookup", client.Client{}, get(url, parallel.Timeout(5*ms)), "dns 5", "timed out, not sent"},
		{"timed out in the dial", client.Client{}, get(url, parallel.Timeout(15*ms)), "connect 5, dns 10", "timed out, not sent"},
		{"timed out in the handshake", client.Client{}, get("https://a.test/", parallel.Timeout(45*ms)), "connect 35, dns 10, ssl 15", "timed out, not sent"},
		{"timed out in the wait", client.Client{}, get(url, parallel.Timeout(60*ms)), "connect 20, dns 10, wait 30", "timed out"},
		{"timed out in the body", client.Client{}, get(url, parallel.Timeout(150*ms)), "connect 20, dns 10, receive 20, wait 100", "timed out"},
		{"no such host", client.Client{}, get("http://" + unknown), "dns 10", "DNS failed, not sent"},
		{"a refused dial", client.Client{}, get("http://" + refusing), "connect 20, dns 10", "refused, not sent"},
		{"cut off", client.Client{}, get(url + "cut"), "connect 20, dns 10, receive 50, wait 100", "cut off"},
		{"too large", client.Client{MaxBody: 4}, get(url), "connect 20, dns 10, receive 50, wait 100", "too large"},
		{"a bad URL", client.Client{}, get("::"), "", "not sent"},
		{"refused by Wait", client.Client{Wait: refuse}, get(url), "", "not sent"},

		{"loser of a race", client.Client{}, func(p *parallel.Parallel) {
			winner, loser := p.Get(url), p.Get(url, parallel.After(50*ms))
			pending.Race(winner, loser).Bytes()
			<-loser.Done() // canceled by the race, and not by the end of the block
		}, "_blocked_queueing 50, blocked 50, connect 20, dns 10, wait 100", "canceled"},
		{"in flight at the end", client.Client{}, end(1), "connect 20, dns 10, wait 20", "canceled by the end of the block"},
		{"queued at the end", one, end(2), "_blocked_queueing 50, blocked 50", "canceled by the end of the block, not sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec waterfall.Recorder
				c := tt.client
				c.Observe = rec.Observe
				if c.HTTP == nil {
					c.HTTP = newNetwork(t, cert, site).Client()
				}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error { tt.block(p); return nil })

				entries := parseHAR(t, &rec)
				last := entries[len(entries)-1]
				if last.Comment != tt.end {
					t.Errorf("the request ended with %q, want %q", last.Comment, tt.end)
				}
				var went []string
				for name, took := range last.Timings {
					if took != "0.000" {
						went = append(went, name+" "+strings.TrimSuffix(took.String(), ".000"))
					}
				}
				slices.Sort(went)
				if got := strings.Join(went, ", "); got != tt.went {
					t.Errorf("the timings are\n%s; want\n%s", got, tt.went)
				}
			})
		})
	}
}

// paths returns the paths of the recorded requests, in the recorder's order.
func paths(t *testing.T, rec *waterfall.Recorder) (paths []string) {
	t.Helper()
	for _, e := range parseHAR(t, rec) {
		_, path, _ := strings.Cut(*e.Request.URL, ".test")
		paths = append(paths, path)
	}
	return paths
}

func TestMax_forgetsOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := waterfall.Recorder{Max: 3}
		c := client.Client{HTTP: &http.Client{Transport: canned(0)}, Observe: rec.Observe}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for n := range 5 {
				p.Get(fmt.Sprint("http://h.test/", n))
				<-time.After(ms)
			}
			if diff := cmp.Diff([]string{"/2", "/3", "/4"}, paths(t, &rec)); diff != "" {
				t.Errorf("kept of five requests in flight (-want +got):\n%s", diff)
			}
			drain(p) // those that were forgotten are done as well
			p.Get("http://h.test/5")
			return drain(p)
		})
		if diff := cmp.Diff([]string{"/3", "/4", "/5"}, paths(t, &rec)); diff != "" {
			t.Errorf("kept of six requests (-want +got):\n%s", diff)
		}
	})
}

func TestMax_default(t *testing.T) {
	var rec waterfall.Recorder
	for n := range 1100 {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprint("http://h.test/", n), nil)
		rec.Observe(r)
	}
	if got := paths(t, &rec); len(got) != 1000 || got[0] != "/100" {
		t.Errorf("%d requests are kept, the first is %s; want 1000, the first /100", len(got), got[0])
	}
}

// A request in flight is drawn up to now.
func TestText_inFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec waterfall.Recorder
		c := client.Client{HTTP: newNetwork(t, certificate(), site).Client(), Limit: 1, Observe: rec.Observe}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("http://a.test/1")
			p.Get("http://a.test/2")
			<-time.After(60 * ms)
			for range 2 { // reading changes nothing
				var text bytes.Buffer
				rec.Text(&text, 80)
				want := strings.TrimPrefix(`
2 requests in 60ms, http://a.test
        0s             20ms            40ms            60ms
GET /1 |nnnnnnnnddddddddddddddd------------------------|  60ms  in flight    new
GET /2 |...............................................|  60ms  in flight
. queued  n DNS  d dial  - wait for the first byte
`, "\n")
				if diff := cmp.Diff(want, text.String()); diff != "" {
					t.Errorf("Text (-want +got):\n%s", diff)
				}
			}
			return drain(p)
		})
	})
}

// net/http may report events in an unusual order.
func TestTrace_unusualOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		tell func(*httptrace.ClientTrace)
		want map[string]json.Number // without zeros
	}{
		// The request got another connection meanwhile.
		{"a dial that goes on", func(trace *httptrace.ClientTrace) {
			trace.ConnectStart("tcp", "192.0.2.1:80")
			<-time.After(10 * ms)
			trace.GotConn(httptrace.GotConnInfo{Reused: true})
			trace.WroteRequest(httptrace.WroteRequestInfo{})
			<-time.After(10 * ms)
			trace.ConnectDone("tcp", "192.0.2.1:80", nil)
			trace.TLSHandshakeStart()
		}, map[string]json.Number{"connect": "10.000", "wait": "20.000"}},
		{"two addresses, of which the first fails", func(trace *httptrace.ClientTrace) {
			trace.ConnectStart("tcp", "[2001:db8::1]:80")
			<-time.After(10 * ms)
			trace.ConnectStart("tcp", "192.0.2.1:80")
			trace.ConnectDone("tcp", "[2001:db8::1]:80", errors.New("no route"))
			<-time.After(10 * ms)
			trace.ConnectDone("tcp", "192.0.2.1:80", nil)
			trace.GotConn(httptrace.GotConnInfo{Reused: true})
		}, map[string]json.Number{"connect": "20.000", "send": "10.000"}},
		{"an answer before the request was written", func(trace *httptrace.ClientTrace) {
			trace.GotConn(httptrace.GotConnInfo{Reused: true})
			<-time.After(10 * ms)
			trace.GotFirstResponseByte()
			<-time.After(10 * ms)
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}, map[string]json.Number{"send": "10.000", "receive": "20.000"}},
		{"a connection that broke", func(trace *httptrace.ClientTrace) {
			trace.GotConn(httptrace.GotConnInfo{Reused: true})
			trace.WroteRequest(httptrace.WroteRequestInfo{})
			<-time.After(10 * ms)
			trace.GetConn("h.test:80")
			trace.ConnectStart("tcp", "192.0.2.1:80")
			<-time.After(10 * ms)
			trace.GotConn(httptrace.GotConnInfo{Reused: true})
		}, map[string]json.Number{"wait": "10.000", "connect": "10.000", "send": "10.000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec waterfall.Recorder
				made := time.Now()
				ctx, end := rec.Observe(httptest.NewRequest(http.MethodGet, "http://h.test/", nil))
				trace := httptrace.ContextClientTrace(ctx)
				trace.GetConn("h.test:80")
				tt.tell(trace)
				<-time.After(10 * ms)
				end(pending.Outcome{Made: made, Sent: made, Done: time.Now(), Err: context.Canceled})

				// Later events belong to other requests.
				<-time.After(10 * ms)
				trace.GetConn("h.test:80")
				trace.GotConn(httptrace.GotConnInfo{})
				trace.GotFirstResponseByte()

				got := parseHAR(t, &rec)[0].Timings
				maps.DeleteFunc(got, func(_ string, n json.Number) bool { return n == "0.000" })
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("timings (-want +got):\n%s", diff)
				}
				var text strings.Builder
				rec.Text(&text, 100)
				if !strings.Contains(text.String(), "canceled    kept\n") {
					t.Errorf("the text is\n%s", &text)
				}
			})
		})
	}
}

// A Recorder works beside other traces and other recorders, and does not
// disturb them. Traces are set in the context of the request or of the block.
func TestTrace_besideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var theirs atomic.Int32
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { theirs.Add(1) }})
		var one, two waterfall.Recorder
		var ended atomic.Bool
		c := client.Client{HTTP: newNetwork(t, certificate(), site).Client(), Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
			ctx, first := one.Observe(r)
			ctx, second := two.Observe(r.WithContext(ctx))
			return ctx, func(o pending.Outcome) { first(o); second(o); ended.Store(true) }
		}}
		err := c.Parallel(ctx, func(p *parallel.Parallel) error {
			_, err := p.Get("http://a.test/").Bytes()
			return err
		})
		if err != nil || theirs.Load() != 1 || !ended.Load() {
			t.Errorf("the other trace saw %d connections, want 1; the other observer saw the end: %v (%v)", theirs.Load(), ended.Load(), err)
		}
		if diff := cmp.Diff(parseHAR(t, &one), parseHAR(t, &two)); diff != "" {
			t.Errorf("two recorders differ (-one +two):\n%s", diff)
		}
		if e := parseHAR(t, &one)[0]; e.Timings["connect"] != "20.000" {
			t.Errorf("beside other traces, the timings are %v", e.Timings)
		}
	})
}

// A Recorder is used by many goroutines and read meanwhile, over real HTTP/2
// connections.
func TestRecorder_manyGoroutinesOverHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	rec := waterfall.Recorder{Max: 20, Bodies: 10}
	hc := srv.Client()
	hc.Transport = rec.Transport(hc.Transport)
	c := client.Client{HTTP: hc, BaseURL: srv.URL, Observe: rec.Observe}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				for range 10 {
					p.Post("/", parallel.JSON("content"))
				}
				for p.HasPending() {
					p.Next()
					rec.Text(io.Discard, 100)
					rec.SVG(io.Discard)
					rec.HAR(io.Discard)
				}
				return nil
			})
		})
	}
	all.Wait()
	entries := parseHAR(t, &rec)
	if len(entries) != 20 {
		t.Errorf("%d requests are kept, want 20", len(entries))
	}
	for _, e := range entries {
		if e.Comment != "200 OK" || *e.Response.HTTPVersion != "HTTP/2.0" || e.ServerIPAddress != "127.0.0.1" || *e.Response.BodySize != 9 {
			t.Fatalf("an entry is %+v", e)
		}
	}
}

// The first line had no µ where the other lines had one.
func TestText_microseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(250 * time.Microsecond) }))
		var rec waterfall.Recorder
		c := client.Client{HTTP: s.Client(), Observe: rec.Observe}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			return err
		})
		var text strings.Builder
		rec.Text(&text, 100)
		if first, _, _ := strings.Cut(text.String(), "\n"); first != "1 request in 250µs, http://h" {
			t.Errorf("the first line is %q", first)
		}
	})
}

// A trailer that a body fills while it is read was sent empty if bodies are
// recorded.
func TestTransport_trailerFilledByBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, r.Trailer.Get("X-Sum"))
		}))
		rec := waterfall.Recorder{Bodies: 10}
		hc := s.Client()
		hc.Transport = rec.Transport(hc.Transport)
		c := client.Client{HTTP: hc, Observe: rec.Observe}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			trailer := http.Header{"X-Sum": nil}
			r, err := http.NewRequest(http.MethodPut, "http://h/", &summed{strings.NewReader("content"), trailer})
			if err != nil {
				t.Fatal(err)
			}
			r.Trailer = trailer
			if b, err := p.Do(r).Bytes(); string(b) != "42" {
				t.Errorf("the server got the trailer %q, %v; want 42", b, err)
			}
			return nil
		})
	})
}

// A summed is a body that sets a trailer as it ends.
type summed struct {
	*strings.Reader
	trailer http.Header
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.trailer.Set("X-Sum", "42")
	}
	return n, err
}

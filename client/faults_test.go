package client_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file tests what a network can do to a request, on real sockets. Each
// fault happens alone and beside healthy requests, which must not notice.
//
// faults_dispatch_test.go has the faults of a transport and of a request's own
// body, and those that take time. faults_hops_test.go has redirects, and faults
// that take two requests.

// A fault is one row of the table: a request, and its result.
type fault struct {
	name string
	at   string // the key of an origin in testnet.Faults.Origins
	path string
	opts []parallel.Option
	post bool

	maxBody int64                                       // 0: 64 KiB
	deadly  bool                                        // breaks its connection, so the healthy requests use another
	prepare func(f *testnet.Faults, tr *http.Transport) // changes the transport

	// The result: a response, if want is nil.
	want    verdict
	stalls  bool   // until it is canceled, with context.Canceled
	notSent bool   // the error is ErrNotSent
	status  int    // 0: 200
	body    string // of the response
	came    int    // how often it came to the server; 0: once, or never if notSent
}

// A verdict reports whether an error is of the right kind.
type verdict func(error) bool

func is(target error) verdict { return func(err error) bool { return errors.Is(err, target) } }

func as[E error](err error) bool { return errors.As(err, new(E)) }

func says(text string) verdict {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

func either(kinds ...verdict) verdict {
	return func(err error) bool {
		return slices.ContainsFunc(kinds, func(v verdict) bool { return v(err) })
	}
}

var (
	isReset  = is(syscall.ECONNRESET)
	isCut    = is(io.ErrUnexpectedEOF)
	tooLarge = as[*pending.BodyTooLargeError]
)

func distrust(_ *testnet.Faults, tr *http.Transport) { tr.TLSClientConfig.RootCAs = nil }

func noSuchHost(_ *testnet.Faults, tr *http.Transport) {
	d := net.Dialer{Resolver: testnet.NowhereResolver}
	tr.DialContext = client.DialContext(d.DialContext)
}

// stallConnects makes every connect to the "refused" origin wait, with its
// descriptor open.
func stallConnects(f *testnet.Faults, tr *http.Transport) {
	stalled := net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		f.Stall("connect")
		<-ctx.Done()
		return ctx.Err()
	}}
	refused := strings.TrimPrefix(f.Origins["refused"], "http://")
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == refused {
			return client.DialContext(stalled.DialContext)(ctx, network, addr)
		}
		return dial(ctx, network, addr)
	}
}

// upload returns an option with a body of 64 MiB.
func upload() parallel.Option {
	return func(r *parallel.Request) error {
		return parallel.Body("", io.LimitReader(zeros{}, 64<<20))(r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var faults = []fault{
	// Connection.
	{name: "refused", at: "refused", post: true, want: is(syscall.ECONNREFUSED), notSent: true},
	{name: "no such host", at: "nowhere", prepare: noSuchHost, want: as[*net.DNSError], notSent: true},
	{name: "accepted, then closed", at: "closed", want: either(is(io.EOF), isReset, says("server closed idle connection")), came: never},
	{name: "a connect that stalls", at: "refused", prepare: stallConnects, stalls: true, notSent: true},
	{name: "a handshake that stalls", at: "https that says nothing", stalls: true, notSent: true},
	{name: "a certificate that is not trusted", at: "https", path: "/healthy", prepare: distrust,
		want: as[*tls.CertificateVerificationError], notSent: true},
	{name: "https of an http server", at: "https of http", want: is(http.ErrSchemeMismatch), notSent: true},
	{name: "closed before headers", at: "http", path: "/close", want: is(io.EOF)},
	{name: "closed before headers, TLS", at: "https", path: "/close", want: is(io.EOF)},
	{name: "closed in headers", at: "http", path: "/close-in-headers", want: isCut},
	{name: "reset before headers", at: "http", path: "/reset", post: true, want: isReset},
	{name: "reset before headers, TLS", at: "https", path: "/reset", want: isReset},
	{name: "reset in headers", at: "http", path: "/reset-in-headers", want: either(isReset, isCut)}, // net/http decides which,
	{name: "reset in the body", at: "http", path: "/reset-in-body", want: isReset},
	{name: "reset in the body, TLS", at: "https", path: "/reset-in-body", want: isReset},
	{name: "reset in the body, written", at: "http", path: "/reset-in-body", opts: discard, want: isReset},

	// Headers.
	{name: "no headers", at: "http", path: "/no-headers", stalls: true},
	{name: "no headers, TLS", at: "https", path: "/no-headers", stalls: true},
	{name: "no headers, HTTP/2", at: "h2", path: "/no-headers", stalls: true},
	{name: "headers over 1 MiB", at: "http", path: "/long-headers", want: says("exceeded 1048576 bytes")},
	{name: "headers over 1 MiB, HTTP/2", at: "h2", path: "/long-headers", want: says("header list larger")},
	{name: "one header over 1 MiB", at: "http", path: "/long-header", want: says("exceeded 1048576 bytes")},
	{name: "one header over 1 MiB, HTTP/2", at: "h2", path: "/long-header", want: says("COMPRESSION_ERROR"), deadly: true},
	{name: "1xx without end", at: "http", path: "/1xx", want: says("exceeded 1048576 bytes")},
	{name: "1xx without end, HTTP/2", at: "h2", path: "/1xx", want: says("PROTOCOL_ERROR")},
	{name: "101", at: "http", path: "/101", want: says("101")},
	{name: "101, written", at: "http", path: "/101", opts: discard, want: says("101")},
	{name: "204 with a body", at: "http", path: "/204-and-a-body", status: 204},
	{name: "304 with a body", at: "http", path: "/304-and-a-body", status: 304},

	// Body.
	{name: "no body", at: "http", path: "/no-body", stalls: true},
	{name: "no body, HTTP/2", at: "h2", path: "/no-body", stalls: true},
	{name: "half a body", at: "http", path: "/half-a-body", stalls: true},
	{name: "half a body, written", at: "https", path: "/half-a-body", opts: discard, stalls: true},
	{name: "half a body, HTTP/2", at: "h2", path: "/half-a-body", stalls: true},
	{name: "shorter than declared", at: "http", path: "/shorter", want: isCut},
	{name: "shorter than declared, written", at: "http", path: "/shorter", opts: discard, want: isCut},
	{name: "longer than declared", at: "http", path: "/longer", body: "long "}, // a client cannot tell
	{name: "a chunk that is cut", at: "http", path: "/chunk-cut", want: isCut},
	{name: "chunks without their end", at: "http", path: "/chunks-no-end", want: isCut},
	{name: "chunks with half their end", at: "http", path: "/chunks-half-end", want: isCut},
	{name: "aborted in its chunks", at: "http", path: "/abort-in-body", want: isCut},
	{name: "endless", at: "http", path: "/endless", want: tooLarge},
	{name: "endless, TLS", at: "https", path: "/endless", want: tooLarge},
	{name: "endless, HTTP/2", at: "h2", path: "/endless", want: tooLarge},
	{name: "endless, of a 500", at: "http", path: "/endless-error", opts: discard, want: tooLarge},
	{name: "a gzip bomb", at: "http", path: "/gzip-bomb", want: tooLarge},
	{name: "a gzip bomb, HTTP/2", at: "h2", path: "/gzip-bomb", want: tooLarge},
	{name: "no gzip at all", at: "http", path: "/gzip-none", want: is(gzip.ErrHeader)},
	{name: "gzip with a bad checksum", at: "http", path: "/gzip-checksum", want: is(gzip.ErrChecksum)},
	{name: "gzip with a bad checksum, written", at: "http", path: "/gzip-checksum", opts: discard, want: is(gzip.ErrChecksum)},
	{name: "garbled gzip", at: "http", path: "/gzip-garbled", want: says("flate: corrupt input")},
	{name: "gzip that is cut", at: "http", path: "/gzip-cut", want: isCut},
	{name: "gzip that is cut, HTTP/2", at: "h2", path: "/gzip-cut", want: isCut},
	{name: "1 TiB", at: "http", path: "/1TiB", want: tooLarge},
	{name: "1 TiB, 5 bytes of it", at: "http", path: "/1TiB", maxBody: -1, want: isCut},
	{name: "1 TiB, 5 bytes of it, written", at: "http", path: "/1TiB", opts: discard, want: isCut},

	// Upload.
	{name: "64 MiB that nobody reads", at: "http", path: "/never-reads", post: true, opts: []parallel.Option{upload()}, stalls: true},
	{name: "64 MiB that nobody reads, TLS", at: "https", path: "/never-reads", post: true, opts: []parallel.Option{upload()}, stalls: true},
	{name: "64 MiB that nobody reads, HTTP/2", at: "h2", path: "/never-reads", post: true, opts: []parallel.Option{upload()}, stalls: true},
	{name: "64 MiB for no window, HTTP/2", at: "h2 without a window", post: true, opts: []parallel.Option{upload()}, stalls: true},
	{name: "64 MiB and a reset", at: "http", path: "/reset", post: true, opts: []parallel.Option{upload()},
		want: either(isReset, is(syscall.EPIPE), is(net.ErrClosed))},

	// Redirects.
	{name: "a loop", at: "http", path: "/loop", want: says("10 redirects"), came: 10},
	{name: "a loop, HTTP/2", at: "h2", path: "/loop", want: says("10 redirects"), came: 10},

	// HTTP/2.
	{name: "RST_STREAM before headers", at: "h2", path: "/abort", post: true, want: says("INTERNAL_ERROR")},
	{name: "RST_STREAM in the body", at: "h2", path: "/abort-in-body", want: says("INTERNAL_ERROR")},
	{name: "RST_STREAM in the body, written", at: "h2 reset in the body", opts: discard, want: says("CANCEL")},
	{name: "RST_STREAM, REFUSED_STREAM once", at: "h2 that refuses once", came: 2},
	{name: "RST_STREAM, REFUSED_STREAM always", at: "h2 that refuses", stalls: true, came: 2},
	{name: "a stream shorter than declared", at: "h2 shorter", want: isCut},
	{name: "GOAWAY that lets all streams end", at: "h2", path: "/goaway", body: testnet.Healthy},
	{name: "GOAWAY, calm down", at: "h2 GOAWAY", post: true, want: says("GOAWAY")},
	{name: "GOAWAY, calm down, in the body", at: "h2 GOAWAY in the body", want: says("GOAWAY")},
	{name: "GOAWAY that has seen nothing", at: "h2 GOAWAY unseen", post: true, came: 2},
	{name: "a limit of one stream", at: "h2 of one stream", path: "/healthy", body: testnet.Healthy},
	{name: "the server gone", at: "h2 gone", want: either(isCut, is(io.EOF))},
	{name: "the server gone in the body", at: "h2 gone in the body", want: isCut},
}

var discard = []parallel.Option{parallel.To(io.Discard)}

func TestFault(t *testing.T) {
	for _, tc := range faults {
		t.Run(tc.name, func(t *testing.T) {
			if !tc.stalls {
				t.Run("alone", func(t *testing.T) { tc.run(t, alone) })
				t.Run("beside healthy requests", func(t *testing.T) { tc.run(t, beside) })
				return
			}
			t.Run("alone, canceled", func(t *testing.T) { tc.run(t, alone) })
			t.Run("alone, block ended", func(t *testing.T) { tc.run(t, left) })
			t.Run("beside healthy requests, canceled", func(t *testing.T) { tc.run(t, beside) })
		})
	}
}

// net/http alone decides how it reads nonsense. The result must be an error or
// the whole body.
func TestNonsense_failsOrIsWhole(t *testing.T) {
	for path, whole := range map[string]bool{
		"status-line":       false,
		"status-code":       false,
		"version":           false,
		"nothing-at-all":    false,
		"tls":               false,
		"no-colon":          false,
		"control-in-name":   false,
		"two-lengths":       false,
		"negative-length":   false,
		"length-in-words":   false,
		"length-too-large":  false,
		"coding":            false,
		"chunk-size":        false,
		"chunk-too-large":   false,
		"chunk-too-long":    false,
		"length-and-chunks": true, // chunks win, RFC 9112 section 6.3
	} {
		t.Run(path, func(t *testing.T) {
			tc := fault{at: "http", path: "/nonsense/" + path, want: as[*url.Error]}
			if whole {
				tc.want, tc.body = nil, "short"
			}
			tc.run(t, alone)
		})
	}
}

type way int

const (
	alone  way = iota // canceled if it stalls
	left              // the same, but the block ends while it stalls
	beside            // beside healthy requests, which are answered after it
)

const (
	companions = 4
	never      = -1
	memory     = 32 << 20 // maximum number of bytes that both ends allocate for one fault
	watchdog   = 30 * time.Second
)

// run makes the fault happen to a request, and checks the result and what is
// left.
func (tc fault) run(t *testing.T, w way) {
	log.SetOutput(io.Discard) // net/http logs what a server sends unrequested
	defer log.SetOutput(os.Stderr)
	f := testnet.NewFaults(t)
	f.Origins["nowhere"] = "http://nowhere.example"
	f.Origins["https of http"] = "https" + strings.TrimPrefix(f.Origins["http"], "http")
	tr := client.NewTransport()
	tr.Proxy = nil
	tr.TLSClientConfig = &tls.Config{RootCAs: f.Roots}
	if tc.prepare != nil {
		tc.prepare(f, tr)
	}
	counted := &counted{next: tr, faults: f, path: tc.path}
	c := client.Client{HTTP: &http.Client{Transport: counted}, Timeout: -1, MaxBody: tc.maxBody}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 10
	}
	asked, err := url.Parse(f.Origins[tc.at] + tc.path)
	if err != nil || asked.Host == "" {
		t.Fatalf("no origin %q: %v", tc.at, err)
	}
	asked.User = url.UserPassword("somebody", "secret")
	healthy := f.Origins[tc.company()]
	descriptors := testnet.Descriptors()

	var h *pending.Pending
	var companionship []*pending.Pending
	fn := func(p *parallel.Parallel) error {
		if w == beside {
			for range companions {
				companionship = append(companionship, p.Get(healthy+"/held"))
			}
			for range companions {
				await(t, f)
			}
		}
		method := p.Get
		if tc.post {
			method = p.Post
		}
		h = method(asked.String(), tc.opts...)
		if tc.stalls {
			await(t, f)
			if w == left {
				return nil
			}
			h.Cancel()
		}
		<-h.Done()
		f.Release()
		for i, c := range companionship {
			if b, err := c.Bytes(); err != nil || string(b) != testnet.Held {
				t.Errorf("healthy request %d: Bytes() = %q, %v; want it whole", i, b, err)
			}
		}
		return nil
	}
	n := allocated(func() {
		within(t, func() {
			if err := c.Parallel(t.Context(), fn); err != nil {
				t.Errorf("Parallel: %v", err)
			}
		})
	})
	if inside := counted.inside.Load(); inside != 0 {
		t.Errorf("%d RoundTrips and bodies are open after the block has ended, want 0", inside)
	}
	f.Release()
	if n > memory {
		t.Errorf("%d bytes were allocated, want %d at most", n, memory)
	}
	tc.judge(t, h, asked, w)
	tc.count(t, f)

	// A request that was canceled or not sent leaves nothing behind. Only
	// HTTP/2 keeps its connection. (This must be checked before
	// CloseIdleConnections, which would also end a dial.)
	if w != beside && (tc.notSent || tc.stalls && !strings.HasPrefix(tc.at, "h2")) {
		until(t, f.Open, 0, "connections are open")
		until(t, testnet.Descriptors, descriptors, "file descriptors are open")
	}

	// The client still works, and leaves nothing behind.
	within(t, func() {
		if resp, err := get(t, c, healthy+"/healthy"); err != nil || body(t, resp) != testnet.Healthy {
			t.Errorf("a healthy request after the fault: %v", err)
		}
	})
	until(t, func() int { tr.CloseIdleConnections(); return f.Open() }, 0, "connections are open")
	until(t, testnet.Descriptors, descriptors, "file descriptors are open")
}

// company returns the origin of the healthy requests. It is the fault's own if
// that serves any, so that they share connections if they can.
func (tc fault) company() string {
	switch {
	case tc.deadly || tc.prepare != nil:
		return "http"
	case tc.at == "https":
		return "https"
	case strings.HasPrefix(tc.at, "h2"):
		return "h2"
	}
	return "http"
}

// judge checks the result of the request.
func (tc fault) judge(t *testing.T, h *pending.Pending, asked *url.URL, w way) {
	t.Helper()
	resp, err := h.Response()
	want := tc.want
	if tc.stalls {
		want = is(context.Canceled)
	}
	if want == nil {
		if err != nil {
			t.Fatalf("Response() = %v, want a response", err)
		}
		status := tc.status
		if status == 0 {
			status = http.StatusOK
		}
		if b := body(t, resp); resp.StatusCode != status || b != tc.body {
			t.Errorf("Response() has status %d and body %q, want %d and %q", resp.StatusCode, b, status, tc.body)
		}
		return
	}
	if err == nil {
		t.Fatalf("Response() has status %s and body %q, want an error", resp.Status, body(t, resp))
	}
	if !want(err) {
		t.Errorf("the error is of the wrong kind: %v", err)
	}
	if errors.Is(err, pending.ErrNotSent) != tc.notSent {
		t.Errorf("ErrNotSent matches: %v, want %v: %v", !tc.notSent, tc.notSent, err)
	}
	if ended := errors.Is(err, parallel.ErrEnded); ended != (w == left) {
		t.Errorf("ErrEnded matches: %v, want %v: %v", ended, w == left, err)
	}
	if !tc.stalls && errors.Is(err, context.Canceled) {
		t.Errorf("nobody canceled the request, but its error matches context.Canceled: %v", err)
	}
	op := "Get"
	if tc.post {
		op = "Post"
	}
	var ue *url.Error
	if !errors.As(err, &ue) || ue.Op != op || ue.URL != asked.Redacted() {
		t.Errorf("the error does not name %s %s: %v", op, asked.Redacted(), err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows a password: %v", err)
	}
}

// count checks how often the request came to the server.
func (tc fault) count(t *testing.T, f *testnet.Faults) {
	t.Helper()
	came := f.Requests()
	for _, r := range f.Came() {
		if r.URL.Path == tc.path {
			came++
		}
	}
	want := tc.came
	switch {
	case want == never || tc.notSent:
		want = 0
	case want == 0:
		want = 1
	}
	if came != want {
		t.Errorf("the request came %d times to the server, want %d", came, want)
	}
}

// A counted is a transport that counts the RoundTrips and bodies that are open.
// It tells the server when the response of the fault has come.
type counted struct {
	next   http.RoundTripper
	faults *testnet.Faults
	path   string
	inside atomic.Int64
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.inside.Add(1)
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		c.inside.Add(-1)
		return nil, err
	}
	if r.URL.Path == c.path {
		c.faults.Received()
	}
	resp.Body = &countedBody{ReadCloser: resp.Body, of: c}
	return resp, nil
}

type countedBody struct {
	io.ReadCloser
	of     *counted
	closed atomic.Bool
}

func (b *countedBody) Close() error {
	if !b.closed.Swap(true) {
		b.of.inside.Add(-1)
	}
	return b.ReadCloser.Close()
}

// within calls f. If that takes longer than any of these tests could, it ends
// the test binary with the stacks of all goroutines.
func within(t *testing.T, f func()) {
	t.Helper()
	dog := time.AfterFunc(watchdog, func() { panic(t.Name() + ": the block does not end") })
	defer dog.Stop()
	f()
}

// await waits until the server stalls.
func await(t *testing.T, f *testnet.Faults) {
	t.Helper()
	dog := time.NewTimer(watchdog)
	defer dog.Stop()
	select {
	case <-f.Stalled():
	case <-dog.C:
		t.Error("the server never stalled")
	}
}

// until waits until count returns most or less.
func until(t *testing.T, count func() int, most int, what string) {
	t.Helper()
	deadline := time.Now().Add(watchdog)
	for n := count(); n > most; n = count() {
		if time.Now().After(deadline) {
			t.Errorf("%d %s, want %d", n, what, most)
			return
		}
		runtime.Gosched()
	}
}

// allocated returns the number of bytes that f and its goroutines allocate.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

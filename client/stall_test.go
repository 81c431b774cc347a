package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 32, clause by clause, in exact times.

// script does what the query of a request says: "w900" waits that many
// milliseconds, "e" sends a response 103, "h" the header, "b" a byte of the
// body, "r" reads 1 MiB of the request's body, and "R" all of it. "to=" is the
// URL that it then redirects to, with a 307.
func script(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w).Flush
	for _, step := range strings.Fields(r.FormValue("do")) {
		switch step[0] {
		case 'w':
			n, _ := strconv.Atoi(step[1:])
			select {
			case <-time.After(time.Duration(n) * ms):
			case <-r.Context().Done():
				return
			}
		case 'e':
			w.WriteHeader(http.StatusEarlyHints)
		case 'h':
			flush()
		case 'b':
			io.WriteString(w, "b")
			flush()
		case 'r':
			io.CopyN(io.Discard, r.Body, 1<<20)
		case 'R':
			io.Copy(io.Discard, r.Body)
		}
	}
	if to := r.FormValue("to"); to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}
}

// do returns the URL of a request for script.
func do(steps string, to ...string) string {
	q := url.Values{"do": {steps}, "to": to}
	return "http://h/?" + q.Encode()
}

// stalls reports whether err is the error of a request that made no progress.
func stalls(err error) bool {
	var ue *url.Error
	return errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) &&
		errors.As(err, &ue) && ue.Timeout()
}

// A slowBody gives a byte after each pause. After the last it blocks until it
// is closed.
func slowBody(pauses ...time.Duration) io.Reader {
	r, w := io.Pipe()
	go func() {
		for _, d := range pauses {
			time.Sleep(d)
			io.WriteString(w, "b")
		}
	}()
	return r
}

type onlyReader struct{ io.Reader }

func TestStall(t *testing.T) {
	const never = "w999999999"
	mega := strings.Repeat("x", 4<<20)
	stall := func(d time.Duration) parallel.Option { return parallel.Stall(d) }
	post := func(body func() io.Reader) func(*parallel.Parallel, string) *pending.Pending {
		return func(p *parallel.Parallel, url string) *pending.Pending {
			return p.Post(url, parallel.Body("text/plain", body()))
		}
	}
	text := func() io.Reader { return strings.NewReader(mega) }
	get := func(opts ...parallel.Option) func(*parallel.Parallel, string) *pending.Pending {
		return func(p *parallel.Parallel, url string) *pending.Pending { return p.Get(url, opts...) }
	}
	waits := func(d time.Duration) client.Client {
		return client.Client{Wait: func(*http.Request) error { time.Sleep(d); return nil }}
	}
	for name, tc := range map[string]struct {
		url    string
		client client.Client // with a Stall of a second, unless it has another
		ask    func(*parallel.Parallel, string) *pending.Pending
		takes  time.Duration
		ok     bool
	}{
		"a response in time":          {url: do("w999 h w999 b w999 b w999"), takes: 3996 * ms, ok: true},
		"no response":                 {url: do(never), takes: 1000 * ms},
		"a 103 in time":               {url: do("w900 e w900 e w900 b"), takes: 2700 * ms, ok: true},
		"nothing after a 103":         {url: do("w900 e " + never), takes: 1900 * ms},
		"nothing after the header":    {url: do("w900 h " + never), takes: 1900 * ms},
		"nothing after some of body":  {url: do("w900 b w900 b " + never), takes: 2800 * ms},
		"an upload in time":           {url: do("w900 r w900 r w900 R w900"), ask: post(text), takes: 3600 * ms, ok: true},
		"an upload nobody reads":      {url: do(never), ask: post(text), takes: 1000 * ms},
		"an upload read for a while":  {url: do("w900 r w900 r " + never), ask: post(text), takes: 2800 * ms},
		"an upload from a reader":     {url: do("w900 r w900 r " + never), ask: post(func() io.Reader { return onlyReader{text()} }), takes: 2800 * ms},
		"a small upload":              {url: do("R w999"), ask: post(func() io.Reader { return strings.NewReader("small") }), takes: 999 * ms, ok: true},
		"an upload that comes slowly": {url: do("R"), ask: post(func() io.Reader { return slowBody(900*ms, 900*ms) }), takes: 2800 * ms},
		"an upload sent again": {
			url: do("R w900", do("w900 r w900 r "+never)), ask: post(text), takes: 3700 * ms,
		},
		"an upload from GetBody, sent again": {
			url: do("R w900", do("w900 r w900 r "+never)), takes: 3700 * ms,
			ask: func(p *parallel.Parallel, url string) *pending.Pending {
				return p.Post(url, func(r *parallel.Request) (err error) {
					r.ContentLength = int64(len(mega))
					r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(onlyReader{text()}), nil }
					r.Request.Body, err = r.GetBody()
					return err
				})
			},
		},

		"not in Wait":             {url: do("w999"), client: waits(time.Hour), takes: time.Hour + 999*ms, ok: true},
		"after Wait":              {url: do(never), client: waits(time.Hour), takes: time.Hour + 1000*ms},
		"with a longer Timeout":   {url: do(never), client: client.Client{Timeout: 1001 * ms}, takes: 1000 * ms},
		"with a shorter Timeout":  {url: do("b w900 b w900 b"), client: client.Client{Timeout: 999 * ms}, takes: 999 * ms},
		"its own, longer":         {url: do("w1999"), ask: get(stall(2 * time.Second)), takes: 1999 * ms, ok: true},
		"its own, shorter":        {url: do(never), ask: get(stall(500 * ms)), takes: 500 * ms},
		"its own, of none":        {url: do(never), client: client.Client{Stall: -1}, ask: get(stall(500 * ms)), takes: 500 * ms},
		"its own, 0":              {url: do(never), ask: get(stall(0)), takes: 1000 * ms},
		"its own, negative":       {url: do("w9999999"), ask: get(stall(-1)), takes: 9999999 * ms, ok: true},
		"its own, over many hops": {url: do("w900", do("w900", do("w900"))), takes: 2700 * ms, ok: true},
	} {
		for protocol, start := range servers {
			t.Run(name+", "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, http.HandlerFunc(script))
					c := tc.client
					c.HTTP = s.Client()
					if c.Timeout == 0 {
						c.Timeout = -1
					}
					if c.Stall == 0 {
						c.Stall = time.Second
					}
					ask := tc.ask
					if ask == nil {
						ask = get()
					}
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						begun := time.Now()
						_, err := ask(p, tc.url).Bytes()
						if d := time.Since(begun); d != tc.takes {
							t.Errorf("it took %v, want %v", d, tc.takes)
						}
						if tc.ok && err != nil || !tc.ok && (!stalls(err) || errors.Is(err, pending.ErrNotSent)) {
							t.Errorf("Bytes() error = %v, want one: %t", err, !tc.ok)
						}
						return nil
					})
				})
			})
		}
	}
}

// A peer is a server that plays a connection, as HTTP/1.
func peer(dial time.Duration, play func(net.Conn)) *http.Transport {
	return &http.Transport{DialContext: client.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case <-time.After(dial):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			play(theirs)
		}()
		return ours, nil
	})}
}

// The signs that a handler cannot give.
func TestStall_onTheConnection(t *testing.T) {
	read := func(c net.Conn, n int) { io.ReadFull(c, make([]byte, n)) }
	drain := func(c net.Conn) { go io.Copy(io.Discard, c) }
	long := parallel.Header("X-Long", strings.Repeat("x", 64<<10))
	for name, tc := range map[string]struct {
		dial    time.Duration
		play    func(net.Conn)
		opts    []parallel.Option
		takes   time.Duration
		ok      bool
		notSent bool
	}{
		"a dial that takes too long": {dial: time.Hour, takes: 1000 * ms, notSent: true},
		"a connection": {dial: 900 * ms, takes: 1900 * ms, play: func(c net.Conn) {
			drain(c)
			time.Sleep(time.Hour)
		}},
		"a header that is not read": {takes: 1000 * ms, opts: []parallel.Option{long}, play: func(c net.Conn) {
			time.Sleep(time.Hour)
		}},
		"a header that is read late": {takes: 1900 * ms, opts: []parallel.Option{long}, play: func(c net.Conn) {
			time.Sleep(900 * ms)
			drain(c)
			time.Sleep(time.Hour)
		}},
		"the first byte": {takes: 1900 * ms, play: func(c net.Conn) {
			drain(c)
			time.Sleep(900 * ms)
			io.WriteString(c, "H")
			time.Sleep(time.Hour)
		}},
		"the second byte": {takes: 1500 * ms, play: func(c net.Conn) {
			drain(c)
			time.Sleep(500 * ms)
			io.WriteString(c, "H")
			time.Sleep(900 * ms)
			io.WriteString(c, "T")
			time.Sleep(time.Hour)
		}},
		"the end of the header": {takes: 1500 * ms, play: func(c net.Conn) {
			drain(c)
			time.Sleep(500 * ms)
			io.WriteString(c, "H")
			time.Sleep(900 * ms)
			io.WriteString(c, "TTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
			time.Sleep(time.Hour)
		}},
		"a redirect's body": {takes: 3600 * ms, ok: true, play: func(c net.Conn) {
			read(c, 1)
			drain(c)
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 3\r\n\r\n")
			for range 3 {
				time.Sleep(900 * ms)
				io.WriteString(c, "b")
			}
			time.Sleep(900 * ms)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}},
		"all of them": {dial: 900 * ms, takes: 3600 * ms, ok: true, opts: []parallel.Option{long}, play: func(c net.Conn) {
			time.Sleep(900 * ms)
			read(c, 1)
			drain(c)
			time.Sleep(900 * ms)
			io.WriteString(c, "H")
			time.Sleep(900 * ms)
			io.WriteString(c, "TTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client.Client{HTTP: &http.Client{Transport: peer(tc.dial, tc.play)}, Timeout: -1, Stall: time.Second}
				begun := time.Now()
				_, err := get(t, c, "http://h/", tc.opts...)
				if d := time.Since(begun); d != tc.takes {
					t.Errorf("it took %v, want %v", d, tc.takes)
				}
				if tc.ok != (err == nil) || !tc.ok && !stalls(err) || errors.Is(err, pending.ErrNotSent) != tc.notSent {
					t.Errorf("Response() error = %v, want one: %t; want ErrNotSent: %t", err, !tc.ok, tc.notSent)
				}
				c.HTTP.CloseIdleConnections()
				time.Sleep(2 * time.Hour) // until the peer has ended
			})
		})
	}
}

// A Read of an upload is progress as it begins, since the transport has then
// written what it read before, and as it returns bytes.
func TestStall_readOfUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{Timeout: -1, Stall: time.Second, HTTP: &http.Client{Transport: peer(0, func(c net.Conn) {
			c.Read(make([]byte, 4<<10)) // the header
			time.Sleep(1800 * ms)
			go io.Copy(io.Discard, c)
			time.Sleep(1800 * ms)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		})}}
		begun := time.Now()
		_, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", io.LimitReader(paced{900 * ms}, 64<<10)), func(r *parallel.Request) error {
				r.ContentLength = 64 << 10 // two Reads
				return nil
			})
		})
		if d := time.Since(begun); d != 3600*ms || err != nil {
			t.Errorf("Response() error = %v after %v, want none after 3.6s", err, d)
		}
	})
}

// A paced body takes a while for each Read.
type paced struct{ pause time.Duration }

func (p paced) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	return len(b), nil
}

// If no response 100 comes, net/http sends a body some time after the header.
func TestStall_withoutContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := peer(0, func(c net.Conn) {
			go io.Copy(io.Discard, c)
			time.Sleep(1800 * ms)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		})
		tr.ExpectContinueTimeout = 900 * ms
		begun := time.Now()
		_, err := ask(t, client.Client{HTTP: &http.Client{Transport: tr}, Stall: time.Second}, func(p *parallel.Parallel) *pending.Pending {
			return p.Post("http://h/", parallel.Body("text/plain", strings.NewReader("small")), parallel.Header("Expect", "100-continue"))
		})
		if d := time.Since(begun); d != 1800*ms || err != nil {
			t.Errorf("Response() error = %v after %v, want none after 1.8s", err, d)
		}
	})
}

// Without the deadline, a net.Dialer would give the first of two addresses more
// time than the Stall.
func TestStall_isDeadlineOfDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		tr := &http.Transport{DialContext: client.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
			deadline, ok := ctx.Deadline()
			if d := deadline.Sub(begun); !ok || d != time.Second {
				t.Errorf("the deadline of the dial is in %v, %t; want 1s", d, ok)
			}
			return nil, errors.New("no route")
		})}
		get(t, client.Client{HTTP: &http.Client{Transport: tr}, Stall: time.Second}, "http://h/")
	})
}

// With a transport that does not call the hooks of httptrace, the response
// counts, and each Read of its body.
func TestStall_withoutTrace(t *testing.T) {
	for name, tc := range map[string]struct {
		header time.Duration
		body   []time.Duration
		takes  time.Duration
	}{
		"no response":         {header: time.Hour, takes: 1000 * ms},
		"no body":             {header: 900 * ms, takes: 1900 * ms},
		"a part of the body":  {header: 900 * ms, body: []time.Duration{900 * ms, 900 * ms}, takes: 3700 * ms},
		"a body that is late": {header: 900 * ms, body: []time.Duration{1100 * ms}, takes: 1900 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := roundTrip(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(tc.header):
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
					body := slowBody(tc.body...).(*io.PipeReader)
					context.AfterFunc(r.Context(), func() { body.CloseWithError(r.Context().Err()) })
					return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: body, ContentLength: -1}, nil
				})
				begun := time.Now()
				_, err := get(t, client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1, Stall: time.Second}, "http://h/")
				if d := time.Since(begun); d != tc.takes || !stalls(err) {
					t.Errorf("Response() error = %v after %v, want a timeout after %v", err, d, tc.takes)
				}
				synctest.Wait()
				time.Sleep(time.Hour)
			})
		})
	}
}

// A Read of the response's body that returns nothing is no progress.
func TestStall_emptyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(empty{r.Context()}), ContentLength: -1}, nil
		})
		begun := time.Now()
		_, err := get(t, client.Client{HTTP: &http.Client{Transport: tr}, Timeout: -1, Stall: time.Second}, "http://h/")
		if d := time.Since(begun); d != time.Second || !stalls(err) {
			t.Errorf("Response() error = %v after %v, want a timeout after 1s", err, d)
		}
	})
}

// An empty body returns nothing from each Read, after a while.
type empty struct{ ctx context.Context }

func (e empty) Read([]byte) (int, error) {
	select {
	case <-time.After(900 * ms):
		return 0, nil
	case <-e.ctx.Done():
		return 0, e.ctx.Err()
	}
}

// A slowWriter takes an hour for each Write.
type slowWriter struct{ strings.Builder }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(time.Hour)
	return w.Builder.Write(p)
}

// The time stands still while a To writes, and goes on after it.
func TestStall_notInWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		do    string
		takes time.Duration
		ok    bool
	}{
		"the whole body":         {"b w3600500 b", 2*time.Hour + 500*ms, true},
		"nothing after one byte": {"b w999999999", time.Hour + 1000*ms, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(script))
				begun := time.Now()
				_, err := get(t, client.Client{HTTP: s.Client(), Timeout: -1, Stall: time.Second}, do(tc.do), parallel.To(new(slowWriter)))
				if d := time.Since(begun); d != tc.takes || tc.ok != (err == nil) || !tc.ok && !stalls(err) {
					t.Errorf("Response() error = %v after %v, want one: %t, after %v", err, d, !tc.ok, tc.takes)
				}
			})
		})
	}
}

// The time stands still while a Take decides. Then it goes on, since that is no
// progress.
func TestStall_notInTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(script))
		begun := time.Now()
		_, err := get(t, client.Client{HTTP: s.Client(), Timeout: -1, Stall: time.Second}, do("h w999999999"),
			parallel.Take(func(*http.Response) (io.Writer, error) { time.Sleep(time.Hour); return nil, nil }))
		if d, want := time.Since(begun), time.Hour+time.Second; d != want || !stalls(err) {
			t.Errorf("Response() error = %v after %v, want a timeout after %v", err, d, want)
		}
	})
}

// A hop that waits for its place at another host, and for Wait, does not stall
// meanwhile.
func TestStall_notInWaitOfHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(script))
		c := client.Client{HTTP: s.Client(), Timeout: -1, Stall: time.Second, HostLimit: 1, Wait: func(r *http.Request) error {
			if r.Response != nil {
				time.Sleep(time.Minute)
			}
			return nil
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			begun := time.Now()
			p.Get("http://busy/?do=w3600000", parallel.Stall(-1))
			h := p.Get(do("w900", "http://busy/?do=w999999999"))
			_, err := h.Response()
			if d, want := time.Since(begun), time.Hour+time.Minute+time.Second; d != want || !stalls(err) {
				t.Errorf("Response() error = %v after %v, want a timeout after %v", err, d, want)
			}
			return nil
		})
	})
}

// Each attempt has the whole time, and the pause between two does not count.
func TestStall_ofEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(script))
		var errs []error
		c := client.Client{HTTP: s.Client(), Timeout: -1, Retry: func(a parallel.Attempt) (time.Duration, bool) {
			errs = append(errs, a.Err)
			return time.Minute, a.N < 3
		}}
		begun := time.Now()
		_, err := get(t, c, do("w900 b w999999999"), parallel.Stall(time.Second))
		if d, want := time.Since(begun), 3*1900*ms+2*time.Minute; d != want || !stalls(err) {
			t.Errorf("Response() error = %v after %v, want a timeout after %v", err, d, want)
		}
		for _, err := range errs {
			if !stalls(err) {
				t.Errorf("Attempt.Err = %v, want a timeout", err)
			}
		}
		if len(errs) != 3 {
			t.Errorf("Retry was called %d times, want 3", len(errs))
		}
	})
}

// The end of a body and the end of the time, at the same moment: the result is
// one of the two, and a response has the whole body.
func TestStall_asBodyEnds(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := testnet.New(t, http.HandlerFunc(script))
			begun := time.Now()
			resp, err := get(t, client.Client{HTTP: s.Client(), Timeout: -1, Stall: time.Second}, do("b w1000"))
			if d := time.Since(begun); d != time.Second {
				t.Errorf("it took %v, want 1s", d)
			}
			switch {
			case err != nil && !stalls(err):
				t.Errorf("Response() = %v, want a timeout", err)
			case err == nil && body(t, resp) != "b":
				t.Error("the body is not the whole body")
			}
		})
	}
}

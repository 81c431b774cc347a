package conns

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/internal/lifetime"
)

// request is the owner of the Conns of a test.
type request struct{ t *testing.T }

func (r request) WaitHop(*http.Request) error { return nil }
func (r request) Header() http.Header         { return nil }
func (r request) Watched() *Watched           { return nil }
func (r request) DialPanicked(p *panics.Recovered) error {
	r.t.Errorf("a dial panicked: %v", p.AsError())
	return p.AsError()
}

// A conn knows whether it was closed.
type conn struct {
	net.Conn
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

// begin begins c, which ends with ctx.
func begin(ctx context.Context, c *Conns, d time.Duration) {
	block := new(lifetime.Block)
	block.Watch(ctx, ctx)
	c.Begin(block, ctx, d)
}

// sends returns the Conns of a request of url, which has dialed each of addrs.
func sends(t *testing.T, url string, addrs ...string) (c *Conns, dialed []*conn) {
	c = New(request{t})
	begin(t.Context(), c, 0)
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Watch(req.Method, req.URL.Scheme, nil, nil)
	req = req.WithContext(c)
	c.SetRequest(req)
	for _, addr := range addrs {
		raw := new(conn)
		dialed = append(dialed, raw)
		if got := c.trackLocked(raw, addr, c.to); got == nil {
			t.Fatalf("trackLocked(%q) = nil", addr)
		}
	}
	return c, dialed
}

// Two handshakes at once both went on after their request was canceled, and a
// handshake on a connection of another dialer led to closing one that served
// another request.
func TestGiveUp_closesHandshakesOnly(t *testing.T) {
	const direct, proxy = "h:443", "proxy:3128"
	for name, tc := range map[string]struct {
		url                       string
		dialed                    []string
		started, finished, failed int
		got                       []int // of dialed
		want                      []bool
	}{
		"dialed, no handshake yet":  {url: "https://h", dialed: []string{direct}, want: []bool{false}},
		"a handshake":               {url: "https://h", dialed: []string{direct}, started: 1, want: []bool{true}},
		"two handshakes":            {url: "https://h", dialed: []string{direct, direct}, started: 2, want: []bool{true, true}},
		"one of two has started":    {url: "https://h", dialed: []string{direct, direct}, started: 1, want: []bool{false, false}},
		"one of two has finished":   {url: "https://h", dialed: []string{direct, direct}, started: 2, finished: 1, want: []bool{false, false}},
		"one of two has failed":     {url: "https://h", dialed: []string{direct, direct}, started: 2, failed: 1, want: []bool{true, true}},
		"one of two is in use":      {url: "https://h", dialed: []string{direct, direct}, started: 2, finished: 1, got: []int{0}, want: []bool{false, true}},
		"finished":                  {url: "https://h", dialed: []string{direct}, started: 1, finished: 1, want: []bool{false}},
		"HTTP":                      {url: "http://h", dialed: []string{"h:80"}, want: []bool{false}},
		"HTTP, and another's TLS":   {url: "http://h", dialed: []string{"h:80"}, started: 1, want: []bool{false}},
		"proxy, and another's TLS":  {url: "https://h", dialed: []string{proxy}, started: 1, want: []bool{false}},
		"a capital and its default": {url: "https://h:443", dialed: []string{direct}, started: 1, want: []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			c, dialed := sends(t, tc.url, tc.dialed...)
			for range tc.started {
				c.handshakeStart()
			}
			for range tc.finished {
				c.handshakeDone(tls.ConnectionState{}, nil)
			}
			for range tc.failed {
				c.handshakeDone(tls.ConnectionState{}, errors.New("no certificate"))
			}
			for _, i := range tc.got {
				c.hooks.GotConn(gotConn(tls.Client(dialed[i], nil)))
			}
			c.GiveUp()
			var closed []bool
			for _, raw := range dialed {
				closed = append(closed, raw.closed)
			}
			if diff := cmp.Diff(tc.want, closed); diff != "" {
				t.Errorf("closed (-want +got):\n%s", diff)
			}
		})
	}
}

// A connection through a proxy is closed only while it negotiates: after that
// it may serve another request.
func TestProxied_giveUp(t *testing.T) {
	const hello = "\x16\x03\x01 and so on"
	long := string(make([]byte, 100))
	type say struct{ write, read string }
	for name, tc := range map[string]struct {
		says []say
		want bool
	}{
		"nothing was said":             {nil, false},
		"SOCKS":                        {[]say{{"\x05\x01\x00", ""}}, true},
		"SOCKS, a method":              {[]say{{"\x05\x01\x00", "\x05\x00"}}, true},
		"SOCKS, half a reply":          {[]say{{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x01h\x00\x50", "\x05\x00\x00\x03"}}, true},
		"SOCKS, done":                  {[]say{{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x01h\x00\x50", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"}}, false},
		"SOCKS, then a request":        {[]say{{"\x05\x01\x00", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"}, {"GET / HTTP/1.1\r\n", ""}}, false},
		"SOCKS, then a handshake":      {[]say{{"\x05\x01\x00", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"}, {hello, ""}}, true},
		"CONNECT":                      {[]say{{"CONNECT h:443 HTTP/1.1\r\n\r\n", ""}}, true},
		"CONNECT, answered":            {[]say{{"CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}}, true},
		"CONNECT, then a handshake":    {[]say{{"CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}, {hello, "\x16\x03\x03"}}, true},
		"CONNECT, handshake may be up": {[]say{{"CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}, {hello, long}}, false},
		"TLS with the proxy":           {[]say{{hello, ""}}, true},
		"a request":                    {[]say{{"GET http://h/ HTTP/1.1\r\n", ""}}, false},
		"a body like a handshake":      {[]say{{"POST http://h/ HTTP/1.1\r\n", ""}, {hello, ""}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			p := &proxied{Conn: ours}
			for _, s := range tc.says {
				go io.ReadFull(theirs, make([]byte, len(s.write)))
				if _, err := p.Write([]byte(s.write)); err != nil {
					t.Fatalf("Write(%q): %v", s.write, err)
				}
				if s.read != "" {
					go io.WriteString(theirs, s.read)
					if _, err := io.ReadFull(p, make([]byte, len(s.read))); err != nil {
						t.Fatalf("Read of %q: %v", s.read, err)
					}
				}
			}
			if got := p.giveUp(); got != tc.want {
				t.Errorf("giveUp() = %v, want %v", got, tc.want)
			}
		})
	}
}

// A SOCKS proxy that fell silent near the end of its reply, or that had
// accepted a password, was taken for one that had connected, and its connection
// stayed.
func TestProxied_socksToTheLastByte(t *testing.T) {
	for name, says := range map[string]string{
		"IPv4":                 "\x05\x00" + "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
		"IPv6":                 "\x05\x00" + "\x05\x00\x00\x04" + string(make([]byte, 16)) + "\x00\x50",
		"name":                 "\x05\x00" + "\x05\x00\x00\x03\x06h.test\x00\x50",
		"empty name":           "\x05\x00" + "\x05\x00\x00\x03\x00\x00\x50",
		"IPv4, password":       "\x05\x02" + "\x01\x00" + "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
		"IPv6, password":       "\x05\x02" + "\x01\x00" + "\x05\x00\x00\x04" + string(make([]byte, 16)) + "\x00\x50",
		"name, password":       "\x05\x02" + "\x01\x00" + "\x05\x00\x00\x03\x06h.test\x00\x50",
		"empty name, password": "\x05\x02" + "\x01\x00" + "\x05\x00\x00\x03\x00\x00\x50",
	} {
		for n := range len(says) + 1 {
			for _, chunk := range []int{1, 4, 100} {
				ours, theirs := net.Pipe()
				p := &proxied{Conn: ours}
				go io.ReadFull(theirs, make([]byte, 3))
				p.Write([]byte{5, 1, 0})
				go io.WriteString(theirs, says[:n])
				for left := n; left > 0; left -= min(chunk, left) {
					io.ReadFull(p, make([]byte, min(chunk, left)))
				}
				if got, want := p.giveUp(), n < len(says); got != want {
					t.Errorf("%s: giveUp() = %v after %d bytes of %d, in reads of %d; want %v", name, got, n, len(says), chunk, want)
				}
				theirs.Close()
			}
		}
	}
}

// No negotiation begins or succeeds for a request that failed.
func TestProxied_afterGiveUp(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	p := &proxied{Conn: ours}
	p.giveUp()
	if _, err := p.Write([]byte{5, 1, 0}); err != net.ErrClosed {
		t.Errorf("Write of a greeting after giveUp: %v, want %v", err, net.ErrClosed)
	}

	p = &proxied{Conn: ours}
	go io.ReadFull(theirs, make([]byte, 3))
	p.Write([]byte{5, 1, 0})
	p.giveUp()
	go theirs.Write([]byte{5, 0})
	if n, err := p.Read(make([]byte, 2)); n != 0 || err != net.ErrClosed {
		t.Errorf("Read of a method after giveUp: %d, %v, want 0, %v", n, err, net.ErrClosed)
	}
}

// A slow closes when the test says so.
type slow struct {
	net.Conn
	closing chan struct{}
}

func (s slow) Close() error { <-s.closing; return nil }

// A handshake that ends while GiveUp closes its connection was delivered, and
// then closed under another request.
func TestGiveUp_holdsBackHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := sends(t, "https://h")
		closing := make(chan struct{})
		c.trackLocked(slow{closing: closing}, "h:443", c.to)
		c.handshakeStart()
		go c.GiveUp()
		synctest.Wait()
		delivered := make(chan time.Time, 1)
		go func() {
			c.handshakeDone(tls.ConnectionState{}, nil)
			delivered <- time.Now()
		}()
		<-time.After(time.Second)
		close(closing)
		if at := <-delivered; time.Since(at) != 0 {
			t.Errorf("the handshake was done %v before its connection was closed", time.Since(at))
		}
	})
}

func gotConn(c net.Conn) httptrace.GotConnInfo { return httptrace.GotConnInfo{Conn: c} }

//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// A protocol is how a client speaks to a server.
type protocol string

const (
	http1  protocol = "HTTP1"
	https1 protocol = "HTTP1+TLS"
	https2 protocol = "HTTP2+TLS"
)

// A server describes a real server: how to start it, and how to read its log.
// The folder testdata/name has its configuration. These files, and args and
// beside, are templates of a site.
type server struct {
	name      string
	binary    string // in PATH
	pkg       string // the packages of Debian, separated by spaces
	version   string // the argument that prints the version
	args      string // separated by spaces
	beside    string // a command that runs beside the server, to write its log
	protocols []protocol
	log       string         // the file of the access log; by default, what the server prints
	logged    *regexp.Regexp // finds a request in the log; by default, requestLine
	reload    syscall.Signal // reads the configuration again; 0: there is none
	origin    bool           // answers itself, and not by asking the backend
	silent    bool           // its answers do not say what was asked
	proxy     string         // the scheme of a proxy; empty: it is none
	resolver  bool           // answers no requests, but queries for names
	streams   int            // of an HTTP/2 connection that it begins with; 0: enough
	seats     int            // connections that it accepts at a time; 0: enough
	oneByOne  bool           // it serves one request at a time
}

// requestLine finds the method and the id of a request in most logs.
var requestLine = regexp.MustCompile(`\b(GET|POST) [^ \n]*[?]id=(\d+)`)

// A variation is what a check wants to be different from a server's usual
// configuration. The server must know of it: see server.knows.
type variation struct {
	Closing  bool   // kept connections are closed after five requests, or a second
	Cert     string // the file of the certificate and its key; by default, a good one
	ClientCA string // the file of the authority of client certificates
	TLS12    bool   // no later TLS
	NoALPN   bool
	MaxBody  int  // bytes of an upload
	Rate     int  // requests a second; others get a 503 and Retry-After
	Password bool // the proxy wants user "ann" with password "s3cret"
}

// A site is what the configuration of a server is made of.
type site struct {
	variation
	Dir                        string // a temporary folder
	Port, TLSPort, BackendPort int
}

// running is a server that was started.
type running struct {
	server
	site
	backend *backend
	procs   []*process
}

// knows reports whether the server's configuration depends on a field of
// variation.
func (s server) knows(field string) bool {
	files, _ := filepath.Glob(filepath.Join("testdata", s.name, "*"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte("."+field)) {
			return true
		}
	}
	return strings.Contains(s.args, "."+field)
}

var number = regexp.MustCompile(`\d+(\.\d+)+`)

// versionOf returns the version that the server prints. It skips the test if
// the server is not installed.
func (s server) versionOf(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath(s.binary); err != nil {
		t.Skipf("SKIPPED: %s is not installed: apt-get install %s", s.binary, s.pkg)
	}
	if s.version == "" {
		return "?"
	}
	out, _ := exec.Command(s.binary, s.version).CombinedOutput()
	return number.FindString(string(out))
}

// start starts a server with a backend, and waits until it accepts
// connections. The test ends both.
func start(t *testing.T, s server, v variation) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // some servers change their user
		t.Fatal(err)
	}
	if v.Cert == "" {
		v.Cert = certificates(t).file("good")
	}
	r := &running{server: s, backend: newBackend(t)}
	r.site = site{variation: v, Dir: dir, Port: freePort(t), TLSPort: freePort(t), BackendPort: r.backend.plain.Listener.Addr().(*net.TCPAddr).Port}
	files, err := filepath.Glob(filepath.Join("testdata", s.name, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), []byte(r.fill(t, string(b))), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.stop)
	r.launch(t)
	return r
}

// fill returns the text of a template.
func (r *running) fill(t *testing.T, text string) string {
	t.Helper()
	tmpl, err := template.New(r.name).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, r.site); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// launch starts the processes of the server, and waits until all its ports
// accept connections.
func (r *running) launch(t *testing.T) {
	t.Helper()
	r.procs = nil
	r.procs = append(r.procs, spawn(t, r.Dir, "output.log", r.binary, strings.Fields(r.fill(t, r.args))...))
	for _, port := range r.ports() {
		r.await(t, port)
	}
	if r.beside != "" {
		words := strings.Fields(r.fill(t, r.beside))
		r.procs = append(r.procs, spawn(t, r.Dir, "beside.log", words[0], words[1:]...))
		r.awaitLog(t)
	}
}

// awaitLog waits until a program that writes the server's log has begun. It
// misses the requests that came before.
func (r *running) awaitLog(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get(r.url(http1, "/?id=-1")); err == nil {
			resp.Body.Close()
		}
		if info, err := os.Stat(filepath.Join(r.Dir, r.log)); err == nil && info.Size() > 0 {
			return
		}
	}
	t.Fatalf("nothing is in the log of %s", r.name)
}

// ports returns the ports on which the server listens.
func (r *running) ports() []int {
	if r.proxy != "" {
		return []int{r.Port}
	}
	var ports []int
	for _, p := range r.protocols {
		if p.overTLS() {
			ports = append(ports, r.TLSPort)
		} else {
			ports = append(ports, r.Port)
		}
	}
	return ports
}

// await waits until port accepts connections, or the server has ended. A
// foreign process tells nobody when it is ready, so await asks.
func (r *running) await(t *testing.T, port int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return
		}
		if r.procs[0].ended() || time.Now().After(end) {
			t.Fatalf("%s does not listen: %v\n%s", r.name, err, r.output())
		}
	}
}

// output returns the end of what the server has printed.
func (r *running) output() string {
	b, _ := os.ReadFile(filepath.Join(r.Dir, "output.log"))
	return string(b[max(0, len(b)-2000):])
}

// signal sends a signal to the first process of the server.
func (r *running) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(r.procs[0].cmd.Process.Pid, sig); err != nil {
		t.Errorf("%s: signal %v: %v", r.name, sig, err)
	}
}

// stop ends the server's processes.
func (r *running) stop() {
	for _, p := range r.procs {
		p.stop()
	}
}

// kill ends the server's processes with SIGKILL.
func (r *running) kill() {
	for _, p := range r.procs {
		p.kill()
	}
}

// url returns the URL of a path of the server. A proxy or a resolver has none:
// then it is the backend's.
func (r *running) url(proto protocol, path string) string {
	switch {
	case r.proxy != "" || r.resolver:
		return r.backend.url(proto) + path
	case proto.overTLS():
		return fmt.Sprintf("https://127.0.0.1:%d%s", r.TLSPort, path)
	}
	return fmt.Sprintf("http://127.0.0.1:%d%s", r.Port, path)
}

// through returns the function that chooses the server as a proxy, or nil if it
// is none.
func (r *running) through(user *url.Userinfo) func(*http.Request) (*url.URL, error) {
	if r.proxy == "" {
		return nil
	}
	u, err := url.Parse(r.at())
	if err != nil {
		panic(err)
	}
	u.User = user
	return http.ProxyURL(u)
}

// at returns the URL of the server as a proxy.
func (r *running) at() string { return fmt.Sprintf("%s://127.0.0.1:%d", r.proxy, r.Port) }

// tells reports whether the access log has the ids of requests. A proxy sees
// no request within a tunnel.
func (r *running) tells(proto protocol) bool {
	return !r.tunnels(proto)
}

// tunnels reports whether a proxy opens a tunnel for the protocol.
func (r *running) tunnels(proto protocol) bool {
	return r.proxy == "socks5" || r.proxy == "http" && proto.overTLS()
}

func (p protocol) overTLS() bool { return p == https1 || p == https2 }

// freePort returns a port on which nobody listens. It is below those that Linux
// gives to clients. One of these would be taken by a connection while a server
// is down, and the server could not listen again.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.N(20000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

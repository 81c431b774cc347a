package client_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// With 1,024 files, 337 of 1,400 hosts failed with "too many open files": up to
// 1,000 idle connections held the files. Over HTTP/1 the transport now keeps
// fewer. net/http does not count those of HTTP/2, so they are closed when a
// dial fails.
//
// Every address in 127/8 is loopback on Linux, so one listener is many hosts.
func TestOpenFiles_idleConnectionsYield(t *testing.T) {
	const files, hosts = 128, 400
	if port := os.Getenv("CLIENT_TEST_PORT"); port != "" {
		lowered := syscall.Rlimit{Cur: files, Max: files}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
			t.Fatal(err)
		}
		tr := client.NewTransport()
		tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		c := client.Client{HTTP: &http.Client{Transport: tr}, Limit: 20}
		var failed int
		var last error
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for i := range hosts {
				p.Get(fmt.Sprintf("%s://127.1.%d.%d:%s/", os.Getenv("CLIENT_TEST_SCHEME"), i/250, i%250+1, port))
			}
			for p.HasPending() {
				if _, err := p.Next(); err != nil {
					failed, last = failed+1, err
				}
			}
			return nil
		})
		fmt.Printf("%d failed, %v; %d idle connections\n", failed, last, tr.MaxIdleConns)
		return
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			l, err := net.Listen("tcp4", "0.0.0.0:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}, EnableHTTP2: true}
			if scheme == "https" {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			out, _ := inChild(t, "CLIENT_TEST_SCHEME="+scheme, "CLIENT_TEST_PORT="+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			if want := fmt.Sprintf("0 failed, <nil>; %d idle connections\n", files/4); out != want {
				t.Errorf("%d hosts with %d files: %swant %s", hosts, files, out, want)
			}
		})
	}
}

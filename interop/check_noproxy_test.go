//go:build linux

package interop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/client"
)

// noProxyURL is the variable that tells a test's process to call printRoutes:
// net/http reads the variables of proxies once in a process.
const noProxyURL = "INTEROP_URL"

// checkNoProxy asks which requests go through the proxy of HTTP_PROXY, for
// NO_PROXY in its odd forms. A malformed HTTP_PROXY is an error.
func checkNoProxy(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{})
	port := fmt.Sprint(r.BackendPort)
	for _, c := range []struct{ noProxy, want string }{
		{"", "proxy"},
		{"*", "direct"},
		{"origin.test", "direct"},
		{"ORIGIN.Test", "direct"},
		{"test", "direct"},
		{".test", "direct"},
		{"*.test", "direct"},
		{".origin.test", "proxy"},
		{"igin.test", "proxy"},
		{" other.test ,, origin.test ", "direct"},
		{"origin.test:" + port, "direct"},
		{"origin.test:1", "proxy"},
		{"http://origin.test", "proxy"},
		{"127.0.0.0/8", "proxy"}, // names are not looked up
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HTTP_PROXY="+r.at(), "http_proxy=", "NO_PROXY="+c.noProxy, "no_proxy=",
			noProxyURL+"=http://origin.test:"+port+"/?id=1")
		out, err := cmd.CombinedOutput()
		if want := fmt.Sprintf("by hand: 200 %s\nabreast: 200 %[1]s\n", c.want); err != nil || string(out) != want {
			t.Errorf("NO_PROXY=%q: %v, %q; want %q", c.noProxy, err, out, want)
		}
	}
	// A proxy that is malformed is no proxy by hand.
	for _, proxy := range []string{"http://ann:s3cret@[::1", "http://" + wrongPassword + ":8/x@127.0.0.1", ":3128"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HTTP_PROXY="+proxy, "http_proxy=", "NO_PROXY=", "no_proxy=",
			noProxyURL+"=http://origin.test:"+port+"/?id=1")
		out, err := cmd.CombinedOutput()
		_, abreast, _ := strings.Cut(string(out), "\n")
		if err != nil || !strings.Contains(abreast, "invalid proxy URL in the environment variable HTTP_PROXY") ||
			strings.Contains(abreast, "s3cret") || strings.Contains(abreast, wrongPassword) {
			t.Errorf("HTTP_PROXY=%q: %v, %q", proxy, err, out)
		}
	}
	return result{}
}

// printRoutes sends a request by hand and with the library's transport, and
// prints whether it went through a proxy.
func printRoutes() {
	url := os.Getenv(noProxyURL)
	for _, name := range []string{"by hand", "abreast"} {
		tr := client.NewTransport()
		if name == "by hand" {
			tr = http.DefaultTransport.(*http.Transport).Clone()
		}
		route := "proxy"
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, _ := net.SplitHostPort(addr); host == "origin.test" {
				route, addr = "direct", "127.0.0.1:"+port
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		resp, err := (&http.Client{Transport: tr}).Get(url)
		if err != nil {
			fmt.Println(strings.TrimSpace(err.Error()))
			continue
		}
		resp.Body.Close()
		fmt.Printf("%s: %d %s\n", name, resp.StatusCode, route)
	}
}

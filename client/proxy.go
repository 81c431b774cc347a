package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// proxyFromEnvironment returns what http.ProxyFromEnvironment returns, except that
// it returns an error if the variable that names the proxy is malformed. net/http
// then sends the request directly, or to a host that it takes for the proxy: the
// host of "http://user:pa ss@proxy:3128" is "http". The direct way may be closed.
// Where it is open, it shows the network what the proxy was to hide.
//
// A malformed variable stops the requests that NO_PROXY would exempt as well. Only
// net/http can say which these are, and it does not tell them from those that it
// sends directly because of the malformed variable.
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	if err := malformedProxies()[req.URL.Scheme]; err != nil && !isLoopback(req.URL.Hostname()) {
		if req.Response == nil { // no redirect led here: nothing of the request was sent
			err = &fail.Refusal{Err: err}
		}
		return nil, err
	}
	return http.ProxyFromEnvironment(req)
}

// malformedProxies returns the error of each scheme whose proxy is malformed. Like
// net/http, it reads the environment once.
var malformedProxies = sync.OnceValue(func() map[string]error {
	return map[string]error{
		"http":  checkProxy("HTTP_PROXY", "http_proxy"),
		"https": checkProxy("HTTPS_PROXY", "https_proxy"),
	}
})

// checkProxy returns an error if the first of the variables that has a value names
// no proxy. Like net/http it accepts a URL, and a host with or without a port. The
// error does not quote the value, which may contain a password.
func checkProxy(variables ...string) error {
	for _, name := range variables {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		if u, err := url.Parse(value); err != nil || u.Host == "" {
			return fmt.Errorf("proxyconnect: invalid proxy URL in the environment variable %s (details omitted: they may contain a password)", name)
		}
		return nil
	}
	return nil
}

// isLoopback reports whether host is one that net/http never uses a proxy for.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// proxyRefused returns an error if the proxy did not open the connection that it
// was asked for. net/http's own error would be the reason phrase alone.
func proxyRefused(_ context.Context, proxy *url.URL, connect *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	// The request has the password of the proxy in a header, and the connection that
	// the body would be read from is closed.
	refused := *resp
	refused.Body = http.NoBody
	refused.Request = &http.Request{Method: connect.Method, URL: connect.URL, Host: connect.Host, Header: make(http.Header)}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Addr: proxyAddr(proxy.Host), Err: &pending.StatusError{Response: &refused}}
}

// A proxyAddr is the host and port of a proxy, as a net.Addr.
type proxyAddr string

func (proxyAddr) Network() string  { return "tcp" }
func (a proxyAddr) String() string { return string(a) }

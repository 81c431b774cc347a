package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/pending"
)

// proxyFromEnvironment returns the proxy that http.ProxyFromEnvironment
// returns, or an error if the environment variable that names it is malformed.
// net/http would send the request directly, or to a host that it takes for the
// proxy: the host of "http://user:pa ss@proxy:3128" is "http". The direct way
// may be closed. If it is open, it shows the network what the proxy was to
// hide.
//
// A malformed variable also stops requests that NO_PROXY exempts. Only net/http
// knows which these are, and its result for them is the same as for a request
// that it sends directly because of the malformed variable.
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	if err := malformedProxies()[req.URL.Scheme]; err != nil && !isLoopback(req.URL.Hostname()) {
		if req.Response == nil { // no redirect led here: nothing of the request was sent
			err = &fail.Refusal{Err: err}
		}
		return nil, err
	}
	return http.ProxyFromEnvironment(req)
}

// malformedProxies returns, by the scheme of a request, the error of the
// variable that names its proxy, or nil. Like net/http, it reads the
// environment once.
var malformedProxies = sync.OnceValue(func() map[string]error {
	return map[string]error{
		"http":  checkProxy("HTTP_PROXY", "http_proxy"),
		"https": checkProxy("HTTPS_PROXY", "https_proxy"),
	}
})

// checkProxy returns an error if the first of the variables that has a value
// does not name a proxy. Like net/http, it accepts a URL, and a host with or
// without a port. The error does not quote the value, which may contain a
// password.
//
// An "@" behind the host is refused. It ends a password that is not escaped:
// net/http takes "user:8" for the host of "http://user:8/secret@proxy:3128". So
// are a port without a host, which net/http takes for one of this machine, and
// a host named like a scheme, as in "http:/proxy:3128".
func checkProxy(variables ...string) error {
	for _, name := range variables {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		u, err := url.Parse(value)
		if err != nil || slices.Contains([]string{"", "http", "https", "socks5", "socks5h"}, strings.ToLower(u.Hostname())) ||
			strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			return fmt.Errorf("proxyconnect: invalid proxy URL in the environment variable %s (details omitted: they may contain a password)", name)
		}
		return nil
	}
	return nil
}

// isLoopback reports whether host is one for which net/http never uses a proxy.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// proxyRefused returns an error if resp, a proxy's response to CONNECT, is a
// refusal. Without it, net/http's error would have only the reason phrase.
func proxyRefused(_ context.Context, proxy *url.URL, connect *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	// A header of the request has the proxy's password. The body could not be
	// read: its connection is closed.
	refused := *resp
	refused.Body = http.NoBody
	refused.Request = &http.Request{Method: connect.Method, URL: connect.URL, Host: connect.Host, Header: make(http.Header)}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Addr: proxyAddr(proxy.Host), Err: &pending.StatusError{Response: &refused}}
}

// proxyFailed returns the URL of the proxy that rt uses for req, if err says
// that the connection through a proxy failed, and nil otherwise. It runs user
// code: methods of err, and the Proxy of rt.
func proxyFailed(rt http.RoundTripper, req *http.Request, err error) *url.URL {
	t, ok := rt.(*http.Transport)
	var op *net.OpError
	if !ok || t.Proxy == nil || !errors.As(err, &op) || op.Op != "proxyconnect" && !strings.HasPrefix(op.Op, "socks") {
		return nil
	}
	proxy, err := t.Proxy(req)
	if err != nil {
		return nil
	}
	return proxy
}

// A proxyAddr is the host and port of a proxy, as a net.Addr.
type proxyAddr string

func (proxyAddr) Network() string  { return "tcp" }
func (a proxyAddr) String() string { return string(a) }

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"

	"golang.org/x/net/http/httpproxy"

	"github.com/abreast-go/abreast/client"
)

// connections are what the requests go over.
type connections struct {
	transport *http.Transport
	opened    atomic.Int64
}

// newConnections returns the library's transport with what the flags say, which
// counts its connections.
func newConnections(o *options) (*connections, error) {
	c := &connections{transport: client.NewTransport()}
	t := c.transport
	if o.proxyURL != nil {
		t.Proxy = http.ProxyURL(o.proxyURL)
	} else {
		t.Proxy = environmentProxy()
	}
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = config
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			c.opened.Add(1)
		}
		return conn, err
	}
	return c, nil
}

// environmentProxy returns the function for the proxy that the environment
// names, as http.ProxyFromEnvironment does, with ALL_PROXY in place of
// HTTP_PROXY and HTTPS_PROXY where these are not set, as with curl.
func environmentProxy() func(*http.Request) (*url.URL, error) {
	env := httpproxy.FromEnvironment()
	all := cmp.Or(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy"))
	env.HTTPProxy, env.HTTPSProxy = cmp.Or(env.HTTPProxy, all), cmp.Or(env.HTTPSProxy, all)
	proxy := env.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
}

// tls returns the configuration that -k, -cacert, -cert and -key ask for, or
// nil.
func (o *options) tls() (*tls.Config, error) {
	if !o.insecure && o.caCert == "" && o.cert == "" {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: o.insecure}
	if o.caCert != "" {
		pem, err := os.ReadFile(o.caCert)
		if err != nil {
			return nil, fmt.Errorf("-cacert: %w", err)
		}
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			config.RootCAs = x509.NewCertPool()
		}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-cacert %s: there is no certificate in it", o.caCert)
		}
	}
	if o.cert != "" {
		key := o.key
		if key == "" {
			key = o.cert // both may be in one file, as with curl
		}
		pair, err := tls.LoadX509KeyPair(o.cert, key)
		if err != nil {
			return nil, fmt.Errorf("-cert %s: the certificate and its key (of -key, or in the same file) cannot be loaded: %w", o.cert, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

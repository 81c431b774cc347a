package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// inChild runs the calling test in a process of its own and returns what that
// wrote. The environment of the process has the variables env, and no others
// that concern proxies. In that process, inChild returns child as true, and the
// test does its work.
func inChild(t *testing.T, env ...string) (out string, child bool) {
	t.Helper()
	const mark = "CLIENT_TEST_CHILD"
	if os.Getenv(mark) != "" {
		return "", true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+name+"$", "-test.count=1")
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(v), "=")
		if !strings.HasSuffix(name, "_PROXY") && name != "REQUEST_METHOD" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, mark+"=1", "GORACE=atexit_sleep_ms=0") // or each child takes a second to exit
	cmd.Env = append(cmd.Env, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("the child: %v\n%s%s", err, b, stderr.String())
	}
	out, _, _ = strings.Cut(string(b), "PASS\n")
	return out, false
}

// A malformed HTTP_PROXY was ignored, and requests went out directly. Proxies
// that net/http understands are used as it does.
func TestProxy_malformedVariableRefused(t *testing.T) {
	urls := []string{"http://a.test/", "https://a.test/", "https://exempt.test/", "http://localhost/", "http://127.0.0.9/", "https://[::1]:8443/"}
	const malformed = "http://user:pa ss@proxy.test:3128"
	refused := func(name string) string { return "refused for " + name }
	tests := map[string]struct {
		env  []string
		want []string // for each of urls; nil: what net/http returns
	}{
		"none":                  {nil, nil},
		"a URL":                 {[]string{"HTTP_PROXY=http://user:secret@proxy.test:3128", "HTTPS_PROXY=socks5://proxy.test"}, nil},
		"a host and a port":     {[]string{"http_proxy=proxy.test:3128", "https_proxy=proxy.test"}, nil},
		"exceptions":            {[]string{"HTTP_PROXY=http://p", "HTTPS_PROXY=http://p", "NO_PROXY= , .exempt.test,exempt.test:443 ,[::1],bad:entry:0,10.0.0.0/8"}, nil},
		"exception of all":      {[]string{"HTTP_PROXY=http://p", "HTTPS_PROXY=http://p", "no_proxy=x, *"}, nil},
		"malformed for http":    {[]string{"HTTP_PROXY=" + malformed, "HTTPS_PROXY=http://p"}, []string{refused("HTTP_PROXY"), "http://p", "http://p", "direct", "direct", "direct"}},
		"malformed for https":   {[]string{"https_proxy=" + malformed}, []string{"direct", refused("https_proxy"), refused("https_proxy"), "direct", "direct", "direct"}},
		"a port in words":       {[]string{"HTTPS_PROXY=http://user:pass@proxy.test:port"}, []string{"direct", refused("HTTPS_PROXY"), refused("HTTPS_PROXY"), "direct", "direct", "direct"}},
		"a bracket is missing":  {[]string{"HTTP_PROXY=http://[::1"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a bad escape":          {[]string{"HTTP_PROXY=user:pass%zz@proxy.test"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a bare host, bad":      {[]string{"HTTPS_PROXY=proxy test:3128"}, []string{"direct", refused("HTTPS_PROXY"), refused("HTTPS_PROXY"), "direct", "direct", "direct"}},
		"a slash in a password": {[]string{"HTTP_PROXY=http://user:8/secret@proxy.test:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a bare port in words":  {[]string{"HTTP_PROXY=proxy.test:port"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a scheme alone":        {[]string{"HTTP_PROXY=http://"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a port alone":          {[]string{"HTTP_PROXY=:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a URL without a host":  {[]string{"HTTP_PROXY=http://u:p@:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a slash is missing":    {[]string{"HTTP_PROXY=http:/proxy.test:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a colon is missing":    {[]string{"HTTP_PROXY=http//proxy.test:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"two schemes":           {[]string{"HTTP_PROXY=http://http://proxy.test:3128"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"a blank":               {[]string{"HTTP_PROXY= "}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"upper case wins":       {[]string{"HTTP_PROXY=" + malformed, "http_proxy=http://p"}, []string{refused("HTTP_PROXY"), "direct", "direct", "direct", "direct", "direct"}},
		"lower case is hidden":  {[]string{"HTTP_PROXY=http://p", "http_proxy=" + malformed}, nil},
	}
	line := func(proxy func(*http.Request) (*url.URL, error), u string) string {
		if proxy == nil {
			return "no Proxy"
		}
		req, err := http.NewRequest("GET", u, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := proxy(req)
		switch {
		case err != nil:
			return strings.ReplaceAll(err.Error(), "\n", " ")
		case p == nil:
			return "direct"
		}
		return p.String()
	}
	if os.Getenv("CLIENT_TEST_CHILD") != "" {
		for _, u := range urls {
			fmt.Printf("%s\t%s\n", line(http.ProxyFromEnvironment, u), line(client.NewTransport().Proxy, u))
		}
		return
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out, _ := inChild(t, test.env...)
			var theirs, ours []string
			for l := range strings.Lines(out) {
				their, our, _ := strings.Cut(strings.TrimSpace(l), "\t")
				for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
					if strings.Contains(our, " "+variable+" ") {
						if strings.Contains(our, "user") || strings.Contains(our, "proxy.test") {
							t.Errorf("the error quotes the variable: %s", our)
						}
						our = refused(variable)
					}
				}
				theirs, ours = append(theirs, their), append(ours, our)
			}
			want := test.want
			if want == nil {
				want = theirs
			}
			if diff := cmp.Diff(want, ours); diff != "" || len(ours) != len(urls) {
				t.Errorf("proxies of %q (-want +got):\n%s", urls, diff)
			}
		})
	}
}

// If a variable is malformed, the request fails and was not sent, in a block
// and with an http.Client.
func TestProxy_malformedVariableIsNotSent(t *testing.T) {
	out, child := inChild(t, "HTTP_PROXY=http://user:secret@proxy.test:port")
	if !child {
		if out != "" {
			t.Error(out)
		}
		return
	}
	client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Post("http://a.test", parallel.Body("", strings.NewReader("x"))).Response()
		if !errors.Is(err, pending.ErrNotSent) || !strings.Contains(err.Error(), "HTTP_PROXY") || strings.Contains(err.Error(), "secret") {
			fmt.Println("in a block:", err)
		}
		return nil
	})
	if _, err := (&http.Client{Transport: client.NewTransport()}).Get("http://a.test"); err == nil || !strings.Contains(err.Error(), "HTTP_PROXY") {
		fmt.Println("with an http.Client:", err)
	}
}

// If a proxy refused a CONNECT, the error was "Forbidden", and did not say who
// had said that (golang/go 30560).
func TestProxy_refusalNamesProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusProxyAuthRequired
		if strings.HasPrefix(r.Host, "forbidden.test") {
			status = http.StatusForbidden
		}
		if strings.HasPrefix(r.Host, "accepted.test") { // 2xx, but not the 200 that net/http needs
			status = http.StatusAccepted
		}
		w.Header().Set("Proxy-Authenticate", `Basic realm="here"`)
		w.WriteHeader(status)
		fmt.Fprint(w, "a page that nobody reads")
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	at := u.Host
	u.User = url.UserPassword("user", "secret")
	tr := client.NewTransport()
	defer tr.CloseIdleConnections()
	tr.Proxy = http.ProxyURL(u)
	c := client.Client{HTTP: &http.Client{Transport: tr}}
	for host, status := range map[string]int{"a.test": 407, "forbidden.test": 403, "accepted.test": 202} {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Post("https://"+host+"/", parallel.Body("", strings.NewReader("x"))).Response()
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "proxyconnect" || op.Addr.String() != at {
				t.Errorf("%s: %v; want a *net.OpError with the Op proxyconnect and the Addr %s", host, err, at)
				return nil
			}
			var se *pending.StatusError
			if !errors.As(err, &se) || se.Response.StatusCode != status || se.Response.Header.Get("Proxy-Authenticate") == "" {
				t.Errorf("%s: %v; want a *StatusError with the proxy's response, %d", host, err, status)
				return nil
			}
			if r := se.Response.Request; r.Method != http.MethodConnect || r.Host != host+":443" || len(r.Header) != 0 {
				t.Errorf("%s: the refused request is %s %s with the header %v, want CONNECT without a header", host, r.Method, r.Host, r.Header)
			}
			if read := body(t, se.Response); read != "" {
				t.Errorf("%s: the body of the proxy's response is %q, want none", host, read)
			}
			if !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%s: %v; want ErrNotSent: no byte of the request was sent", host, err)
			}
			text := err.Error()
			for _, want := range []string{at, host + ":443", fmt.Sprint(status), "proxyconnect"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %q does not name %q", host, text, want)
				}
			}
			if strings.Contains(text, "secret") {
				t.Errorf("%s: %q shows the proxy's password", host, text)
			}
			return nil
		})
	}
}

// The host of a proxy's URL is a part of the password, if that has an "@" and a
// "/" in it. The error named it.
func TestProxy_passwordAsHost(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		proxy, err := url.Parse(scheme + "://user:pass@secret.invalid/word@proxy.test:3128")
		if err != nil {
			t.Fatal(err)
		}
		tr := client.NewTransport()
		tr.Proxy = http.ProxyURL(proxy)
		tr.DialContext = client.DialContext(func(_ context.Context, network, addr string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: addr}}
		})
		_, err = get(t, client.Client{HTTP: &http.Client{Transport: tr}}, "https://a.test/")
		if err == nil || strings.Contains(err.Error(), "secret") || !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Get through a proxy at %s = %v; want ErrNotSent, without the password", scheme, err)
		}
	}
}

package parallel_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests are of promises 20 and 21.

var errRefused = errors.New("refused")

// errDial is the error of a dial as package net returns it.
var errDial = &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}

// refuse fails, as an Option, an Auth or a Wait.
func refuse[T any](T) error { return errRefused }

// refuseSecondHop is an Auth that fails for a redirected request.
func refuseSecondHop(r *http.Request) error {
	if r.Response != nil {
		return errRefused
	}
	return nil
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func cancelIt(h *pending.Pending, _ context.CancelCauseFunc)       { h.Cancel() }
func cancelAll(_ *pending.Pending, cancel context.CancelCauseFunc) { cancel(errRefused) }

// faulty responds as the path says.
func faulty(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	switch path := r.URL.Path; path {
	case "/never":
		<-r.Context().Done()
	case "/stall": // in the middle of the body
		io.WriteString(w, "a beginning")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/close":
		panic(http.ErrAbortHandler)
	case "/cut":
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "short")
	case "/long":
		io.WriteString(w, strings.Repeat("x", 2000))
	case "/101":
		raw("HTTP/1.1 101 Switching Protocols\r\n\r\n")(w, r)
	case "/garbage":
		raw("this is no HTTP\r\n\r\n")(w, r)
	case "/307":
		w.Header()["Location"] = r.URL.Query()["to"]
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "/loop":
		http.Redirect(w, r, path, http.StatusTemporaryRedirect)
	case "/json":
		io.WriteString(w, `{"name": 7}`)
	default:
		io.WriteString(w, "hello")
	}
}

// to returns the path at which faulty redirects to location.
func to(location string) string { return "/307?to=" + url.QueryEscape(location) }

// refusing returns the transport of s, which refuses dials to the host
// "refused".
func refusing(s *testnet.Server) *http.Transport {
	s.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "refused:") {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return s.Dial(ctx, network, addr)
	}
	return s.Transport
}

func TestErrors_nameTheRequest(t *testing.T) {
	type Option = parallel.Option
	cases := map[string]struct {
		client client.Client
		url    string                                          // absolute, or a path of faulty at http://h
		opts   []Option                                        // of a Post
		end    func(*pending.Pending, context.CancelCauseFunc) // called when the request is in flight or waits
		is     func(error) bool                                // reports whether the error is the right one
	}{
		"a URL that cannot be parsed":  {url: "http://h/%zz"},
		"a relative URL":               {url: "users/7"},
		"no host":                      {url: "http:///x"},
		"an unknown scheme":            {url: "gopher://h/"},
		"a bad BaseURL":                {client: client.Client{BaseURL: "h/v2"}, url: "users/7"},
		"outside the BaseURL":          {client: client.Client{BaseURL: "http://h/v2"}, url: "users/../7"},
		"a failing option":             {opts: []Option{refuse[*parallel.Request]}, is: is(errRefused)},
		"a nil option":                 {opts: []Option{nil}},
		"a value without JSON":         {opts: []Option{parallel.JSON(make(chan int))}, is: as[*json.UnsupportedTypeError]},
		"a header that cannot be sent": {opts: []Option{parallel.Header("X", "a\nb")}},
		"Wait":                         {client: client.Client{Wait: refuse[*http.Request]}, is: is(errRefused)},
		"Auth":                         {client: client.Client{Auth: refuse[*http.Request]}, is: is(errRefused)},
		"Auth, second hop":             {client: client.Client{Auth: refuseSecondHop}, url: to("/second"), is: is(errRefused)},
		"a refused dial":               {url: "http://refused/", is: is(syscall.ECONNREFUSED)},
		"no response":                  {url: "/close", is: is(io.EOF)},
		"no HTTP":                      {url: "/garbage"},
		"a body cut off":               {url: "/cut", is: is(io.ErrUnexpectedEOF)},
		"a body over MaxBody":          {client: client.Client{MaxBody: 1000}, url: "/long", is: as[*pending.BodyTooLargeError]},
		"status 101":                   {url: "/101"},
		"a full disk":                  {url: "/long", opts: []Option{parallel.To(&fullDisk{err: errRefused})}, is: is(errRefused)},
		"a timeout":                    {client: client.Client{Timeout: time.Second}, url: "/never", is: is(context.DeadlineExceeded)},
		"a timeout in the body":        {client: client.Client{Timeout: time.Second}, url: "/stall", is: is(context.DeadlineExceeded)},
		"HTTP.Timeout in the body":     {client: client.Client{HTTP: &http.Client{Timeout: time.Second}}, url: "/stall", is: is(context.DeadlineExceeded)},
		"canceled":                     {url: "/never", end: cancelIt, is: is(context.Canceled)},
		"canceled in the body":         {url: "/stall", end: cancelIt, is: is(context.Canceled)},
		"canceled before After":        {opts: []Option{parallel.After(time.Hour)}, end: cancelIt, is: is(context.Canceled)},
		"end of the context":           {url: "/never", end: cancelAll, is: is(errRefused)},
		"a transport's error": {
			client: client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, errRefused
			})}},
			is: is(errRefused),
		},
		"a transport's *url.Error": {
			client: client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, &url.Error{Op: "Put", URL: "http://other/", Err: errRefused}
			})}},
			is: is(errRefused),
		},
		"a transport that returns nothing": {client: client.Client{HTTP: &http.Client{Transport: roundTrip(
			func(*http.Request) (*http.Response, error) { return nil, nil })}}},
		"a redirect that is refused": {url: to("http://refused/"), is: is(syscall.ECONNREFUSED)},
		"an endless redirect":        {url: "/loop"},
		"a redirect that CheckRedirect refuses": {
			client: client.Client{HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errRefused }}},
			url:    to("/second"), is: is(errRefused),
		},
		"a redirect that cannot be parsed": {url: to("http://h/%zz")},
		"a redirect cut off":               {url: to("/cut"), is: is(io.ErrUnexpectedEOF)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(faulty))
				var hc http.Client
				if tc.client.HTTP != nil {
					hc = *tc.client.HTTP
				}
				if hc.Transport == nil {
					hc.Transport = refusing(s)
				}
				tc.client.HTTP = &hc
				asked := tc.url
				if asked == "" || asked[0] == '/' {
					asked = "http://h" + asked
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				tc.client.Parallel(ctx, func(p *parallel.Parallel) error {
					h := p.Post(asked, tc.opts...)
					if tc.end != nil {
						synctest.Wait()
						tc.end(h, cancel)
					}
					resp, err := h.Response()
					var ue *url.Error
					if resp != nil || !errors.As(err, &ue) {
						t.Fatalf("Response() = %v, %v; want a *url.Error", resp, err)
					}
					if ue.Op != "Post" || ue.URL != asked || ue != err {
						t.Errorf("error = %v, of %q %q; want it of Post %q", err, ue.Op, ue.URL, asked)
					}
					if n := strings.Count(err.Error(), "Post"); n != 1 {
						t.Errorf("error = %v, which names the request %d times; want once", err, n)
					}
					if tc.is != nil && !tc.is(err) {
						t.Errorf("error = %v, want another one", err)
					}
					return nil
				})
			})
		})
	}
}

// The error that a Go function returns is unchanged. A Race joins the errors of
// its racers.
func TestErrors_withoutRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(faulty))
		c := client.Client{HTTP: &http.Client{Transport: refusing(s)}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Go(func(*parallel.Parallel) (*http.Response, error) { return nil, errRefused })
			if resp, err := h.Response(); resp != nil || err != errRefused {
				t.Errorf("Response() of Go = %v, %v; want the same error", resp, err)
			}
			_, err := pending.Race(p.Get("http://refused/a"), p.Get("http://h/cut"), p.Get("http://h/%zz")).Response()
			if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, io.ErrUnexpectedEOF) || !as[url.EscapeError](err) || !as[*url.Error](err) {
				t.Errorf("Response() of Race = %v, want the errors of all three", err)
			}
			return nil
		})
	})
}

// If reading the response of a Go function fails, the error names the request
// that the response answers.
func TestErrors_nameRequestOfGoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(faulty))
		c := client.Client{HTTP: s.Client(), MaxBody: 1000}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			for path, is := range map[string]func(error) bool{
				"/cut":  is(io.ErrUnexpectedEOF),
				"/long": as[*pending.BodyTooLargeError],
			} {
				_, err := p.Go(func(p *parallel.Parallel) (*http.Response, error) {
					return s.Client().Get("http://user:secret@h" + path)
				}).Response()
				var ue *url.Error
				if !errors.As(err, &ue) || ue.Op != "Get" || ue.URL != "http://user:xxxxx@h"+path || !is(err) {
					t.Errorf("%s: error = %v, want it to name the request", path, err)
				}
			}
			return nil
		})
	})
}

// No error text of this library, net/http or net/url contains a password.
func TestErrors_noPassword(t *testing.T) {
	const pw = "secret"
	parse := func(raw string) error { // as a user's program might
		_, err := url.Parse(raw)
		return fmt.Errorf("what was configured: %w", err)
	}
	cases := map[string]struct {
		client   client.Client
		url      string
		opts     []parallel.Option
		location string // the target of a redirect from http://h/redirect, if not empty
	}{
		"a refused dial":                                     {url: "http://user:secret@refused/"},
		"a cut body":                                         {url: "http://user:secret@h/cut"},
		"a timeout":                                          {url: "http://user:secret@h/never"},
		"a failing option":                                   {url: "http://user:secret@h/", opts: []parallel.Option{refuse[*parallel.Request]}},
		"a parse error":                                      {url: "http://user:secret@h/%zz"},
		"a parse error in the password":                      {url: "http://user:secret%zz@h/"},
		"a space in the password":                            {url: "http://user:secret word@h/"},
		"a quote in the password":                            {url: `http://user:my"secret@h/`},
		"a slash in the password":                            {url: "http://user:secret/word@h/"},
		"a question mark in the password":                    {url: "http://user:secret?word@h/"},
		"a control character":                                {url: "http://user:secret@h/\x7f"},
		"a bad port":                                         {url: "http://user:secret@h:port/"},
		"a password without a scheme":                        {url: "user:secret@h/"},
		"one slash":                                          {url: "http:/user:secret@h/"},
		"no slash":                                           {url: "http:user:secret@h/"},
		"no scheme but slashes":                              {url: "//user:secret@h/"},
		"an unknown scheme":                                  {url: "gopher://user:secret@h/"},
		"a BaseURL":                                          {client: client.Client{BaseURL: "http://user:secret@refused/"}, url: "/x"},
		"outside the BaseURL":                                {client: client.Client{BaseURL: "http://user:secret@refused/"}, url: "../x"},
		"a bad BaseURL":                                      {client: client.Client{BaseURL: "http://user:secret@h:port/"}, url: "/x"},
		"a BaseURL with a bad password":                      {client: client.Client{BaseURL: "http://user:secret%zz@h/"}, url: "/x"},
		"a BaseURL without a scheme":                         {client: client.Client{BaseURL: "user:secret@h"}, url: "/x"},
		"a BaseURL with a query":                             {client: client.Client{BaseURL: "http://user:secret@h/?x=1"}, url: "/x"},
		"a redirect that is refused":                         {location: "http://user:secret@refused/"},
		"a redirect to a cut body":                           {location: "http://user:secret@h/cut"},
		"a redirect to too long a body":                      {client: client.Client{MaxBody: 1000}, location: "http://user:secret@h/long"},
		"a redirect to an unknown scheme":                    {location: "gopher://user:secret@h/"},
		"a redirect without an end":                          {url: "http://user:secret@h/loop"},
		"a redirect to a bad port":                           {location: "http://user:secret@h:port/"},
		"a redirect to a bad password":                       {location: "http://user:secret%zz@h/"},
		"a redirect to a password with a space":              {location: "http://user:my secret@h/"},
		"a redirect to a password with a quote":              {location: `http://user:my"secret@h/`},
		"a redirect to a password with a quote, and a space": {location: `http://user:my" secret@h/`},
		"a redirect to a bad path":                           {location: "http://user:secret@h/%zz"},
		"a redirect that CheckRedirect refuses": {
			client:   client.Client{HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errRefused }}},
			location: "http://user:secret@h/",
		},
		"an option's url.Parse": {url: "http://h/", opts: []parallel.Option{func(*parallel.Request) error {
			return parse("http://user:my secret@h/")
		}}},
		"Wait's url.Parse": {url: "http://h/", client: client.Client{Wait: func(*http.Request) error {
			return parse(`http://user:my"secret@h/`)
		}}},
		"Auth's url.Parse": {url: "http://h/", client: client.Client{Auth: func(*http.Request) error {
			return parse("http://user:secret@h:port/")
		}}},
		"a proxy that cannot be parsed": {url: "http://h/", client: client.Client{HTTP: &http.Client{Transport: &http.Transport{
			Proxy: func(*http.Request) (*url.URL, error) {
				// As http.ProxyFromEnvironment does.
				const address = "http://user:my secret@proxy/"
				return nil, fmt.Errorf("invalid proxy address %q: %v", address, parse(address))
			},
		}}}},
		"a proxy that is refused": {url: "http://h/", client: client.Client{HTTP: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("user", pw), Host: "refused"}),
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			},
		}}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/redirect" {
						faulty(w, r)
						return
					}
					w.Header()["Location"] = []string{tc.location}
					w.WriteHeader(http.StatusTemporaryRedirect)
				}))
				if tc.location != "" {
					tc.url = "http://h/redirect"
				}
				var hc http.Client
				if tc.client.HTTP != nil {
					hc = *tc.client.HTTP
				}
				if hc.Transport == nil {
					hc.Transport = refusing(s)
				}
				tc.client.HTTP = &hc
				tc.client.Parallel(t.Context(), func(p *parallel.Parallel) error {
					h := p.Post(tc.url, tc.opts...)
					_, err := h.Response()
					if err == nil {
						t.Fatal("no error")
					}
					raced := pending.Race(h)
					_, joined := raced.Response()
					for _, err := range []error{err, joined} {
						if text := fmt.Sprintf("%v %+v %q", err, err, err); strings.Contains(text, pw) {
							t.Errorf("error = %v, which shows the password", err)
						}
					}
					return nil
				})
			})
		})
	}
}

// The errors of Bytes and JSON show no password either.
func TestErrors_noPasswordOfResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/404" {
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, status := p.Get("http://user:secret@h/404").Bytes()
			var v any
			decode := p.Get("http://user:secret@h/").JSON(&v)
			want := []string{
				`Get "http://user:xxxxx@h/404": 404 Not Found`,
				`Get "http://user:xxxxx@h/": no body to decode (status 200 OK): unexpected end of JSON input`,
			}
			if diff := cmp.Diff(want, []string{fmt.Sprint(status), fmt.Sprint(decode)}); diff != "" {
				t.Errorf("texts of errors (-want +got):\n%s", diff)
			}
			return nil
		})
	})
}

// A handle keeps the text of its URL, and package fmt shows what is in a
// struct.
func TestHandle_printedWithoutPassword(t *testing.T) {
	c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNotFound, Header: make(http.Header), Body: http.NoBody, Request: r}, nil
	})}}
	for _, u := range []string{
		"http://user:secret@h/", "http://user:/secret@h/", "http://h/?to=http%3A%2F%2Fuser%3Asecret%40h%2F", "user:secret@h",
	} {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get(u)
			_, err := h.Bytes()
			if text := fmt.Sprintf("%v %+v %#v %v %+v %#v", h, h, h, err, err, err); strings.Contains(text, "secret") {
				t.Errorf("%s: a handle and its error are printed as %s", u, text)
			}
			return nil
		})
	}
}

// If a body does not decode, the error is a *url.Error that wraps the decoder's
// error.
func TestJSON_errorNamesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(faulty))
		c := client.Client{HTTP: s.Client(), BaseURL: "http://h"}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var v struct{ Name string }
			var ue *url.Error
			err := p.Put("/json").JSON(&v)
			if !errors.As(err, &ue) || ue.Op != "Put" || ue.URL != "http://h/json" || !as[*json.UnmarshalTypeError](err) {
				t.Errorf("JSON() of a number for a string = %v, want an UnmarshalTypeError of the request", err)
			}
			err = p.Get("/").JSON(&v)
			if !errors.As(err, &ue) || ue.Op != "Get" || ue.URL != "http://h/" || !as[*json.SyntaxError](err) {
				t.Errorf("JSON() of a text = %v, want a SyntaxError of the request", err)
			}
			if err := p.Get("/json").JSON(nil); !as[*json.InvalidUnmarshalError](err) || !as[*url.Error](err) {
				t.Errorf("JSON(nil) = %v, want an error of the request", err)
			}
			return nil
		})
	})
}

// The text of a *StatusError has the method and URL of the original request,
// the status, and the beginning of the body. Each error has a text, even
// without a Request or a Response.
func TestStatusError_text(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/404" {
				http.NotFound(w, r)
			} else {
				http.Redirect(w, r, "/404", http.StatusTemporaryRedirect)
			}
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Delete("http://h/here")
			b, err := h.Bytes()
			var status *pending.StatusError
			if b != nil || !errors.As(err, &status) || err.Error() != `Delete "http://h/here": 404 Not Found: "404 page not found\n"` {
				t.Fatalf("Bytes() = %q, %v; want nil and a *StatusError", b, err)
			}
			if body, err := io.ReadAll(status.Response.Body); string(body) != "404 page not found\n" || err != nil {
				t.Errorf("body of the error's Response = %q, %v; want it whole", body, err)
			}
			var v any
			if err := h.JSON(&v); !as[*pending.StatusError](err) {
				t.Errorf("JSON() = %v, want a *StatusError", err)
			}
			return nil
		})
	})
	for _, err := range []error{
		&pending.StatusError{},
		&pending.StatusError{Response: &http.Response{StatusCode: 404}},
		&pending.StatusError{Response: &http.Response{Status: "404 Not Found", Request: &http.Request{}}},
		&pending.BodyTooLargeError{},
		&pending.BodyTooLargeError{Response: &http.Response{StatusCode: 404}},
	} {
		if err.Error() == "" {
			t.Errorf("%#v has no text", err)
		}
	}
	// The response of a Go function need not have a Request.
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		answer := func(resp http.Response) *pending.Pending {
			return p.Go(func(*parallel.Parallel) (*http.Response, error) { return &resp, nil })
		}
		_, err := answer(http.Response{StatusCode: 404}).Bytes()
		if err == nil || !strings.Contains(err.Error(), "404 Not Found") {
			t.Errorf("Bytes() of a 404 of Go = %v, want the status", err)
		}
		var v any
		err = answer(http.Response{StatusCode: 200}).JSON(&v)
		if err == nil || err.Error() == "" || !as[*json.SyntaxError](err) {
			t.Errorf("JSON() of an empty body of Go = %v, want a SyntaxError", err)
		}
		return nil
	})
}

// The error of a canceled request matches context.Canceled and the cause,
// with any error of the transport.
func TestCancel_matchesCanceled(t *testing.T) {
	cause := errors.New("the user went away")
	until := func(answer func(*http.Request) error) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, answer(r)
		}
	}
	transports := map[string]http.RoundTripper{
		"net/http's":               nil,
		"its own error":            until(func(*http.Request) error { return errRefused }),
		"a plain Canceled":         until(func(*http.Request) error { return context.Canceled }),
		"the cause":                until(func(r *http.Request) error { return context.Cause(r.Context()) }),
		"a timeout":                until(func(*http.Request) error { return os.ErrDeadlineExceeded }),
		"a DeadlineExceeded":       until(func(*http.Request) error { return context.DeadlineExceeded }),
		"no response and no error": until(func(*http.Request) error { return nil }),
		"a body that breaks off": roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(readFunc(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, errRefused
			}))}, nil
		}),
		"a body that is cut": roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: 10, Body: io.NopCloser(readFunc(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, io.EOF
			}))}, nil
		}),
	}
	type handles struct {
		h              *pending.Pending
		ofBlock, ofIts context.CancelCauseFunc
	}
	ways := map[string]struct {
		end  func(handles)
		want []error
		not  []error
	}{
		"Cancel":                {func(hs handles) { hs.h.Cancel() }, nil, []error{parallel.ErrEnded}},
		"its context":           {func(hs handles) { hs.ofIts(nil); <-hs.h.Done() }, nil, []error{parallel.ErrEnded}},
		"its context, a cause":  {func(hs handles) { hs.ofIts(cause); <-hs.h.Done() }, []error{cause}, []error{parallel.ErrEnded}},
		"the caller's":          {func(hs handles) { hs.ofBlock(nil) }, nil, []error{parallel.ErrEnded}},
		"the caller's, a cause": {func(hs handles) { hs.ofBlock(cause) }, []error{cause}, []error{parallel.ErrEnded}},
		"the block ends":        {func(handles) {}, []error{parallel.ErrEnded}, nil},
	}
	for name, transport := range transports {
		for way, tc := range ways {
			for _, path := range []string{"/never", "/stall"} {
				t.Run(name+", "+way+path, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						hc := &http.Client{Transport: transport}
						if transport == nil {
							hc = testnet.New(t, http.HandlerFunc(faulty)).Client()
						}
						c := client.Client{HTTP: hc}
						var hs handles
						var ctx, its context.Context
						ctx, hs.ofBlock = context.WithCancelCause(t.Context())
						its, hs.ofIts = context.WithCancelCause(t.Context())
						defer hs.ofBlock(nil)
						defer hs.ofIts(nil)
						c.Parallel(ctx, func(p *parallel.Parallel) error {
							r, err := http.NewRequestWithContext(its, http.MethodGet, "http://h"+path, nil)
							if err != nil {
								t.Fatal(err)
							}
							hs.h = p.Do(r)
							synctest.Wait()
							tc.end(hs)
							return nil
						})
						_, err := hs.h.Response()
						for _, want := range append(tc.want, context.Canceled) {
							if !errors.Is(err, want) {
								t.Errorf("error = %v, want it to match %v", err, want)
							}
						}
						for _, not := range append(tc.not, context.DeadlineExceeded) {
							if errors.Is(err, not) {
								t.Errorf("error = %v, want it not to match %v", err, not)
							}
						}
						var ue *url.Error
						if !errors.As(err, &ue) || ue.Timeout() {
							t.Errorf("error = %v, want a *url.Error that is no timeout", err)
						}
						if errors.Is(err, pending.ErrNotSent) {
							t.Errorf("error = %v of a request in flight, want it not to match ErrNotSent", err)
						}
					})
				})
			}
		}
	}
}

// The same over HTTP/2, for which net/http returns other errors.
func TestCancel_matchesCanceledHTTP2(t *testing.T) {
	began := make(chan struct{})
	srv := http2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stall" {
			http.NewResponseController(w).Flush()
		}
		began <- struct{}{}
		<-r.Context().Done()
	}))
	c := client.Client{HTTP: srv.Client()}
	for _, path := range []string{"/never", "/stall"} {
		cause := errors.New("the user went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		c.Parallel(ctx, func(p *parallel.Parallel) error {
			mine, its := p.Get(srv.URL+path), p.Get(srv.URL+path)
			<-began
			<-began
			mine.Cancel()
			if _, err := mine.Response(); !errors.Is(err, context.Canceled) || !as[*url.Error](err) {
				t.Errorf("%s canceled: error = %v, want context.Canceled", path, err)
			}
			cancel(cause)
			if _, err := its.Response(); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("%s with its context canceled: error = %v, want context.Canceled and the cause", path, err)
			}
			return nil
		})
	}
}

// A netTimeout is a timeout like those of package net.
type netTimeout struct{}

func (netTimeout) Error() string   { return "i/o timeout" }
func (netTimeout) Timeout() bool   { return true }
func (netTimeout) Temporary() bool { return true }

// The error of a timeout of any kind returns true from Timeout and matches
// context.DeadlineExceeded.
func TestTimeout_matchesDeadlineExceeded(t *testing.T) {
	const d = time.Second
	failing := func(err error) *http.Client {
		return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })}
	}
	type Option = parallel.Option
	cases := map[string]struct {
		client  client.Client
		prepare func(*http.Transport)
		opts    []Option
		path    string // empty means "/never"
		block   bool   // with a deadline of the block
		own     bool   // with a deadline of the request
		cause   error  // of either deadline
	}{
		"Timeout, headers":                {client: client.Client{Timeout: d}},
		"Timeout, body":                   {client: client.Client{Timeout: d}, path: "/stall"},
		"the request's Timeout":           {opts: []Option{parallel.Timeout(d)}},
		"the block's deadline":            {block: true},
		"the block's deadline, body":      {block: true, path: "/stall"},
		"the block's deadline, a cause":   {block: true, cause: errRefused},
		"the request's deadline":          {own: true},
		"the request's deadline, body":    {own: true, path: "/stall"},
		"the request's deadline, a cause": {own: true, cause: errRefused},
		"the request's deadline, waiting": {own: true, opts: []Option{parallel.After(time.Hour)}},
		"the block's deadline, waiting":   {block: true, opts: []Option{parallel.After(time.Hour)}},
		"the block's deadline, in Wait": {block: true, client: client.Client{Wait: func(r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		}}},
		"HTTP.Timeout, headers": {client: client.Client{HTTP: &http.Client{Timeout: d}}},
		"HTTP.Timeout, body":    {client: client.Client{HTTP: &http.Client{Timeout: d}}, path: "/stall"},
		"ResponseHeaderTimeout": {prepare: func(tr *http.Transport) { tr.ResponseHeaderTimeout = d }},
		"a dial's own": {prepare: func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-time.After(d)
				return nil, &net.OpError{Op: "dial", Err: netTimeout{}}
			}
		}},
		"a transport's own":             {client: client.Client{HTTP: failing(netTimeout{})}},
		"a transport's own, wrapped":    {client: client.Client{HTTP: failing(fmt.Errorf("pool: %w", os.ErrDeadlineExceeded))}},
		"a transport's own, *url.Error": {client: client.Client{HTTP: failing(&url.Error{Op: "Get", URL: "http://other/", Err: netTimeout{}})}},
		"Wait's own":                    {client: client.Client{Wait: func(*http.Request) error { return netTimeout{} }}},
		"Auth's own":                    {client: client.Client{Auth: func(*http.Request) error { return netTimeout{} }}},
		"an option's own":               {opts: []Option{func(*parallel.Request) error { return netTimeout{} }}},
		"a body's own": {client: client.Client{HTTP: &http.Client{Transport: responding(http.Response{
			StatusCode: 200, Body: io.NopCloser(readFunc(func([]byte) (int, error) { return 0, netTimeout{} })),
		})}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(faulty))
				if tc.prepare != nil {
					tc.prepare(s.Transport)
				}
				hc := s.Client()
				if tc.client.HTTP != nil {
					hc.Timeout = tc.client.HTTP.Timeout
					if tc.client.HTTP.Transport != nil {
						hc.Transport = tc.client.HTTP.Transport
					}
				}
				tc.client.HTTP = hc
				limited := func(is bool) (context.Context, context.CancelFunc) {
					if is {
						return context.WithTimeoutCause(t.Context(), d, tc.cause)
					}
					return t.Context(), func() {}
				}
				ctx, cancel := limited(tc.block)
				defer cancel()
				own, cancelOwn := limited(tc.own)
				defer cancelOwn()
				if tc.path == "" {
					tc.path = "/never"
				}
				r, err := http.NewRequestWithContext(own, http.MethodGet, "http://h"+tc.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				tc.client.Parallel(ctx, func(p *parallel.Parallel) error {
					_, err := p.Do(r, tc.opts...).Response()
					var ue *url.Error
					if !errors.As(err, &ue) || !ue.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("error = %v, want a *url.Error that is a timeout and matches context.DeadlineExceeded", err)
					}
					if errors.Is(err, context.Canceled) {
						t.Errorf("error = %v, which matches context.Canceled", err)
					}
					if tc.cause != nil && !errors.Is(err, tc.cause) {
						t.Errorf("error = %v, want it to match %v", err, tc.cause)
					}
					var ne net.Error
					if !errors.As(err, &ne) || !ne.Timeout() {
						t.Errorf("error = %v, want a net.Error with a timeout", err)
					}
					return nil
				})
			})
		})
	}
}

// silent returns a dial function for connections on which the other end sends
// nothing.
func silent(t testing.TB) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		go io.Copy(io.Discard, theirs)
		return ours, nil
	}
}

// Promise 21: an error of any kind matches ErrNotSent only on proof.
func TestErrNotSent_needsProof(t *testing.T) {
	const d = time.Second
	type Option = parallel.Option
	// notSent is the error of another request, which was not sent.
	notSent := fail.NotSent(errRefused)
	endless := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	custom := func(f roundTrip) client.Client { return client.Client{HTTP: &http.Client{Transport: f}} }
	cases := map[string]struct {
		client  client.Client
		prepare func(*testing.T, *http.Transport)
		url     string // absolute, or a path of faulty at http://h
		opts    []Option
		end     func(*pending.Pending, context.CancelCauseFunc) // called when the request is in flight or waits
		cause   error                                           // passed to end's CancelCauseFunc
		want    bool
		timeout bool
	}{
		// The request never reached the transport.
		"canceled in the queue":        {client: client.Client{Limit: 1}, end: cancelIt, want: true},
		"in the queue at the end":      {client: client.Client{Limit: 1}, end: cancelAll, want: true},
		"canceled before its After":    {opts: []Option{parallel.After(time.Hour)}, end: cancelIt, want: true},
		"a URL that cannot be parsed":  {url: "http://h/%zz", want: true},
		"a relative URL":               {url: "x", want: true},
		"a header that cannot be sent": {opts: []Option{parallel.Header("X", "a\nb")}, want: true},
		"a value without JSON":         {opts: []Option{parallel.JSON(make(chan int))}, want: true},
		"a failing option":             {opts: []Option{refuse[*parallel.Request]}, want: true},
		"a failing Wait":               {client: client.Client{Wait: refuse[*http.Request]}, want: true},
		"a Wait that times out":        {client: client.Client{Wait: func(*http.Request) error { return netTimeout{} }}, want: true, timeout: true},
		"canceled in Wait": {client: client.Client{Wait: func(r *http.Request) error {
			<-r.Context().Done()
			return errors.New("rate: too late")
		}}, end: cancelIt, want: true},
		"canceled in Wait, which ignores it": {client: client.Client{Wait: func(r *http.Request) error {
			<-r.Context().Done()
			return nil
		}}, end: cancelIt, want: true},
		"a failing Auth": {client: client.Client{Auth: refuse[*http.Request]}, want: true},
		"a Timeout in Auth": {client: client.Client{Timeout: d, Auth: func(r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		}}, want: true, timeout: true},

		"a Timeout in Auth, which ignores it": {client: client.Client{Timeout: d, Auth: func(r *http.Request) error {
			<-r.Context().Done()
			return nil
		}}, want: true, timeout: true},

		// The transport wanted a connection and never got one.
		"a refused dial": {url: "http://refused/", want: true},
		"a dial that times out": {prepare: func(_ *testing.T, tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-time.After(d)
				return nil, &net.OpError{Op: "dial", Err: netTimeout{}}
			}
		}, want: true, timeout: true},
		"a Timeout in the dial": {client: client.Client{Timeout: d}, prepare: func(_ *testing.T, tr *http.Transport) {
			tr.DialContext = parallel.DialContext(endless)
		}, want: true, timeout: true},
		"canceled in the dial": {prepare: func(_ *testing.T, tr *http.Transport) {
			tr.DialContext = parallel.DialContext(endless)
		}, end: cancelIt, want: true},
		"a handshake that times out": {url: "https://h/", prepare: func(t *testing.T, tr *http.Transport) {
			tr.DialContext, tr.TLSHandshakeTimeout = silent(t), d
		}, want: true, timeout: true},
		"a Timeout in the handshake": {url: "https://h/", client: client.Client{Timeout: d}, prepare: func(t *testing.T, tr *http.Transport) {
			tr.DialContext = parallel.DialContext(silent(t))
		}, want: true, timeout: true},
		"a server without TLS": {url: "https://h/", want: true},
		"waiting for MaxConnsPerHost": {client: client.Client{Timeout: d}, prepare: func(_ *testing.T, tr *http.Transport) {
			tr.MaxConnsPerHost = 1
		}, url: "/second", want: true, timeout: true},

		// The request may have been transmitted.
		"the second hop's Auth":         {client: client.Client{Auth: refuseSecondHop}, url: to("/x")},
		"the second hop's refused dial": {url: to("http://refused/")},
		"the second hop's bad Location": {url: to("http://h/%zz")},
		"closed after the request":      {url: "/close"},
		"no HTTP":                       {url: "/garbage"},
		"a cut body":                    {url: "/cut"},
		"a 101":                         {url: "/101"},
		"a body over MaxBody":           {client: client.Client{MaxBody: 1000}, url: "/long"},
		"canceled in flight":            {url: "/never", end: cancelIt},
		"a Timeout":                     {client: client.Client{Timeout: d}, url: "/never", timeout: true},
		"ResponseHeaderTimeout":         {prepare: func(_ *testing.T, tr *http.Transport) { tr.ResponseHeaderTimeout = d }, url: "/never", timeout: true},
		"a transport that doesn't trace": {client: custom(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})},
		"an unknown scheme": {url: "gopher://h/"}, // the transport refuses it, and traces nothing

		// The error matches ErrNotSent, but is about another request.
		"the second hop's Auth, for want of a token": {client: client.Client{Auth: func(r *http.Request) error {
			if r.Response != nil {
				return fmt.Errorf("no token: %w", notSent)
			}
			return nil
		}}, url: to("/x")},
		"a CheckRedirect's": {client: client.Client{HTTP: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return notSent },
		}}, url: to("/x")},
		"a transport's":    {client: custom(func(*http.Request) (*http.Response, error) { return nil, notSent })},
		"a To's":           {url: "/long", opts: []Option{parallel.To(&fullDisk{err: notSent})}},
		"a body's":         {opts: []Option{parallel.Body("", io.MultiReader(strings.NewReader("x"), readFunc(func([]byte) (int, error) { return 0, notSent })))}},
		"a cancel cause's": {url: "/never", cause: notSent, end: cancelAll},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(faulty))
				refusing(s)
				if tc.prepare != nil {
					tc.prepare(t, s.Transport)
				}
				hc := s.Client()
				if tc.client.HTTP != nil {
					hc.CheckRedirect = tc.client.HTTP.CheckRedirect
					if tc.client.HTTP.Transport != nil {
						hc.Transport = tc.client.HTTP.Transport
					}
				}
				tc.client.HTTP = hc
				if tc.url == "" || tc.url[0] == '/' {
					tc.url = "http://h" + tc.url
				}
				if tc.cause == nil {
					tc.cause = errRefused
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				tc.client.Parallel(ctx, func(p *parallel.Parallel) error {
					if tc.client.Limit == 1 || s.Transport.MaxConnsPerHost == 1 {
						p.Get("http://h/never", parallel.Timeout(-1))
						synctest.Wait()
					}
					h := p.Post(tc.url, tc.opts...)
					if tc.end != nil {
						synctest.Wait()
						tc.end(h, func(error) { cancel(tc.cause) })
					}
					_, err := h.Response()
					if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
						t.Errorf("errors.Is(%v, ErrNotSent) = %v, want %v", err, errors.Is(err, pending.ErrNotSent), tc.want)
					}
					var ue *url.Error
					if !errors.As(err, &ue) || ue.Timeout() != tc.timeout {
						t.Errorf("error = %v, want a *url.Error with Timeout() = %v", err, tc.timeout)
					}
					if tc.end != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("error = %v, want it to match context.Canceled", err)
					}
					if tc.timeout && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error = %v, want it to match context.DeadlineExceeded", err)
					}
					return nil
				})
			})
		})
	}
}

// The error of a request that is made after the end of its block matches
// ErrNotSent.
func TestErrNotSent_madeAfterTheEnd(t *testing.T) {
	var ended *parallel.Parallel
	client.Parallel(t.Context(), func(p *parallel.Parallel) error { ended = p; return nil })
	if _, err := ended.Post("http://h/").Response(); !errors.Is(err, pending.ErrNotSent) || !errors.Is(err, parallel.ErrEnded) {
		t.Errorf("error of a request made after the end = %v, want ErrNotSent and ErrEnded", err)
	}
}

func TestErrNotSent_handshakeFails(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	c := client.Client{HTTP: &http.Client{Transport: client.NewTransport()}} // does not trust the server
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		if _, err := p.Post(srv.URL).Response(); !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("error with an untrusted certificate = %v, want ErrNotSent", err)
		}
		return nil
	})
	if n := asked.Load(); n != 0 {
		t.Errorf("the server received %d requests, want 0", n)
	}
}

// A server that resets the connection after it has read the request may have
// acted on it.
func TestErrNotSent_resetProvesNothing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}))
	defer srv.Close()
	c := client.Client{HTTP: &http.Client{Transport: client.NewTransport()}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		_, err := p.Post(srv.URL).Response()
		if !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, pending.ErrNotSent) {
			t.Errorf("error of a reset = %v, want the transport's error, and not ErrNotSent", err)
		}
		return nil
	})
}

// net/http sends a GET again if the connection that it reused breaks. If the
// dial is then refused, this proves nothing about the first send, which the
// server has read.
func TestErrNotSent_refusedDialAfterSend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 10)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for range 2 {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			asked <- req.URL.Path
			if req.URL.Path == "/first" {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	}()
	tr := client.NewTransport()
	var dials atomic.Int64
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) > 1 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	c := client.Client{HTTP: &http.Client{Transport: tr}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		base := "http://" + l.Addr().String()
		if got := text(t, p.Get(base+"/first")); got != "ok" {
			t.Fatalf("the first body = %q, want ok", got)
		}
		_, err := p.Get(base + "/second").Response()
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error of the second request = %v, want ECONNREFUSED of net/http", err)
		}
		if errors.Is(err, pending.ErrNotSent) {
			t.Errorf("error = %v, which matches ErrNotSent, although the server has read %q", err, "/second")
		}
		return nil
	})
	if first, second := <-asked, <-asked; first != "/first" || second != "/second" {
		t.Errorf("the server received %q and %q, want /first and /second", first, second)
	}
}

// A loop that sends again on ErrNotSent does nothing twice, and ends if it
// checks the block's context.
func TestErrNotSent_sendAgain(t *testing.T) {
	retry := func(p *parallel.Parallel) (b []byte, err error) {
		h := p.Post("http://h/", parallel.Body("", strings.NewReader("an order")))
		for range 5 {
			if b, err = h.Bytes(); !errors.Is(err, pending.ErrNotSent) || p.Context().Err() != nil {
				return b, err
			}
			h = p.Do(h.Request(), parallel.After(time.Second))
		}
		return h.Bytes()
	}
	cases := map[string]struct {
		refused int // dials
		fault   string
		orders  int
		takes   time.Duration
		ok      bool
	}{
		"at once":                      {0, "", 1, 0, true},
		"after two refusals":           {2, "", 1, 2 * time.Second, true},
		"never":                        {100, "", 0, 5 * time.Second, false},
		"not if it may have been sent": {1, "reset", 1, time.Second, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var orders, dials atomic.Int32
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if b, _ := io.ReadAll(r.Body); string(b) != "an order" {
						t.Errorf("body = %q, want %q", b, "an order")
					}
					orders.Add(1)
					if tc.fault != "" {
						panic(http.ErrAbortHandler)
					}
					io.WriteString(w, "done")
				}))
				s.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if int(dials.Add(1)) <= tc.refused {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					return s.Dial(ctx, network, addr)
				}
				c := client.Client{HTTP: s.Client()}
				start := time.Now()
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					b, err := retry(p)
					if (err == nil) != tc.ok || tc.ok && string(b) != "done" {
						t.Errorf("retry() = %q, %v; want success: %v", b, err, tc.ok)
					}
					return nil
				})
				if d := time.Since(start); d != tc.takes || int(orders.Load()) != tc.orders {
					t.Errorf("%d orders after %v, want %d after %v", orders.Load(), d, tc.orders, tc.takes)
				}
			})
		})
	}
	t.Run("in a block that ended", func(t *testing.T) {
		var ended *parallel.Parallel
		client.Parallel(t.Context(), func(p *parallel.Parallel) error { ended = p; return nil })
		if _, err := retry(ended); !errors.Is(err, parallel.ErrEnded) {
			t.Errorf("retry() = %v, want ErrEnded", err)
		}
	})
}

// A request that Auth sends under the context of this request, to fetch a
// token, proves nothing about this request.
func TestErrNotSent_requestsOfAuth(t *testing.T) {
	for name, tc := range map[string]struct {
		token     string            // URL of the token
		transport http.RoundTripper // nil means net/http's, whose dial is refused
		want      bool
	}{
		"a token, then a refused dial":                   {"http://h/token", nil, true},
		"no token, then a transport that does not trace": {"http://refused/token", roundTrip(failAfterSending), false},
		"a token, then a transport that does not trace":  {"http://h/token", roundTrip(failAfterSending), false},
		"no token, then a refused dial":                  {"http://refused/token", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := refusing(testnet.New(t, http.HandlerFunc(faulty)))
				hc := &http.Client{Transport: tc.transport}
				if tc.transport == nil {
					hc.Transport = network
				}
				c := client.Client{HTTP: hc, Auth: func(r *http.Request) error {
					ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, tc.token, nil)
					if err != nil {
						return err
					}
					if resp, err := network.RoundTrip(ask); err == nil {
						resp.Body.Close()
					}
					return nil
				}}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err := p.Post("http://refused/").Response()
					if err == nil || errors.Is(err, pending.ErrNotSent) != tc.want {
						t.Errorf("errors.Is(%v, ErrNotSent) = %v, want %v", err, errors.Is(err, pending.ErrNotSent), tc.want)
					}
					return nil
				})
			})
		})
	}
}

// failAfterSending is a transport that does not trace. It fails, possibly after
// the server has acted.
func failAfterSending(*http.Request) (*http.Response, error) { return nil, errRefused }

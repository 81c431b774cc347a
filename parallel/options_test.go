package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The effect of each option, and of several, on the request that the server
// receives.
func TestOptions(t *testing.T) {
	from := func(r io.ReadSeeker, at int64) io.Reader {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return r
	}
	buffer := bytes.NewBufferString("0123456789")
	buffer.Next(3)
	file := func(at int64) io.Reader {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return from(f, at)
	}
	pipe := func() io.Reader {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.WriteString(w, "piped")
			w.Close()
		}()
		return r
	}
	plain := http.Header{"Content-Type": {"text/plain"}}
	asJSON := http.Header{"Content-Type": {"application/json"}}
	asForm := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

	for _, test := range []struct {
		name string
		url  string // empty means "/x"
		opts []parallel.Option
		want arrival // defaults: POST to h and url
	}{
		{"none", "", nil, arrival{}},

		{"Header", "", []parallel.Option{parallel.Header("a-b", "1")}, arrival{Header: http.Header{"A-B": {"1"}}}},
		{"Header sets", "", []parallel.Option{parallel.Header("A", "1"), parallel.Header("a", "2")}, arrival{Header: http.Header{"A": {"2"}}}},
		{"Header Host", "", []parallel.Option{parallel.Header("host", "virtual:81")}, arrival{Host: "virtual:81"}},
		{"an empty Header", "", []parallel.Option{parallel.Header("A", "")}, arrival{Header: http.Header{"A": {""}}}},

		{"Query", "", []parallel.Option{parallel.Query("a", "1")}, arrival{URL: "/x?a=1"}},
		{"Query adds", "", []parallel.Option{parallel.Query("a", "1"), parallel.Query("a", "2")}, arrival{URL: "/x?a=1&a=2"}},
		{"Query keeps what is there as it is", "/x?b;c=%zz&d", []parallel.Option{parallel.Query("a", "1")}, arrival{URL: "/x?b;c=%zz&d&a=1"}},
		{"Query escapes", "/x?", []parallel.Option{parallel.Query("ä&", "1 =+#")}, arrival{URL: "/x?%C3%A4%26=1+%3D%2B%23"}},
		{"Query and a fragment", "/x#there", []parallel.Option{parallel.Query("a", "1")}, arrival{URL: "/x?a=1"}},

		{"Body of a bytes.Reader", "", []parallel.Option{parallel.Body("text/plain", from(bytes.NewReader([]byte("0123456789")), 3))}, arrival{Header: plain, Body: "3456789", Length: 7}},
		{"Body of a strings.Reader", "", []parallel.Option{parallel.Body("text/plain", from(strings.NewReader("0123456789"), 3))}, arrival{Header: plain, Body: "3456789", Length: 7}},
		{"Body of a bytes.Buffer", "", []parallel.Option{parallel.Body("text/plain", buffer)}, arrival{Header: plain, Body: "3456789", Length: 7}},
		{"Body of a file", "", []parallel.Option{parallel.Body("text/plain", file(0))}, arrival{Header: plain, Body: "0123456789", Length: 10}},
		{"Body of a file from the middle", "", []parallel.Option{parallel.Body("text/plain", file(3))}, arrival{Header: plain, Body: "3456789", Length: 7}},
		{"Body of a file from its end", "", []parallel.Option{parallel.Body("text/plain", file(10))}, arrival{Header: plain}},
		{"Body of a file that is a pipe", "", []parallel.Option{parallel.Body("text/plain", pipe())}, arrival{Header: plain, Body: "piped", Length: -1}},
		{"Body of another reader", "", []parallel.Option{parallel.Body("text/plain", io.MultiReader(strings.NewReader("body")))}, arrival{Header: plain, Body: "body", Length: -1}},
		{"Body of nil", "", []parallel.Option{parallel.Body("text/plain", nil)}, arrival{Header: plain}},
		{"Body that is empty", "", []parallel.Option{parallel.Body("text/plain", strings.NewReader(""))}, arrival{Header: plain}},
		{"Body of http.NoBody", "", []parallel.Option{parallel.Body("text/plain", http.NoBody)}, arrival{Header: plain}},
		{"Body without a type", "", []parallel.Option{parallel.Body("", strings.NewReader("body"))}, arrival{Body: "body", Length: 4}},
		{"Body without a type keeps one", "", []parallel.Option{parallel.Header("Content-Type", "text/plain"), parallel.Body("", strings.NewReader("body"))}, arrival{Header: plain, Body: "body", Length: 4}},

		{"JSON", "", []parallel.Option{parallel.JSON(map[string]any{"a": []int{1}})}, arrival{Header: asJSON, Body: `{"a":[1]}`, Length: 9}},
		{"JSON of nil", "", []parallel.Option{parallel.JSON(nil)}, arrival{Header: asJSON, Body: "null", Length: 4}},
		{"JSON of another type", "", []parallel.Option{parallel.JSON(1), parallel.Header("Content-Type", "text/plain")}, arrival{Header: plain, Body: "1", Length: 1}},
		{"Form", "", []parallel.Option{parallel.Form(url.Values{"b": {"1 2"}, "a": {"ä", "3"}})}, arrival{Header: asForm, Body: "a=%C3%A4&a=3&b=1+2", Length: 18}},
		{"Form of nil", "", []parallel.Option{parallel.Form(nil)}, arrival{Header: asForm}},

		{"Timeout", "", []parallel.Option{parallel.Timeout(time.Hour)}, arrival{}},
		{"After", "", []parallel.Option{parallel.After(-time.Hour)}, arrival{}},
		{"To", "", []parallel.Option{parallel.To(io.Discard)}, arrival{}},

		{"the last body counts", "", []parallel.Option{parallel.JSON(1), parallel.Form(url.Values{"a": {"1"}}), parallel.Body("text/plain", strings.NewReader("last"))}, arrival{Header: plain, Body: "last", Length: 4}},
		{"a length after none", "", []parallel.Option{parallel.Body("", io.MultiReader(strings.NewReader("body"))), parallel.Body("text/plain", strings.NewReader("last"))}, arrival{Header: plain, Body: "last", Length: 4}},
		{"none after a length", "", []parallel.Option{parallel.JSON(1), parallel.Body("text/plain", io.MultiReader(strings.NewReader("last")))}, arrival{Header: plain, Body: "last", Length: -1}},
		{"nil after a body", "", []parallel.Option{parallel.JSON(1), parallel.Body("text/plain", nil)}, arrival{Header: plain}},
		{"an own option", "", []parallel.Option{parallel.Header("A", "1"), func(r *parallel.Request) error {
			r.Method, r.URL.Path, r.Host = "BREW", "/y", "pot"
			r.Header.Add("A", r.Header.Get("A")+"1")
			return nil
		}, parallel.Query("a", "1")}, arrival{Method: "BREW", URL: "/y?a=1", Host: "pot", Header: http.Header{"A": {"1", "11"}}}},
		{"an own option replaces the request", "", []parallel.Option{func(r *parallel.Request) error {
			r.Request = &http.Request{Method: "PUT", URL: &url.URL{Scheme: "http", Host: "else", Path: "/z"}}
			return nil
		}, parallel.Header("A", "1")}, arrival{Method: "PUT", URL: "/z", Host: "else", Header: http.Header{"A": {"1"}}}},
		{"an own option sets a body", "", []parallel.Option{func(r *parallel.Request) error {
			r.Request.Body, r.ContentLength = io.NopCloser(strings.NewReader("own")), 3
			return nil
		}}, arrival{Body: "own", Length: 3}},
		{"an own option sets a nil Header", "", []parallel.Option{func(r *parallel.Request) error {
			r.Request.Header = nil
			return nil
		}, parallel.Header("A", "1")}, arrival{Header: http.Header{"A": {"1"}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.url == "" {
				test.url = "/x"
			}
			want := test.want
			if want.Method == "" {
				want.Method = "POST"
			}
			if want.URL == "" {
				want.URL = test.url
			}
			if want.Host == "" {
				want.Host = "h"
			}
			echo := echo(t)
			echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := p.Post("http://h"+test.url, test.opts...)
				if diff := cmp.Diff(want, arrived(t, h)); diff != "" {
					t.Errorf("arrived (-want +got):\n%s", diff)
				}
				if r := h.Request(); r.Method != want.Method || r.URL.RequestURI() != want.URL {
					t.Errorf("Request() = %s %s, want the request that arrived", r.Method, r.URL)
				}
				return nil
			})
		})
	}
}

// With Do, options are applied to a copy of the request.
func TestDo_options(t *testing.T) {
	req, err := http.NewRequest("PUT", "http://h/x?a=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"A": {"1", "2"}, "B": {"3"}}
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		h := p.Do(req, parallel.Header("A", "4"), parallel.Query("b", "2"), parallel.JSON("new"))
		want := arrival{
			Method: "PUT", URL: "/x?a=1&b=2", Host: "h",
			Header: http.Header{"A": {"4"}, "B": {"3"}, "Content-Type": {"application/json"}}, Body: `"new"`, Length: 5,
		}
		if diff := cmp.Diff(want, arrived(t, h)); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		return nil
	})
}

// Promise 14: an Option may be used for many requests at once, and with a
// redirect. Each request gets its own reader.
func TestOption_reusable(t *testing.T) {
	echo := echo(t)
	for _, test := range []struct {
		name string
		opt  parallel.Option
		want string
	}{
		{"JSON", parallel.JSON("body"), `"body"`},
		{"Form", parallel.Form(url.Values{"a": {"1"}}), "a=1"},
		{"bytes.Reader", parallel.Body("", bytes.NewReader([]byte("body"))), "body"},
		{"bytes.Buffer", parallel.Body("", bytes.NewBufferString("body")), "body"},
		{"strings.Reader", parallel.Body("", strings.NewReader("body")), "body"},
		{"nil", parallel.Body("", nil), ""},
		{"Header", parallel.Header("A", "1"), ""},
		{"Query", parallel.Query("a", "1"), ""},
	} {
		echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var making sync.WaitGroup
			for i, path := range []string{"/x", "/y", "/redirect", "/redirect"} {
				making.Go(func() {
					got := arrived(t, p.Post("http://h"+path, test.opt))
					if got.Body != test.want || got.Length != int64(len(test.want)) {
						t.Errorf("%s: request %d has body %q and length %d, want %q", test.name, i, got.Body, got.Length, test.want)
					}
					if test.name == "Query" && i < 2 && got.URL != path+"?a=1" {
						t.Errorf("request %d has the URL %s, want %s?a=1", i, got.URL, path)
					}
					if i >= 2 && !strings.HasPrefix(got.URL, "/redirected") {
						t.Errorf("the redirect led to %s, want /redirected", got.URL)
					}
				})
			}
			making.Wait()
			return nil
		})
	}
}

// Promise 14: the content is that at the time when the option is made. The
// reader is not advanced.
func TestOption_copiesItsArguments(t *testing.T) {
	buffer := bytes.NewBufferString("before")
	reader := strings.NewReader("before")
	values := url.Values{"a": {"before"}}
	value := map[string]string{"a": "before"}
	opts := map[string]parallel.Option{
		"before":         parallel.Body("", buffer),
		"efore":          nil,
		"a=before":       parallel.Form(values),
		`{"a":"before"}`: parallel.JSON(value),
	}
	reader.ReadByte()
	opts["efore"] = parallel.Body("", reader)

	if buffer.Len() != 6 || reader.Len() != 5 {
		t.Errorf("Body advanced its reader: %d and %d bytes are unread, want 6 and 5", buffer.Len(), reader.Len())
	}
	buffer.Reset()
	buffer.WriteString("after!")
	io.ReadAll(reader)
	values.Set("a", "after!")
	value["a"] = "after!"
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for want, opt := range opts {
			if got := arrived(t, p.Post("http://h/", opt)); got.Body != want {
				t.Errorf("body = %q, want %q", got.Body, want)
			}
		}
		return nil
	})
}

// once returns a body that can be read once.
func once(text string) *memo { return &memo{Reader: strings.NewReader(text)} }

// Promise 14: any other reader works for one request. A second request fails,
// is not sent, and does not affect the first.
func TestBody_readerForOneRequest(t *testing.T) {
	body := once("body")
	opt := parallel.Body("text/plain", body)
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		first, second := p.Post("http://h/", opt), p.Post("http://h/", opt)
		err := failure(t, second)
		if !strings.Contains(err.Error(), "read once") || !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("second use: error = %v, want ErrNotSent and \"read once\"", err)
		}
		if got := arrived(t, first); got.Body != "body" {
			t.Errorf("first use: body = %q, want it whole", got.Body)
		}
		<-first.Done()
		if n := body.closes.Load(); n != 1 {
			t.Errorf("the reader was closed %d times, want once", n)
		}
		if err := failure(t, p.Do(first.Request())); !strings.Contains(err.Error(), "cannot be read again") {
			t.Errorf("sent again: error = %v, want \"cannot be read again\"", err)
		}
		return nil
	})
}

// Promise 17: a body that an option replaces is closed.
func TestBody_replacedIsClosed(t *testing.T) {
	errOption := errors.New("failing option")
	for _, test := range []struct {
		name string
		make func(p *parallel.Parallel, body *memo) *pending.Pending
		want string // the body that arrives; empty if the request fails
	}{
		{"of Do by JSON", func(p *parallel.Parallel, body *memo) *pending.Pending {
			r, _ := http.NewRequest("POST", "http://h/", body)
			return p.Do(r, parallel.JSON(1))
		}, "1"},
		{"of Body by Body", func(p *parallel.Parallel, body *memo) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", body), parallel.Body("", once("second")))
		}, "second"},
		{"of Body by nil", func(p *parallel.Parallel, body *memo) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", body), parallel.Body("", nil), parallel.JSON("x"))
		}, `"x"`},
		{"by an option that then fails", func(p *parallel.Parallel, body *memo) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", body), func(r *parallel.Request) error {
				r.Request.Body = http.NoBody
				return errOption
			})
		}, ""},
		{"by an option that removes the request", func(p *parallel.Parallel, body *memo) *pending.Pending {
			return p.Post("http://h/", parallel.Body("", body), func(r *parallel.Request) error {
				r.Request = nil
				return nil
			})
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := once("first")
			echo := echo(t)
			echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := test.make(p, body)
				if test.want == "" {
					failure(t, h)
				} else if got := arrived(t, h); got.Body != test.want {
					t.Errorf("body = %q, want %q", got.Body, test.want)
				}
				if n := body.closes.Load(); n != 1 {
					t.Errorf("the replaced body was closed %d times, want once", n)
				}
				return nil
			})
		})
	}
}

// Options are applied in the order given, on the goroutine that makes the
// request. They are applied even after one has failed, so that the body that an
// option holds is closed. The first error is reported.
func TestOptions_appliedInOrder(t *testing.T) {
	errStop := errors.New("stop")
	var applied []string
	opt := func(name string, err error) parallel.Option {
		return func(r *parallel.Request) error {
			if r.Header == nil || !r.URL.IsAbs() {
				t.Errorf("option %s got header %v and URL %s", name, r.Header, r.URL)
			}
			applied = append(applied, name+" on "+goroutine())
			return err
		}
	}
	echo := echo(t)
	echo.BaseURL = "http://h"
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		h := p.Do(&http.Request{URL: &url.URL{Path: "/x"}}, opt("1", nil), opt("2", nil), opt("3", errStop), opt("4", errors.New("late")))
		here := " on " + goroutine()
		if diff := cmp.Diff([]string{"1" + here, "2" + here, "3" + here, "4" + here}, applied); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if err := failure(t, h); !errors.Is(err, errStop) {
			t.Errorf("Response() error = %v, want %v", err, errStop)
		}
		return nil
	})
}

// Timeout and After set fields of the Request, which later options can see and
// change.
func TestTimeoutAndAfter(t *testing.T) {
	for _, test := range []struct {
		name    string
		opts    []parallel.Option
		timeout time.Duration // of the client
		want    time.Duration // how long a request of two minutes takes
		fails   bool
	}{
		{"the client's", nil, time.Second, time.Second, true},
		{"Timeout replaces it", []parallel.Option{parallel.Timeout(time.Minute)}, time.Second, time.Minute, true},
		{"the default", nil, 0, 30 * time.Second, true},
		{"Timeout 0 is the client's", []parallel.Option{parallel.Timeout(0)}, time.Second, time.Second, true},
		{"negative means none", []parallel.Option{parallel.Timeout(-1)}, time.Second, 2 * time.Minute, false},
		{"After starts when the request is made", []parallel.Option{parallel.After(time.Hour), parallel.Timeout(time.Second)}, 0, time.Hour + time.Second, true},
		{"After 0", []parallel.Option{parallel.After(0)}, -1, 2 * time.Minute, false},
		{"After, negative", []parallel.Option{parallel.After(-time.Hour)}, -1, 2 * time.Minute, false},
		{"an own option", []parallel.Option{parallel.After(time.Second), parallel.Timeout(time.Second), func(r *parallel.Request) error {
			r.After, r.Timeout = 2*r.After, 3*r.Timeout
			return nil
		}}, 0, 5 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBlock(t, client.Client{Timeout: test.timeout}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
				start := time.Now()
				_, err := p.Get("/2m0s", test.opts...).Response()
				took(t, "the request was done", start, test.want)
				if errors.Is(err, context.DeadlineExceeded) != test.fails {
					t.Errorf("Response() error = %v, want nil", err)
				}
			})
		})
	}
}

// The writer of the last To receives the body, which the handle does not keep.
func TestTo(t *testing.T) {
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		var first, second bytes.Buffer
		h := p.Get("http://h/", parallel.To(&first), parallel.To(&second))
		b, err := h.Bytes()
		if len(b) != 0 || err != nil || first.Len() != 0 || second.String() != "ok" {
			t.Errorf("Bytes() = %q, %v, and the writers have %q and %q; want all in the last", b, err, &first, &second)
		}
		return nil
	})
}

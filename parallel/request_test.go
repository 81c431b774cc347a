package parallel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 13: the handle reports what is wrong with a request. The error is a
// *url.Error with the method and URL of the request, and no password. Nothing
// is sent.
func TestRequest_cannotBeSent(t *testing.T) {
	errOwn := errors.New("the option's own error")
	badURL := "http://me:secret@h/%zz"
	get := func(u string, opts ...parallel.Option) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending { return p.Get(u, opts...) }
	}
	do := func(change func(*http.Request)) func(*parallel.Parallel) *pending.Pending {
		return func(p *parallel.Parallel) *pending.Pending {
			r := httpGet(context.Background(), "http://h/x")
			change(r)
			return p.Do(r)
		}
	}
	option := func(f func(*parallel.Request)) parallel.Option {
		return func(r *parallel.Request) error { f(r); return nil }
	}
	for _, test := range []struct {
		name    string
		make    func(*parallel.Parallel) *pending.Pending
		op, url string
		as      any // a pointer for errors.As, or an error for errors.Is
	}{
		{"bad escape", get("http://h/%zz"), "Get", "http://h/%zz", new(url.EscapeError)},
		{"bad escape, password", get(badURL), "Get", "http://***@h/%zz", nil},
		{"bad password", get("http://me:100%secret@h/"), "Get", "http://***@h/", nil},
		{"password with a slash", get("http://me:sec/ret@h/"), "Get", "http://***@h/", nil},
		{"password and no scheme", get("m%e:secret@h/"), "Get", "***@h/", nil},
		{"bad port", get("http://me:secret@h:port/"), "Get", "http://***@h:port/", nil},
		{"bad address", get("http://[::1"), "Get", "http://[::1", nil},
		{"control character", get("http://h/\x7f"), "Get", "http://h/\x7f", nil},
		{"no scheme, but a colon", get("://h/"), "Get", "://h/", nil},
		{"empty, no BaseURL", get(""), "Get", "", nil},
		{"relative, no BaseURL", get("/users"), "Get", "/users", nil},
		{"no scheme, but a password", get("//me:secret@h/x"), "Get", "//me:xxxxx@h/x", nil},
		{"no host", get("http:///x"), "Get", "http:///x", nil},
		{"opaque", get("http:x"), "Get", "http:x", nil},
		{"the method is named", func(p *parallel.Parallel) *pending.Pending { return p.Patch("/x") }, "Patch", "/x", nil},

		{"nil request", func(p *parallel.Parallel) *pending.Pending { return p.Do(nil) }, "Get", "", nil},
		{"nil request with an option", func(p *parallel.Parallel) *pending.Pending { return p.Do(nil, parallel.Query("a", "b")) }, "Get", "", nil},
		{"zero request", func(p *parallel.Parallel) *pending.Pending { return p.Do(new(http.Request)) }, "Get", "", nil},
		{"request without URL", do(func(r *http.Request) { r.Method, r.URL = "PUT", nil }), "Put", "", nil},
		{"request without host", do(func(r *http.Request) { r.URL.Host = "" }), "Get", "http:///x", nil},
		{"request with a relative URL", do(func(r *http.Request) { r.URL = &url.URL{Path: "/x"} }), "Get", "/x", nil},
		{"RequestURI", do(func(r *http.Request) { r.RequestURI = "/x" }), "Get", "http://h/x", nil},
		{"password in a good URL", do(func(r *http.Request) { r.URL.User, r.RequestURI = url.UserPassword("me", "secret"), "/" }), "Get", "http://me:xxxxx@h/x", nil},
		{"header of a request", do(func(r *http.Request) { r.Header["X"] = []string{"fine", "a\r\nb"} }), "Get", "http://h/x", nil},
		{"Host of a request", do(func(r *http.Request) { r.Host = "a\nb" }), "Get", "http://h/x", nil},

		{"failing option", get("http://h/x", func(*parallel.Request) error { return errOwn }), "Get", "http://h/x", errOwn},
		{"option failing over a password", get("http://h/x", func(*parallel.Request) error {
			_, err := url.Parse(badURL)
			return err
		}), "Get", "http://h/x", nil},
		{"nil option", get("http://h/x", nil), "Get", "http://h/x", nil},
		{"option that removes the request", get("http://h/x", option(func(r *parallel.Request) { r.Request = nil })), "Get", "http://h/x", nil},
		{"option that removes the URL", get("http://h/x", option(func(r *parallel.Request) { r.URL = nil })), "Get", "", nil},
		{"option that sets RequestURI", get("http://h/x", option(func(r *parallel.Request) { r.RequestURI = "/" })), "Get", "http://h/x", nil},
		{"unmarshalable value", get("http://h/x", parallel.JSON(make(chan int))), "Get", "http://h/x", new(*json.UnsupportedTypeError)},
		{"nil writer", get("http://h/x", parallel.To(nil)), "Get", "http://h/x", nil},
		{"nil Take", get("http://h/x", parallel.Take(nil)), "Get", "http://h/x", nil},
		{"empty file name", get("http://h/x", parallel.File("")), "Get", "http://h/x", nil},
		{"CR in a header", get("http://h/x", parallel.Header("X", "a\rb")), "Get", "http://h/x", nil},
		{"LF in a header", get("http://h/x", parallel.Header("X", "a\nb")), "Get", "http://h/x", nil},
		{"NUL in a header", get("http://h/x", parallel.Header("X", "a\x00b")), "Get", "http://h/x", nil},
		{"LF in a header's name", get("http://h/x", parallel.Header("X\nY", "a")), "Get", "http://h/x", nil},
		{"CR in a header's name", get("http://h/x", parallel.Header("X\rY", "a")), "Get", "http://h/x", nil},
		{"NUL in a header's name", get("http://h/x", parallel.Header("X\x00", "a")), "Get", "http://h/x", nil},
		{"colon in a header's name", get("http://h/x", parallel.Header("X: Y", "a")), "Get", "http://h/x", nil},
		{"empty name of a header", get("http://h/x", parallel.Header("", "a")), "Get", "http://h/x", nil},
		{"LF in Host", get("http://h/x", parallel.Header("Host", "a\nb")), "Get", "http://h/x", nil},
		{"LF in a Content-Type", get("http://h/x", parallel.Body("a\nb", strings.NewReader("body"))), "Get", "http://h/x", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			sent := 0
			api := client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				sent++
				return nil, errors.New("sent")
			})}}
			api.Parallel(t.Context(), func(p *parallel.Parallel) error {
				h := test.make(p)
				select {
				case <-h.Done():
				default:
					t.Error("the handle is not done")
				}
				for range 2 { // Response is repeatable
					err := failure(t, h)
					ue, ok := err.(*url.Error)
					if !ok || ue.Op != test.op || ue.URL != test.url {
						t.Errorf("error = %#v, want a *url.Error of %s %q", err, test.op, test.url)
					}
					if !errors.Is(err, pending.ErrNotSent) {
						t.Errorf("error = %v, want it to match ErrNotSent", err)
					}
					text := err.Error() + errors.Unwrap(err).Error()
					for _, part := range []string{"secret", "%se", ":sec"} { // net/url quotes the bad part
						if strings.Contains(text, part) {
							t.Errorf("error = %s, which shows the password", text)
						}
					}
					if target, ok := test.as.(error); ok && target == errOwn {
						if !errors.Is(err, target) {
							t.Errorf("error = %v, want it to match %v", err, target)
						}
					} else if test.as != nil && !errors.As(err, test.as) {
						t.Errorf("error = %v, want a %T", err, test.as)
					}
					if _, err := h.Bytes(); err == nil {
						t.Error("Bytes has no error")
					}
					if got, err := p.Next(); got != nil || err != parallel.ErrNonePending {
						t.Errorf("Next() = %v, %v; want ErrNonePending, since the handle is claimed", got, err)
					}
				}
				return nil
			})
			if sent != 0 {
				t.Errorf("%d requests were sent, want 0", sent)
			}
		})
	}
}

// Promises 13 and 21: a request that could not be built fails again. In
// particular, nothing is sent to the text that stands for a password in an
// error.
func TestRequest_badRequestSentAgain(t *testing.T) {
	for _, u := range []string{"http://h/%zz", "http://me:100%secret@h/", "m%e:secret@h/", "http://h/\x7f", "", "//h/x", "a/../b"} {
		var sent []string
		api := client.Client{BaseURL: "http://base/v1", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.URL.String())
			return nil, errors.New("sent")
		})}}
		api.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := p.Get(u, parallel.Header("X", "\n")) // makes "" fail
			if err := failure(t, h); !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%q: error = %v, want ErrNotSent", u, err)
			}
			again := p.Do(h.Request())
			if err := failure(t, again); !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%q, sent again: error = %v, want ErrNotSent", u, err)
			}
			return nil
		})
		if len(sent) != 0 {
			t.Errorf("%q: %q was sent, want nothing", u, sent)
		}
	}
}

// Promise 20: no password is shown if net/url does not see one. A URL without
// its "http://" parses, with the user name as the scheme.
func TestErrors_noPasswordOfOpaqueURL(t *testing.T) {
	for _, u := range []string{"me:secret@h/x", "http:me:secret@h/x"} {
		client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			err := failure(t, p.Get(u))
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), "secret") {
					t.Errorf("%q: %T = %v, which shows the password", u, e, e)
				}
			}
			return nil
		})
	}
}

// Promise 13: making a request never blocks, here with a full limit, a slow
// Wait and a long queue.
func TestGet_neverBlocks(t *testing.T) {
	inBlock(t, client.Client{Limit: 1, Wait: func(r *http.Request) error { <-r.Context().Done(); return nil }}, func(t *testing.T, p *parallel.Parallel, came *atomic.Int64) {
		start := time.Now()
		for range 1000 {
			p.Get("/1h")
		}
		took(t, "a thousand requests were made", start, 0)
		synctest.Wait()
		if s := p.Stats(); s != (parallel.Stats{Queued: 999, InFlight: 1}) {
			t.Errorf("Stats() = %+v, want 999 queued, 1 in flight", s)
		}
	})
}

// everything returns a request with every field that a caller can set.
func everything(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, "PUT", "http://me:pw@h/a%2Fb/x?q=1#f", strings.NewReader("body"))
	if err != nil {
		panic(err)
	}
	r.Header = http.Header{"X": {"1", "2"}, "Y": {"3"}}
	r.Trailer = http.Header{"T": {"4"}}
	r.TransferEncoding = []string{"identity"}
	r.Form, r.PostForm = url.Values{"f": {"5"}}, url.Values{"p": {"6"}}
	r.MultipartForm = &multipart.Form{Value: map[string][]string{"m": {"7"}}}
	r.Host = "virtual"
	r.SetPathValue("name", "8")
	return r
}

// wreck changes everything in a request that it can reach.
func wreck(r *http.Request) {
	for _, m := range []map[string][]string{r.Header, r.Trailer, r.Form, r.PostForm, r.MultipartForm.Value} {
		for _, values := range m {
			for i := range values {
				values[i] = "wrecked"
			}
		}
		m["Wrecked"] = []string{"1"}
	}
	for i := range r.TransferEncoding {
		r.TransferEncoding[i] = "wrecked"
	}
	*r.URL = url.URL{Scheme: "http", Host: "h", Path: "/wrecked"}
	r.SetPathValue("name", "wrecked")
	r.Method, r.Host, r.Close = "WRECKED", "wrecked", true
}

// difference compares two requests without their bodies.
func difference(want, got *http.Request) string {
	return cmp.Diff(want, got,
		cmpopts.IgnoreUnexported(http.Request{}), cmpopts.IgnoreFields(http.Request{}, "Body", "GetBody"),
		cmp.AllowUnexported(url.Userinfo{})) +
		cmp.Diff(want.PathValue("name"), got.PathValue("name"))
}

// Promise 14: the caller's request is never changed, and neither is the request
// that the handle returns copies of. It does not matter who changes the request
// that was passed to it.
func TestDo_requestUnchanged(t *testing.T) {
	for _, who := range []string{"nobody", "Option", "Auth", "Wait", "Observe", "transport", "its owner"} {
		t.Run(who, func(t *testing.T) {
			ctx := context.WithValue(t.Context(), key{}, "own")
			req := everything(ctx)
			body := req.Body
			at := func(place string, r *http.Request) {
				if place == who {
					wreck(r)
				}
			}
			var sent []*http.Request
			api := client.Client{
				Wait: func(r *http.Request) error { at("Wait", r); return nil },
				Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
					at("Observe", r)
					return nil, nil
				},
				HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					defer r.Body.Close()
					if b, err := io.ReadAll(r.Body); string(b) != "body" {
						t.Errorf("the transport read %q, %v; want the body", b, err)
					}
					sent = append(sent, r.Clone(r.Context()))
					at("transport", r)
					return &http.Response{StatusCode: 200, Request: r}, nil
				})},
			}
			if who == "Auth" { // without Auth, the transport's request is not copied once more
				api.Auth = func(r *http.Request) error { wreck(r); return nil }
			}
			api.Parallel(t.Context(), func(p *parallel.Parallel) error {
				for range 2 {
					h := p.Do(req, func(r *parallel.Request) error { at("Option", r.Request); return nil })
					if _, err := h.Response(); err != nil {
						t.Fatal(err)
					}
					if diff := difference(everything(ctx), req); diff != "" {
						t.Errorf("the caller's request was changed (-want +got):\n%s", diff)
					}
					if req.Body != body || req.GetBody == nil || req.Context() != ctx {
						t.Error("the caller's body or context was changed")
					}
					asked := everything(ctx)
					if who == "Option" {
						wreck(asked)
					}
					if who == "its owner" {
						wreck(h.Request())
					}
					if diff := difference(asked, h.Request()); diff != "" {
						t.Errorf("Request() (-want +got):\n%s", diff)
					}
				}
				return nil
			})
			if len(sent) != 2 {
				t.Fatalf("%d requests were sent, want 2", len(sent))
			}
			if sent[0].Body == sent[1].Body {
				t.Error("two sends share a body")
			}
			if who == "Option" || who == "Auth" {
				return // their changes are sent
			}
			want := everything(ctx)
			want.Header.Set("Authorization", "Basic bWU6cHc=") // net/http sets it from the URL
			for _, r := range sent {
				if diff := difference(want, r); diff != "" {
					t.Errorf("the request that was sent (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Promise 14: the request of a Get does not change, whoever changes the request
// that was passed to it, and even if Resolve returns one URL twice.
func TestGet_requestUnchanged(t *testing.T) {
	shared := &url.URL{Scheme: "http", User: url.User("me"), Host: "h", Path: "/a/b", RawPath: "/a%2Fb", RawQuery: "q=1"}
	for name, resolve := range map[string]func(string) (*url.URL, error){
		"absolute": nil,
		"resolved": func(string) (*url.URL, error) { return shared, nil },
	} {
		for _, who := range []string{"Wait", "Observe", "Send", "its owner"} {
			t.Run(name+", changed by "+who, func(t *testing.T) {
				at := func(place string, r *http.Request) {
					if place == who {
						r.Method, r.Host = "WRECKED", "wrecked"
						r.Header.Set("X", "wrecked")
						*r.URL = url.URL{Path: "/wrecked"}
					}
				}
				var sent []string
				cfg := parallel.Config{
					Resolve: resolve,
					Wait:    func(r *http.Request) error { at("Wait", r); return nil },
					Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
						at("Observe", r)
						return nil, nil
					},
					Send: func(r *http.Request) (*http.Response, error) {
						sent = append(sent, fmt.Sprint(r.Method, " ", r.URL, " ", r.Host, r.Header))
						at("Send", r)
						return nil, errors.New("refused")
					},
				}
				ref := shared.String()
				if resolve != nil {
					ref = "ref"
				}
				parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
					for range 2 {
						h := p.Get(ref)
						_, err := h.Response()
						if diff := cmp.Diff(`Get "http://me@h/a%2Fb?q=1": refused`, err.Error()); diff != "" {
							t.Errorf("its error (-want +got):\n%s", diff)
						}
						at(who, h.Request())
						want, _ := http.NewRequest(http.MethodGet, shared.String(), nil)
						if diff := difference(want, h.Request()); diff != "" {
							t.Errorf("Request() (-want +got):\n%s", diff)
						}
					}
					return nil
				})
				const as = "GET http://me@h/a%2Fb?q=1 hmap[]"
				if diff := cmp.Diff([]string{as, as}, sent); diff != "" {
					t.Errorf("requests that were sent (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// The URL of a handle is the one that Resolve returned, even if its text does
// not parse, or parses to another URL.
func TestGet_resolvedURLIsNotText(t *testing.T) {
	for _, u := range []*url.URL{
		{Scheme: "http", Host: "h:http", Path: "/x", User: url.UserPassword("me", "secret")},
		{Scheme: "own", Path: "//other/x", OmitHost: true},
	} {
		t.Run(u.Redacted(), func(t *testing.T) {
			cfg := parallel.Config{
				Resolve: func(string) (*url.URL, error) { return u, nil },
				Send:    func(r *http.Request) (*http.Response, error) { return nil, errors.New("refused") },
			}
			parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
				h := p.Get("ref")
				if diff := cmp.Diff(u, h.Request().URL, cmp.AllowUnexported(url.Userinfo{})); diff != "" {
					t.Errorf("Request().URL (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(fmt.Sprintf("Get %q: refused", u.Redacted()), failure(t, h).Error()); diff != "" {
					t.Errorf("its error (-want +got):\n%s", diff)
				}
				return nil
			})
		})
	}
}

// Promise 14: the end of a request's own context cancels only that request, at
// once, in any state, with the context's error and cause.
func TestDo_contextEnds(t *testing.T) {
	errCause := errors.New("the request's own cause")
	const d = 100 * time.Millisecond
	ends := []struct {
		name    string
		ctx     func(context.Context) (context.Context, func())
		is      []error
		timeout bool
	}{
		{"cancel", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(d, cancel)
			return ctx, cancel
		}, []error{context.Canceled}, false},
		{"cancel with a cause", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(d, func() { cancel(errCause) })
			return ctx, func() { cancel(nil) }
		}, []error{context.Canceled, errCause}, false},
		{"deadline", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, d)
			return ctx, cancel
		}, []error{context.DeadlineExceeded}, true},
		{"deadline with a cause", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeoutCause(ctx, d, errCause)
			return ctx, cancel
		}, []error{context.DeadlineExceeded, errCause}, true},
	}
	for _, place := range []struct {
		name    string
		path    string
		opts    []parallel.Option
		queue   bool // the limit is full
		late    bool // made after the context has ended
		notSent bool
	}{
		{name: "in flight", path: "/1h"},
		{name: "in its body", path: "/body"},
		{name: "in Wait", path: "/wait", notSent: true},
		{name: "in the queue", path: "/1h", queue: true, notSent: true},
		{name: "before its After", path: "/1h", opts: []parallel.Option{parallel.After(time.Hour)}, notSent: true},
		{name: "before it is made", path: "/1h", late: true, notSent: true},
	} {
		for _, end := range ends {
			t.Run(place.name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/body" {
							w.Write([]byte("some of it"))
							w.(http.Flusher).Flush()
						}
						wait := time.Hour
						if r.URL.Path == "/other" {
							wait = time.Second
						}
						select {
						case <-time.After(wait):
						case <-r.Context().Done():
						}
					}))
					api := client.Client{HTTP: server.Client(), Timeout: -1, Limit: 2, Wait: func(r *http.Request) error {
						if r.URL.Path == "/wait" {
							<-r.Context().Done()
							return r.Context().Err()
						}
						return nil
					}}
					api.Parallel(t.Context(), func(p *parallel.Parallel) error {
						start := time.Now()
						ctx, cancel := end.ctx(t.Context())
						defer cancel()
						if place.late {
							<-ctx.Done()
						}
						others := []*pending.Pending{p.Get("http://h/other")}
						if place.queue {
							others = append(others, p.Do(httpGet(context.WithValue(t.Context(), key{}, ""), "http://h/other")))
						}
						h := p.Do(httpGet(ctx, "http://h"+place.path), place.opts...)
						if place.late {
							select {
							case <-h.Done():
							default:
								t.Error("the handle is not done at once")
							}
						}
						err := failure(t, h)
						took(t, "the handle was done", start, d)
						var ue *url.Error
						if !errors.As(err, &ue) || ue.Timeout() != end.timeout {
							t.Errorf("error = %v, want a *url.Error with Timeout() = %t", err, end.timeout)
						}
						for _, is := range end.is {
							if !errors.Is(err, is) {
								t.Errorf("error = %v, want it to match %v", err, is)
							}
						}
						if end.timeout && errors.Is(err, context.Canceled) {
							t.Errorf("error = %v, want it not to match context.Canceled", err)
						}
						if errors.Is(err, pending.ErrNotSent) != place.notSent {
							t.Errorf("errors.Is(%v, ErrNotSent) = %t, want %t", err, !place.notSent, place.notSent)
						}
						for _, h := range others {
							if _, err := h.Response(); err != nil {
								t.Errorf("error of another request = %v, want nil", err)
							}
						}
						return nil
					})
				})
			})
		}
	}
}

// Promise 14: the values of a request's own context are looked up before the
// block's.
func TestDo_contextValues(t *testing.T) {
	type other struct{}
	type both struct{}
	seen := make(map[string][]any)
	see := func(where string, r *http.Request) {
		ctx := r.Context()
		seen[where] = []any{ctx.Value(key{}), ctx.Value(both{}), ctx.Value(other{})}
	}
	api := client.Client{
		Auth:    func(r *http.Request) error { see("Auth", r); return nil },
		Wait:    func(r *http.Request) error { see("Wait", r); return nil },
		Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) { see("Observe", r); return nil, nil },
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			see("transport", r)
			return &http.Response{StatusCode: 200}, nil
		})},
	}
	blocks := context.WithValue(context.WithValue(t.Context(), both{}, "block's"), other{}, "block's")
	own := context.WithValue(context.WithValue(t.Context(), both{}, "own"), key{}, "own")
	for _, test := range []struct {
		ctx  context.Context
		want []any
	}{
		{own, []any{"own", "own", "block's"}},
		{context.Background(), []any{nil, "block's", "block's"}},
		{blocks, []any{nil, "block's", "block's"}},
	} {
		clear(seen)
		api.Parallel(blocks, func(p *parallel.Parallel) error {
			h := p.Do(httpGet(test.ctx, "http://h/"))
			if _, err := h.Response(); err != nil {
				t.Error(err)
			}
			if h.Request().Context() != test.ctx {
				t.Error("Request().Context() is not the request's own context")
			}
			return nil
		})
		want := map[string][]any{"Auth": test.want, "Wait": test.want, "Observe": test.want, "transport": test.want}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("values seen (-want +got):\n%s", diff)
		}
	}
}

// Promise 14: a request with GetBody, which net/http sets for bytes and
// strings, may be passed to Do many times at once.
func TestDo_sameRequestManyTimes(t *testing.T) {
	api := echo(t)
	for name, body := range map[string]io.Reader{
		"strings.Reader": strings.NewReader("body"), "bytes.Reader": bytes.NewReader([]byte("body")), "bytes.Buffer": bytes.NewBufferString("body"),
	} {
		req, err := http.NewRequest("POST", "http://h/"+name, body)
		if err != nil {
			t.Fatal(err)
		}
		api.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var making sync.WaitGroup
			for range 5 {
				making.Go(func() {
					for range 4 {
						h := p.Do(req, parallel.Query("a", "b"))
						if got := arrived(t, h); got.Body != "body" || got.Length != 4 || got.URL != "/"+name+"?a=b" {
							t.Errorf("%s: arrived %+v, want the request with its body", name, got)
						}
					}
				})
			}
			making.Wait()
			return nil
		})
	}
}

// Promise 14: a request without GetBody works once, and is sent as net/http
// sends it.
func TestDo_withoutGetBody(t *testing.T) {
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		req, _ := http.NewRequest("POST", "http://h/", io.MultiReader(strings.NewReader("body")))
		if diff := cmp.Diff(arrival{Method: "POST", URL: "/", Host: "h", Body: "body", Length: -1}, arrived(t, p.Do(req))); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		req, _ = http.NewRequest("POST", "http://h/", io.MultiReader(strings.NewReader("body")))
		req.ContentLength = 4
		h := p.Do(req)
		if diff := cmp.Diff(arrival{Method: "POST", URL: "/", Host: "h", Body: "body", Length: 4}, arrived(t, h)); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		// The body of the handle's copy is spent. The error says what to do.
		const want = "cannot be read again: use the option Body, or set GetBody before the request is first sent"
		if err := failure(t, p.Do(h.Request())); !strings.HasSuffix(err.Error(), want) {
			t.Errorf("sent again: %v, want an error that ends in %q", err, want)
		}
		if got := arrived(t, p.Do(h.Request(), parallel.Body("text/plain", strings.NewReader("new")))); got.Body != "new" {
			t.Errorf("with the option Body, %q arrived; want %q", got.Body, "new")
		}
		return nil
	})
}

// Promise 14: the request that Request returns may be passed to Do any number
// of times. Timeout, After and To must be given again.
func TestDo_resendsRequest(t *testing.T) {
	base := echo(t)
	base.BaseURL = "http://h/v1"
	withGetBody, _ := http.NewRequest("PUT", "http://h/do", strings.NewReader("body"))
	base.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for _, first := range []*pending.Pending{
			p.Get("/get", parallel.Query("a", "b"), parallel.Header("X", "1")),
			p.Post("/json", parallel.JSON(map[string]int{"a": 1}), parallel.Header("Host", "virtual")),
			p.Post("/form", parallel.Form(url.Values{"a": {"1"}})),
			p.Do(withGetBody),
			p.Head("http://elsewhere/"),
		} {
			want := arrived(t, first)
			h := first
			for range 2 {
				if r := h.Request(); !r.URL.IsAbs() {
					t.Errorf("Request().URL = %v, want it absolute", r.URL)
				}
				h = p.Do(h.Request())
				if diff := cmp.Diff(want, arrived(t, h)); diff != "" {
					t.Errorf("%s sent again (-first +again):\n%s", want.URL, diff)
				}
			}
		}
		var w bytes.Buffer
		first := p.Get("/to", parallel.To(&w))
		if b, err := first.Bytes(); len(b) != 0 || err != nil || w.String() != "ok" {
			t.Errorf("To received %q, and Bytes() = %q, %v; want all in To", &w, b, err)
		}
		if b, err := p.Do(first.Request()).Bytes(); string(b) != "ok" || err != nil || w.String() != "ok" {
			t.Errorf("sent again without To: Bytes() = %q, %v, and To received %q; want ok in both", b, err, &w)
		}
		return nil
	})
	inBlock(t, client.Client{}, func(t *testing.T, p *parallel.Parallel, _ *atomic.Int64) {
		start := time.Now()
		h := p.Get("/300ms", parallel.After(time.Second), parallel.Timeout(100*time.Millisecond))
		if err := failure(t, h); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want context.DeadlineExceeded", err)
		}
		took(t, "the request timed out", start, 1100*time.Millisecond)
		if got := text(t, p.Do(h.Request())); got != "/300ms" {
			t.Errorf("sent again: body = %q, want it whole", got)
		}
		took(t, "the second send was done", start, 1400*time.Millisecond)
	})
}

// Do resolves a relative URL as Get does, and keeps the request's Host.
func TestDo_relativeURL(t *testing.T) {
	api := echo(t)
	api.BaseURL = "http://base/v1"
	api.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for _, test := range []struct {
			req  http.Request
			want arrival
		}{
			{http.Request{URL: &url.URL{Path: "/x", RawQuery: "a=b"}}, arrival{Method: "GET", URL: "/v1/x?a=b", Host: "base"}},
			{http.Request{URL: &url.URL{Path: "/a/b", RawPath: "/a%2Fb"}}, arrival{Method: "GET", URL: "/v1/a%2Fb", Host: "base"}},
			{http.Request{URL: &url.URL{Path: "x"}, Host: "virtual"}, arrival{Method: "GET", URL: "/v1/x", Host: "virtual"}},
			{http.Request{URL: &url.URL{}}, arrival{Method: "GET", URL: "/v1", Host: "base"}},
			{http.Request{URL: &url.URL{Scheme: "http", Host: "else", Path: "/y"}}, arrival{Method: "GET", URL: "/y", Host: "else"}},
		} {
			if diff := cmp.Diff(test.want, arrived(t, p.Do(&test.req))); diff != "" {
				t.Errorf("Do of %v: arrived (-want +got):\n%s", test.req.URL, diff)
			}
		}
		return nil
	})
}

// Each method sends its HTTP method, with the URL, the headers and no body.
func TestMethods(t *testing.T) {
	echo := echo(t)
	echo.Parallel(t.Context(), func(p *parallel.Parallel) error {
		for method, f := range map[string]func(string, ...parallel.Option) *pending.Pending{
			"GET": p.Get, "HEAD": p.Head, "OPTIONS": p.Options, "POST": p.Post, "PUT": p.Put, "PATCH": p.Patch, "DELETE": p.Delete,
		} {
			h := f("http://h:81/x?y=1#z", parallel.Header("A", "1"))
			want := arrival{Method: method, URL: "/x?y=1", Host: "h:81", Header: http.Header{"A": {"1"}}}
			if diff := cmp.Diff(want, arrived(t, h)); diff != "" {
				t.Errorf("%s: arrived (-want +got):\n%s", method, diff)
			}
			if r := h.Request(); r.Method != method || r.URL.String() != "http://h:81/x?y=1#z" || r.Host != "h:81" {
				t.Errorf("Request() = %s %s of host %s", r.Method, r.URL, r.Host)
			}
		}
		return nil
	})
}

// An arrival describes a request as the server received it.
type arrival struct {
	Method, URL, Host string
	Header            http.Header // without those of the connection; nil if there is none
	Body              string
	Length            int64 // -1 means chunked
}

// echo returns a client of a server that responds "ok", and with a description
// of the request.
func echo(t testing.TB) client.Client {
	s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client has aborted it
		}
		for _, name := range []string{"User-Agent", "Accept-Encoding", "Content-Length"} {
			r.Header.Del(name)
		}
		if len(r.Header) == 0 {
			r.Header = nil
		}
		b, err := json.Marshal(arrival{r.Method, r.URL.String(), r.Host, r.Header, string(body), r.ContentLength})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Arrived", string(b))
		if r.URL.Path == "/redirect" {
			w.Header().Set("Location", "/redirected")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		io.WriteString(w, "ok")
	}))
	return client.Client{HTTP: s.Client()}
}

// arrived returns h's request as echo's server received it.
func arrived(t testing.TB, h *pending.Pending) (a arrival) {
	t.Helper()
	resp, err := h.Response()
	if err != nil {
		t.Errorf("Response() error = %v, want nil", err)
		return a
	}
	if err := json.Unmarshal([]byte(resp.Header.Get("X-Arrived")), &a); err != nil {
		t.Errorf("decoding the response: %v", err)
	}
	return a
}

package recipes_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// One line for each request.
func ExampleLog() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/user" {
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	defer srv.Close()

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key { // the same whenever and wherever the Example runs
		case "time", "took", "queued":
			return slog.Attr{}
		case "url":
			return slog.String("url", strings.TrimPrefix(a.Value.String(), srv.URL))
		}
		return a
	}}))
	c := client.Client{BaseURL: srv.URL, Observe: recipes.Log(logger)}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		if _, err := p.Get("/user?token=secret").Response(); err != nil {
			return err
		}
		_, err := p.Delete("/user/7").Response()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg=request method=GET url=/user bytes=0 status=200
	// level=WARN msg=request method=DELETE url=/user/7 bytes=3 status=403
}

// Every line, and nothing secret in any.
func TestLog(t *testing.T) {
	for name, tc := range map[string]struct {
		url  string
		do   func(p *parallel.Parallel, url string, with parallel.Option)
		want string
	}{
		"an answer": {
			url:  "http://user:s3cret@h/ok?token=s3cret#s3cret",
			want: "INFO method=GET url=http://h/ok bytes=5 took=1s queued=0s status=200",
		},
		"a status": {
			url:  "http://user:s3cret@h/404?token=s3cret",
			want: "WARN method=GET url=http://h/404 bytes=0 took=0s queued=0s status=404",
		},
		"a loser": {
			url: "http://user:s3cret@h/hangs?token=s3cret",
			do: func(p *parallel.Parallel, url string, with parallel.Option) {
				h := p.Get(url, with)
				<-time.After(time.Second)
				h.Cancel()
				h.Response()
			},
			want: `DEBUG method=GET url=http://h/hangs bytes=0 took=1s queued=0s error="context canceled"`,
		},
		"left by its block": {
			url:  "http://user:s3cret@h/hangs?token=s3cret",
			do:   func(p *parallel.Parallel, url string, with parallel.Option) { p.Get(url, with); synctest.Wait() },
			want: `DEBUG method=GET url=http://h/hangs bytes=0 took=0s queued=0s error="the block has ended"`,
		},
		"never sent": {
			url: "http://user:s3cret@h/hangs?token=s3cret",
			do: func(p *parallel.Parallel, url string, with parallel.Option) {
				p.Get(url, with, parallel.After(time.Hour)).Cancel()
			},
			want: `DEBUG method=GET url=http://h/hangs bytes=0 took=0s error="request not sent: context canceled"`,
		},
		"a timeout": {
			url:  "http://user:s3cret@h/hangs?token=s3cret",
			want: `ERROR method=GET url=http://h/hangs bytes=0 took=30s queued=0s error="context deadline exceeded (Timeout of 30s)"`,
		},
		"a redirect without an end": {
			url:  "http://user:s3cret@h/again?token=s3cret",
			want: `ERROR method=GET url=http://h/again bytes=0 took=0s queued=0s error="stopped after 10 redirects"`,
		},
		"a password with a slash": { // the host is "user", and says so in no header
			url:  "http://user:/s3cret@h/ok",
			do:   func(p *parallel.Parallel, url string, with parallel.Option) { p.Get(url, with).Response() },
			want: "INFO method=GET url=http://***@h/ok bytes=0 took=0s queued=0s status=200",
		},
		"a password with a slash, and an escaped @": {
			url:  "http://user:/s3cret%40h/ok",
			do:   func(p *parallel.Parallel, url string, with parallel.Option) { p.Get(url, with).Response() },
			want: "INFO method=GET url=http://***%40h/ok bytes=0 took=0s queued=0s status=200",
		},
		"no URL": {
			url:  "http://user:s3cret@h/%zz?token=s3cret",
			want: `ERROR method=GET url="" bytes=0 took=0s error="request not sent: invalid URL (details omitted: they may contain a password)"`,
		},
		"no URL, without a password": {
			url:  "http://h/%zz?token=s3cret",
			want: `ERROR method=GET url="" bytes=0 took=0s error="request not sent: invalid URL escape \"%zz\""`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/ok":
						<-time.After(time.Second)
						fmt.Fprint(w, "hello")
					case "/404":
						w.WriteHeader(http.StatusNotFound)
					case "/again":
						http.Redirect(w, r, "/again?token=s3cret", http.StatusFound)
					case "/hangs":
						<-r.Context().Done()
					}
				}))
				var log bytes.Buffer
				logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				c := client.Client{HTTP: s.Client(), Header: http.Header{"Authorization": {"Bearer s3cret"}}, Observe: recipes.Log(logger)}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					with := parallel.Header("Cookie", "session=s3cret")
					if tc.do != nil {
						tc.do(p, tc.url, with)
						return nil
					}
					p.Get(tc.url, with).Response()
					return nil
				})
				_, got, _ := strings.Cut(log.String(), "level=")
				got = strings.Replace(got, "msg=request ", "", 1)
				if diff := cmp.Diff(tc.want+"\n", got); diff != "" {
					t.Errorf("the log (-want +got):\n%s", diff)
				}
				if strings.Contains(log.String(), "s3cret") {
					t.Errorf("a secret is in the log: %s", log.String())
				}
			})
		})
	}
}

// A request that was sent three times has one line.
func TestLog_attempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, &turned{status: []int{503, 503, 200}, retryAfter: "2"})
		var log bytes.Buffer
		c := client.Client{HTTP: s.Client(), Retry: parallel.Retries(4), Observe: recipes.Log(slog.New(slog.NewTextHandler(&log, nil)))}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			return err
		})
		if got := log.String(); strings.Count(got, "\n") != 1 ||
			!strings.Contains(got, "level=INFO msg=request method=GET url=http://h/ bytes=8 took=4s queued=0s attempts=3 status=200") {
			t.Errorf("the log doesn't have one line with three attempts:\n%s", got)
		}
	})
}

// The time that a request waited for a slot is told apart.
func TestLog_queueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(time.Second) }))
		var log bytes.Buffer
		c := client.Client{HTTP: s.Client(), Limit: 1, Observe: recipes.Log(slog.New(slog.NewTextHandler(&log, nil)))}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := pending.All(p.Get("http://h/1"), p.Get("http://h/2"))
			return err
		})
		if !strings.Contains(log.String(), "url=http://h/2 bytes=0 took=2s queued=1s status=200") {
			t.Errorf("the log doesn't say that the second waited for 1s:\n%s", &log)
		}
	})
}

// The logger has the context of the request, for handlers that take a trace's
// ID from it.
func TestLog_requestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.NotFoundHandler())
		type key struct{}
		var got any
		logger := slog.New(handler(func(ctx context.Context) { got = ctx.Value(key{}) }))
		c := client.Client{HTTP: s.Client(), Observe: recipes.Log(logger)}
		c.Parallel(context.WithValue(t.Context(), key{}, "trace 7"), func(p *parallel.Parallel) error {
			_, err := p.Get("http://h/").Response()
			return err
		})
		if got != "trace 7" {
			t.Errorf("the handler has %v", got)
		}
	})
}

type handler func(context.Context)

func (h handler) Enabled(context.Context, slog.Level) bool        { return true }
func (h handler) Handle(ctx context.Context, _ slog.Record) error { h(ctx); return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler              { return h }
func (h handler) WithGroup(string) slog.Handler                   { return h }

package waterfall_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime/trace"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/waterfall"
)

// written runs use and returns everything that rec writes, and the execution
// trace of use.
func written(t *testing.T, rec *waterfall.Recorder, use func()) string {
	t.Helper()
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	use()
	trace.Stop()
	for _, err := range []error{rec.Text(&b, 10_000), rec.SVG(&b), rec.HAR(&b)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	parseHAR(t, rec)
	return b.String()
}

// Every place that can hold a secret holds its own. The client uses all of
// these places, and the server answers with more.
func TestSecrets_notWritten(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Set-Cookie", "session=secret-set-cookie")
		h.Set("X-Token", "secret-answered")
		h.Set("Link", "<http://user:secret-link@h.test/>; rel=next")
		if r.URL.Path == "/moved" {
			h.Set("Location", "http://user:secret-location@"+r.Host+"/landed?key=query-location#fragment=query-fragment")
			w.WriteHeader(http.StatusFound)
		}
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	use := func(rec *waterfall.Recorder) func() {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(&url.URL{Scheme: "http", Host: host}, []*http.Cookie{{Name: "jar", Value: "secret-jar"}})
		c := client.Client{
			HTTP:    &http.Client{Transport: rec.Transport(client.NewTransport()), Jar: jar},
			Header:  http.Header{"X-Token": {"secret-header"}},
			Auth:    func(r *http.Request) error { r.Header.Set("Authorization", "Bearer secret-auth"); return nil },
			Observe: rec.Observe,
		}
		return func() {
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				p.Get("http://user:secret-userinfo@"+host+"/?key=query-asked",
					parallel.Header("x-token", "secret-own"),
					parallel.Header("Cookie", "a=secret-cookie"),
					parallel.Header("Proxy-Authorization", "secret-proxy"),
					parallel.Header("Referer", "http://user:secret-referer@h.test/?key=query-referer"))
				p.Get("http://" + host + "/moved")
				p.Get("http://user:secret-unparsable@" + host + "/%zz?key=query-unparsable")
				p.Get("user:secret-relative@" + host)
				p.Get("http://" + host + "/#fragment=query-alone")
				p.Get("http://"+host, func(*parallel.Request) error {
					return errors.New("as http://user:secret-error@h.test/?key=query-error says")
				})
				return drain(p)
			})
			c.HTTP.CloseIdleConnections()
		}
	}
	for _, tt := range []struct {
		name  string
		rec   *waterfall.Recorder
		never []string
		shown []string
	}{
		{"with queries", &waterfall.Recorder{Redact: []string{"x-tOKEN"}}, []string{"secret-"}, []string{"key=query-asked", "key=query-location"}},
		{"without queries", &waterfall.Recorder{Redact: []string{"X-Token"}, RedactQuery: true}, []string{"secret-", "query-"}, []string{"key=***"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := written(t, tt.rec, use(tt.rec))
			for _, never := range tt.never {
				if i := strings.Index(got, never); i >= 0 {
					t.Errorf("the output has %q: ...%q", never, got[max(0, i-100):min(len(got), i+40)])
				}
			}
			for _, shown := range append(tt.shown, `"`+srv.URL+"/?key=", `"Authorization"`, `"Cookie"`, `"Set-Cookie"`, `"X-Token"`, `"Proxy-Authorization"`) {
				if !strings.Contains(got, shown) {
					t.Errorf("the output lacks %q", shown)
				}
			}
		})
	}
}

// Bodies limits how much of each body is kept. Without it none is.
func TestBodies_limit(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		io.Copy(w, r.Body)
	}))
	defer srv.Close()
	for _, tt := range []struct {
		name       string
		bodies     int
		path, body string
		want       harText
	}{
		{"none", 0, "/", "sent and answered", harText{}},
		{"whole", 17, "/", "sent and answered", harText{Text: "sent and answered"}},
		{"in part", 4, "/", "sent and answered", harText{Text: "sent", Comment: "the first 4 bytes of 17"}},
		{"up to a character", 2, "/", "aé", harText{Text: "a", Comment: "the first 2 bytes of 3"}},
		{"not text", 17, "/", "\x00\xff", harText{Text: "AP8=", Encoding: "base64"}},
		{"sent twice", 17, "/moved", "sent and answered", harText{Text: "sent and answered"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := waterfall.Recorder{Bodies: tt.bodies}
			hc := &http.Client{Transport: rec.Transport(client.NewTransport())}
			defer hc.CloseIdleConnections()
			c := client.Client{HTTP: hc, BaseURL: srv.URL, Observe: rec.Observe}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				b, err := p.Post(tt.path, parallel.Body("text/plain", strings.NewReader(tt.body))).Bytes()
				if string(b) != tt.body || err != nil {
					t.Errorf("the response is %q, %v; want %q", b, err, tt.body)
				}
				return nil
			})
			e := parseHAR(t, &rec)[0]
			if got := *e.Response.Content; got.Text != tt.want.Text || got.Encoding != tt.want.Encoding || got.Comment != tt.want.Comment {
				t.Errorf("the response body is %+v, want %+v", got, tt.want)
			}
			sent := e.Request.PostData
			if (sent == nil) != (tt.bodies == 0) {
				t.Errorf("the request body is %+v", sent)
			} else if sent != nil && (sent.Text != tt.want.Text || sent.MimeType != "text/plain" || sent.Comment != tt.want.Comment) {
				t.Errorf("the request body is %+v, want %+v", sent, tt.want)
			}
		})
	}
}

// twice is a transport that sends a body twice, as net/http does when a kept
// connection turns out to be broken. It reads and answers a byte at a time.
type twice struct{}

func (twice) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	again, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer again.Close()
	io.Copy(io.Discard, iotest.OneByteReader(again))
	return &http.Response{StatusCode: 200, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader("answered")))}, nil
}

func TestBodies_sentAgainKeptOnce(t *testing.T) {
	rec := waterfall.Recorder{Bodies: 6}
	c := client.Client{HTTP: &http.Client{Transport: rec.Transport(twice{})}, Observe: rec.Observe}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		_, err := p.Post("http://h.test/", parallel.JSON("sent")).Bytes()
		return err
	})
	e := parseHAR(t, &rec)[0]
	if got, want := *e.Request.PostData, (harText{MimeType: "application/json", Text: `"sent"`}); got != want {
		t.Errorf("the request body is %+v, want %+v", got, want)
	}
	if got := *e.Response.Content; got.Text != "answer" || got.Comment != "the first 6 bytes of 8" {
		t.Errorf("the response body is %+v", got)
	}
}

// The size of a body on the network is not known if the transport decompressed
// it.
func TestSizes(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/packed" {
			w.Write(make([]byte, 1000))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(make([]byte, 1000))
		z.Close()
	}))
	defer srv.Close()
	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		p.Get("/plain")
		p.Get("/packed")
		return drain(p)
	})
	for i, want := range []int64{1000, -1} {
		e := parseHAR(t, &rec)[i]
		if got := *e.Response.BodySize; got != want || e.Response.Content.Size != 1000 {
			t.Errorf("%s: the body has %d bytes of %d, want %d of 1000", *e.Request.URL, got, e.Response.Content.Size, want)
		}
	}
}

// A response whose body is too large still has its status.
func TestTooLarge_hasStatus(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1000)) }))
	defer srv.Close()
	var rec waterfall.Recorder
	c := client.Client{BaseURL: srv.URL, MaxBody: 100, Observe: rec.Observe}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		p.Get("/")
		return drain(p)
	})
	if e := parseHAR(t, &rec)[0]; *e.Response.Status != 200 || e.Comment != "too large" || e.Response.Error == "" {
		t.Errorf("the entry is %+v", e)
	}
}

// Transport sees the status of a response whose body breaks off, and the header
// that was sent.
func TestTransport_seesMore(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "9")
		io.WriteString(w, "a part")
	}))
	defer srv.Close()
	var rec waterfall.Recorder
	hc := &http.Client{Transport: rec.Transport(nil)}
	defer hc.CloseIdleConnections()
	c := client.Client{HTTP: hc, BaseURL: srv.URL, Observe: rec.Observe, Header: http.Header{"X-Client": {"its own"}}}
	c.Parallel(t.Context(), func(p *parallel.Parallel) error {
		p.Get("/")
		return drain(p)
	})
	resp, err := hc.Get(srv.URL) // not observed
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	entries := parseHAR(t, &rec)
	if e := entries[0]; len(entries) != 1 || e.Comment != "cut off" || *e.Response.Status != 200 || *(*e.Request.Headers)[0].Value != "its own" {
		t.Errorf("with Transport the entries are %+v", entries)
	}
}

package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// zipped returns text, compressed with gzip.
func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// x-gzip is gzip by another name (RFC 9110, section 8.4.1.3). A body in x-gzip
// was not decompressed, and JSON failed. It is now treated exactly as one in
// gzip.
func TestXGzip_decodedLikeGzip(t *testing.T) {
	const text = "a text that came packed"
	srv, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", r.FormValue("as"))
		packed := zipped(text)
		switch r.URL.Path {
		case "/empty":
			packed = ""
		case "/cut":
			packed = packed[:len(packed)-9]
		case "/not-packed":
			packed = text
		case "/long":
			packed = zipped(strings.Repeat("x", 1<<20))
		}
		io.WriteString(w, packed)
	}))
	type result struct {
		Body, Encoding, Length string
		ContentLength          int64
		Uncompressed           bool
		Err                    string
	}
	tests := map[string]struct {
		path   string
		client client.Client
		opts   []parallel.Option
		change func(*http.Transport)
	}{
		"plain":                       {path: "/"},
		"its own Accept-Encoding":     {path: "/", opts: []parallel.Option{parallel.Header("Accept-Encoding", "gzip")}},
		"the client's":                {path: "/", client: client.Client{Header: http.Header{"Accept-Encoding": {"gzip"}}}},
		"a range":                     {path: "/", opts: []parallel.Option{parallel.Header("Range", "bytes=0-9")}},
		"DisableCompression":          {path: "/", change: func(tr *http.Transport) { tr.DisableCompression = true }},
		"an empty body":               {path: "/empty"},
		"a body that was cut":         {path: "/cut"},
		"a body that is not gzip":     {path: "/not-packed"},
		"a body longer than MaxBody":  {path: "/long", client: client.Client{MaxBody: 1 << 10}},
		"a body as long as MaxBody":   {path: "/long", client: client.Client{MaxBody: 1 << 20}},
		"a body that is written away": {path: "/", opts: []parallel.Option{parallel.To(io.Discard)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tr := client.NewTransport()
			t.Cleanup(tr.CloseIdleConnections)
			if test.change != nil {
				test.change(tr)
			}
			test.client.HTTP = &http.Client{Transport: tr}
			outcome := func(as string) (r result) {
				resp, err := get(t, test.client, srv.URL+test.path+"?as="+as, test.opts...)
				if err != nil {
					if errors.Is(err, io.ErrUnexpectedEOF) != strings.Contains(err.Error(), "unexpected EOF") {
						t.Errorf("%v is not io.ErrUnexpectedEOF", err)
					}
					return result{Err: strings.ReplaceAll(err.Error(), "?as="+as, "")}
				}
				encoding := strings.ToLower(strings.Replace(resp.Header.Get("Content-Encoding"), as, "gzip", 1))
				return result{body(t, resp), encoding, resp.Header.Get("Content-Length"), resp.ContentLength, resp.Uncompressed, ""}
			}
			want := outcome("gzip")
			for _, as := range []string{"x-gzip", "X-GZip"} {
				if diff := cmp.Diff(want, outcome(as)); diff != "" {
					t.Errorf("(-gzip +%s):\n%s", as, diff)
				}
			}
		})
	}

	err := client.Parallel(t.Context(), func(p *parallel.Parallel) error { // a HEAD has no body
		resp, err := p.Head(srv.URL + "?as=x-gzip").Response()
		if err == nil && (resp.Uncompressed || resp.Header.Get("Content-Encoding") != "x-gzip") {
			t.Errorf("HEAD: Uncompressed is %t and the header %v, want them unchanged", resp.Uncompressed, resp.Header)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// For a body in br, the error of JSON was "invalid character '\x8b' looking for
// beginning of value", without a reason.
func TestJSON_namesEncoding(t *testing.T) {
	srv, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if as := r.FormValue("as"); as != "" {
			w.Header().Set("Content-Encoding", as)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "\x8b\x01\x80")
	}))
	long := strings.Repeat("z", 1<<10)
	for as, want := range map[string]string{
		"":          "",
		"identity":  "",
		"br":        `the body has Content-Encoding "br", which was not decoded: `,
		"zstd,gzip": `the body has Content-Encoding "zstd,gzip", which was not decoded: `,
		"deflate":   `the body has Content-Encoding "deflate", which was not decoded: `,
		long:        `the body has Content-Encoding "` + long[:40] + `", which was not decoded: `,
	} {
		client.Parallel(context.Background(), func(p *parallel.Parallel) error {
			u := srv.URL + "/?as=" + as
			var v any
			err := p.Get(u).JSON(&v)
			var syntax *json.SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("Content-Encoding %.10q: %v; want the decoder's error", as, err)
			} else if got, want := err.Error(), `Get "`+u+`": `+want+syntax.Error(); got != want {
				t.Errorf("Content-Encoding %.10q: %s\nwant %s", as, got, want)
			}
			return nil
		})
	}
}

package recipes_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
)

// The server breaks off after 400 KiB of what it sends. Three attempts have the
// whole MiB.
func ExampleResume() {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("Range: %q\n", r.Header.Get("Range"))
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(&cutting{w, 400 << 10}, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer srv.Close()
	f, err := os.CreateTemp("", "download")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()

	c := client.Client{
		HTTP:    &http.Client{Transport: recipes.Resuming(client.NewTransport())},
		Retry:   parallel.Retries(10),
		Stall:   time.Minute,
		Timeout: -1,
	}
	err = c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(srv.URL, recipes.Resume(f)).Bytes()
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := os.ReadFile(f.Name())
	fmt.Println(len(got), sha256.Sum256(got) == sha256.Sum256(content), err)
	// Output:
	// Range: ""
	// Range: "bytes=409599-"
	// Range: "bytes=819198-"
	// 1048576 true <nil>
}

// A cutting response breaks off after n bytes of its body.
type cutting struct {
	http.ResponseWriter
	n int
}

func (w *cutting) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(w.n, len(p))])
	if w.n -= n; w.n == 0 || err != nil {
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// In the end the file is the server's last version, however the server
// answers.
func TestResume(t *testing.T) {
	const size = 300_000
	random := rand.New(rand.NewPCG(1, 2))
	content := func() []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	first, second := content(), content()
	serve := func(etag string, b []byte, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
	for name, test := range map[string]struct {
		serve func(n int, w http.ResponseWriter, r *http.Request) // n requests have come before
		want  []byte
		over  bool // it starts over
	}{
		"the same file": {func(n int, w http.ResponseWriter, r *http.Request) { serve(`"v1"`, first, w, r) }, first, false},
		"another file": {func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 1 {
				serve(`"v1"`, first, w, r)
			} else {
				serve(`"v2"`, second, w, r)
			}
		}, second, true},
		"no Range": {func(n int, w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			serve(`"v1"`, first, w, r)
		}, first, true},
		"no If-Range, another file": {func(n int, w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			if n < 1 {
				serve(`"v1"`, first, w, r)
			} else {
				serve(`"v2"`, second, w, r)
			}
		}, second, true},
		"no ETag":     {func(n int, w http.ResponseWriter, r *http.Request) { w.Write(first) }, first, true},
		"a weak ETag": {func(n int, w http.ResponseWriter, r *http.Request) { serve(`W/"v1"`, first, w, r) }, first, true},
		"416": {func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				r.Header.Set("Range", "bytes=999999-")
				r.Header.Del("If-Range")
			}
			serve(`"v1"`, first, w, r)
		}, first, true},
		"another range": {func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				r.Header.Set("Range", "bytes=5-")
			}
			serve(`"v1"`, first, w, r)
		}, first, true},
		"an error between": {func(n int, w http.ResponseWriter, r *http.Request) {
			if n%2 == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			serve(`"v1"`, first, w, r)
		}, first, false},
		"no length": {func(n int, w http.ResponseWriter, r *http.Request) {
			serve(`"v1"`, first, struct{ http.ResponseWriter }{&chunked{w}}, r)
		}, first, false},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				f, err := os.Create(filepath.Join(t.TempDir(), "f"))
				if err != nil {
					t.Fatal(err)
				}
				f.WriteString(strings.Repeat("what was there before", 100_000))
				synctest.Test(t, func(t *testing.T) {
					cuts := rand.New(rand.NewPCG(seed, 0))
					came, sent := 0, int64(0)
					s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						n := came
						came++
						if n < 6 {
							cut := &cutting{w, 1 + cuts.IntN(size/8)}
							if seed == 0 {
								cut.n = size - 1 - n // close to the end
							}
							if seed == 1 && name == "no length" {
								cut.n = size // at the end: a length would say that this is all
							}
							w = cut
						}
						test.serve(n, counting{w, &sent}, r)
					}))
					c := client.Client{HTTP: &http.Client{Transport: recipes.Resuming(s.Transport)}, Retry: parallel.Retries(20), MaxBody: 1000}
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						if _, err := p.Get("http://h/", recipes.Resume(f)).Bytes(); err != nil {
							t.Errorf("seed %d: Bytes() error = %v", seed, err)
						}
						return nil
					})
					if again := sent > size+20; !test.over && again {
						t.Errorf("seed %d: %d bytes were sent, want %d and one for each attempt", seed, sent, size)
					}
				})
				f.Close()
				got, err := os.ReadFile(f.Name())
				if sha256.Sum256(got) != sha256.Sum256(test.want) || err != nil {
					t.Errorf("seed %d: %d bytes with another hash, %v", seed, len(got), err)
				}
			}
		})
	}
}

// A chunked response has no Content-Length.
type chunked struct{ http.ResponseWriter }

func (w *chunked) WriteHeader(status int) {
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
}

// A counting response adds the bytes of its body to n.
type counting struct {
	http.ResponseWriter
	n *int64
}

func (w counting) Write(p []byte) (int, error) {
	before := len(p)
	if c, ok := w.ResponseWriter.(*cutting); ok {
		before = min(before, c.n)
	}
	*w.n += int64(before)
	return w.ResponseWriter.Write(p)
}

// The body of another status is kept in memory, and requests without Resume are
// sent as they are.
func TestResume_others(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/none" {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprintf(w, "%q %q", r.Header.Get("Range"), r.Header.Get("Accept-Encoding"))
		}))
		c := client.Client{HTTP: &http.Client{Transport: recipes.Resuming(s.Transport)}, BaseURL: "http://h"}
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			var got []string
			for _, h := range []string{"/none", "/plain"} {
				var opts []parallel.Option
				if h == "/none" {
					opts = append(opts, recipes.Resume(f))
				}
				resp, err := p.Get(h, opts...).Response()
				if err != nil {
					return err
				}
				b, _ := io.ReadAll(resp.Body)
				got = append(got, string(b))
			}
			if diff := cmp.Diff([]string{`"" "identity"`, `"" "gzip"`}, got); diff != "" {
				t.Errorf("the server saw (-want +got):\n%s", diff)
			}
			return nil
		})
	})
}

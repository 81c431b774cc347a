package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 31.

// files returns the files of a folder, by name, with their content.
func files(t testing.TB, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			b = []byte(err.Error())
		}
		got[e.Name()] = string(b)
	}
	return got
}

// parts returns the number of temporary files in a folder.
func parts(t testing.TB, folder string) int {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(folder, "*.part"))
	if err != nil {
		t.Fatal(err)
	}
	return len(got)
}

func write(t testing.TB, name, content string, perm fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(name, []byte(content), 0o600), os.Chmod(name, perm)); err != nil {
		t.Fatal(err)
	}
}

// inFolder calls fn in a block, in fake time, with a folder in which the file
// "f" has the content "old".
func inFolder(t *testing.T, c client.Client, h http.HandlerFunc, fn func(t *testing.T, p *parallel.Parallel, folder string)) {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "f"), "old", 0o644)
	synctest.Test(t, func(t *testing.T) {
		c.HTTP, c.BaseURL = testnet.New(t, h).Client(), "http://h"
		c.Parallel(t.Context(), func(p *parallel.Parallel) error { fn(t, p, folder); return nil })
	})
}

func sendNew(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "new") }

// The file has the body of a 2xx response. The body of any other status stays
// in memory.
func TestFile_receives2xxOnly(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
		if status != 204 {
			io.WriteString(w, "new")
		}
	}
	for _, test := range []struct{ method, path, file, kept string }{
		{"GET", "/200", "new", ""},
		{"POST", "/206", "new", ""},
		{"GET", "/204", "", ""},
		{"HEAD", "/200", "", ""},
		{"GET", "/300", "old", "new"},
		{"GET", "/404", "old", "new"},
	} {
		inFolder(t, client.Client{}, handler, func(t *testing.T, p *parallel.Parallel, folder string) {
			req, err := http.NewRequest(test.method, test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			kept := text(t, p.Do(req, parallel.File(filepath.Join(folder, "f"))))
			if diff := cmp.Diff(map[string]string{"f": test.file}, files(t, folder)); diff != "" || kept != test.kept {
				t.Errorf("%s %s: the handle has %q, want %q; files (-want +got):\n%s", test.method, test.path, kept, test.kept, diff)
			}
		})
	}
}

// A new file has the permission bits that os.Create gives, and one that takes
// the place of another has those of the other.
func TestFile_permissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	inFolder(t, client.Client{}, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
		perm := func(name string) fs.FileMode {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			return info.Mode()
		}
		created, err := os.Create(filepath.Join(folder, "created"))
		if err != nil {
			t.Fatal(err)
		}
		created.Close()
		name := filepath.Join(folder, "name")
		var during []fs.FileMode
		for _, old := range []fs.FileMode{0, 0o600, 0o666, 0o777, 0o444, 0o640} {
			want := old
			if old == 0 {
				want = perm(created.Name())
			} else {
				write(t, name, "old", old)
			}
			_, err := p.Get("/", parallel.File(name), func(r *parallel.Request) error {
				next := r.Take
				r.Take = func(resp *http.Response) (io.Writer, error) {
					w, err := next(resp)
					part, _ := filepath.Glob(name + ".*.part")
					during = append(during, perm(part[0]))
					return w, err
				}
				return nil
			}).Bytes()
			if got := perm(name); err != nil || got != want || during[len(during)-1] != want {
				t.Errorf("with %v before: Bytes() error = %v, the mode is %v, and was %v meanwhile; want %v", old, err, got, during[len(during)-1], want)
			}
			os.Remove(name)
		}
	})
}

// However a request fails, nothing is left behind, and the file that was there
// before is unchanged.
func TestFile_failure(t *testing.T) {
	errUser := errors.New("the user's error")
	half := func(end func(r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "ne")
			w.(http.Flusher).Flush()
			end(r)
		}
	}
	stays := half(func(r *http.Request) { <-r.Context().Done() })
	wrapped := func(f writeFunc) parallel.Option {
		return func(r *parallel.Request) error {
			next := r.Take
			r.Take = func(resp *http.Response) (io.Writer, error) {
				w, err := next(resp)
				return io.MultiWriter(w, f), err
			}
			return nil
		}
	}
	var h *pending.Pending
	var cancel context.CancelFunc
	retries := func(f func()) parallel.Option {
		return parallel.Retry(func(parallel.Attempt) (time.Duration, bool) { f(); return 0, false })
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		opts    []parallel.Option
		after   time.Duration
		cancel  bool
		leave   bool // fn returns
		want    error
	}{
		"the body breaks off":   {handler: half(func(*http.Request) { panic(http.ErrAbortHandler) }), want: io.ErrUnexpectedEOF},
		"Cancel":                {handler: stays, after: time.Second, cancel: true, want: context.Canceled},
		"the end of the block":  {handler: stays, after: time.Second, leave: true, want: parallel.ErrEnded},
		"Timeout":               {handler: stays, opts: []parallel.Option{parallel.Timeout(time.Second)}, want: context.DeadlineExceeded},
		"a Write that fails":    {handler: sendNew, opts: []parallel.Option{wrapped(func([]byte) (int, error) { return 0, errUser })}, want: errUser},
		"a Write that panics":   {handler: sendNew, opts: []parallel.Option{wrapped(func([]byte) (int, error) { panic(errUser) })}, want: errUser},
		"a Goexit in a Write":   {handler: sendNew, opts: []parallel.Option{wrapped(func([]byte) (int, error) { runtime.Goexit(); return 0, nil })}},
		"a Retry that panics":   {handler: sendNew, opts: []parallel.Option{retries(func() { panic(errUser) })}, want: errUser},
		"a Goexit in a Retry":   {handler: sendNew, opts: []parallel.Option{retries(runtime.Goexit)}},
		"a Cancel in a Retry":   {handler: sendNew, opts: []parallel.Option{retries(func() { synctest.Wait(); h.Cancel() })}, want: context.Canceled},
		"its context's end":     {handler: sendNew, opts: []parallel.Option{retries(func() { cancel() })}, want: context.Canceled},
		"the block's as it was": {handler: sendNew, opts: []parallel.Option{retries(func() { time.Sleep(2 * time.Second) })}, after: time.Second, leave: true, want: parallel.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, "f")
			write(t, file, "old", 0o644)
			synctest.Test(t, func(t *testing.T) {
				c := client.Client{HTTP: testnet.New(t, test.handler).Client()}
				var ctx context.Context
				ctx, cancel = context.WithCancel(t.Context())
				defer cancel()
				func() {
					defer func() { recover() }()
					c.Parallel(t.Context(), func(p *parallel.Parallel) error {
						req, err := http.NewRequestWithContext(ctx, "GET", "http://h/", nil)
						if err != nil {
							t.Fatal(err)
						}
						h = p.Do(req, append([]parallel.Option{parallel.File(file)}, test.opts...)...)
						if test.after > 0 {
							time.Sleep(test.after)
							if n := parts(t, folder); n != 1 {
								t.Errorf("%d temporary files meanwhile, want 1", n)
							}
						}
						if test.cancel {
							h.Cancel()
						}
						if !test.leave {
							<-h.Done()
						}
						return nil
					})
				}()
				if err := failure(t, h); test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("Response() error = %v, want one that matches %v", err, test.want)
				}
				if diff := cmp.Diff(map[string]string{"f": "old"}, files(t, folder)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A cancel counts until the file has its name. Here the body of the request is
// closed only after the response is whole.
func TestFile_canceledLate(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		send := func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("new")), ContentLength: 3}, nil
		}
		parallel.Run(t.Context(), parallel.Config{Send: send}, func(p *parallel.Parallel) error {
			var h *pending.Pending
			body := &hostileBody{func() {}, func() {
				synctest.Wait() // until h is known
				h.Cancel()
			}}
			h = p.Post("http://h/", parallel.Body("", body), parallel.File(filepath.Join(folder, "f")))
			if err := failure(t, h); !errors.Is(err, context.Canceled) {
				t.Errorf("Response() error = %v, want one that matches context.Canceled", err)
			}
			return nil
		})
	})
	if diff := cmp.Diff(map[string]string{}, files(t, folder)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Each attempt has a temporary file of its own, which is removed before the
// pause.
func TestFile_retried(t *testing.T) {
	came := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		if came++; came < 3 {
			io.WriteString(w, "ne")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "new")
	}
	inFolder(t, client.Client{Retry: every(time.Minute, 5)}, handler, func(t *testing.T, p *parallel.Parallel, folder string) {
		h := p.Get("/", parallel.File(filepath.Join(folder, "f")))
		time.Sleep(30 * time.Second)
		if diff := cmp.Diff(map[string]string{"f": "old"}, files(t, folder)); diff != "" {
			t.Errorf("files in the pause (-want +got):\n%s", diff)
		}
		_, err := h.Bytes()
		if diff := cmp.Diff(map[string]string{"f": "new"}, files(t, folder)); diff != "" || err != nil || came != 3 {
			t.Errorf("Bytes() error = %v after %d attempts, files (-want +got):\n%s", err, came, diff)
		}
	})
}

// If Retry refuses a 2xx response, the file is removed. If the body of the
// request then cannot be opened again, the request fails.
func TestFile_retriedInVain(t *testing.T) {
	errUser := errors.New("the body cannot be opened again")
	inFolder(t, client.Client{Retry: every(0, 5)}, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
		opens := 0
		err := failure(t, p.Post("/", parallel.File(filepath.Join(folder, "f")), func(r *parallel.Request) error {
			r.ContentLength = 4
			r.GetBody = func() (io.ReadCloser, error) {
				if opens++; opens > 1 {
					return nil, errUser
				}
				return io.NopCloser(strings.NewReader("body")), nil
			}
			r.Body = io.NopCloser(strings.NewReader("body"))
			r.Retry = func(parallel.Attempt) (time.Duration, bool) { return 0, true }
			return nil
		}))
		if !strings.Contains(err.Error(), "the partial file was removed") {
			t.Errorf("Response() error = %v", err)
		}
		if diff := cmp.Diff(map[string]string{"f": "old"}, files(t, folder)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}

// A name that is not that of a regular file is refused before anything is sent,
// and so is one in a folder that does not exist: it was sent in vain.
func TestFile_refusedName(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.URL) }
	inFolder(t, client.Client{}, handler, func(t *testing.T, p *parallel.Parallel, folder string) {
		at := func(name string) string { return filepath.Join(folder, name) }
		if err := errors.Join(os.Mkdir(at("folder"), 0o755), os.Symlink("f", at("link")), os.Symlink("none", at("dangling"))); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"":                           `invalid file name ""`,
			folder + "/":                 "invalid file name",
			at("folder") + "/..":         "invalid file name",
			".":                          `invalid file name "."`,
			at("folder"):                 "it is a folder, not a regular file",
			at("link"):                   "it is a symbolic link, not a regular file",
			at("dangling"):               "it is a symbolic link, not a regular file",
			os.DevNull:                   "it is a special file, not a regular file",
			at("f/g"):                    "not a directory",
			at("none/f"):                 "no folder for the file: stat " + at("none") + ": no such file or directory",
			at(strings.Repeat("x", 999)): "name too long",
		} {
			err := failure(t, p.Get("/", parallel.File(name)))
			var ue *url.Error
			if !strings.Contains(err.Error(), want) || !errors.Is(err, pending.ErrNotSent) || !errors.As(err, &ue) {
				t.Errorf("File(%q): error = %v; want a *url.Error with %q that matches ErrNotSent", name, err, want)
			}
		}
		for _, name := range []string{"folder", "link", "dangling"} {
			os.Remove(at(name))
		}
		if diff := cmp.Diff(map[string]string{"f": "old"}, files(t, folder)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}

// What happens to the folder while the body comes is an error of the request.
func TestFile_folderChanges(t *testing.T) {
	for name, test := range map[string]struct {
		change func(folder string) error // while the body comes
		want   error
		left   map[string]string // nil if the folder is gone
	}{
		"the folder is removed": {os.RemoveAll, fs.ErrNotExist, nil},
		"the folder is renamed": {func(folder string) error { return os.Rename(folder, folder+".moved") }, fs.ErrNotExist, nil},
		"the temporary file is removed": {func(folder string) error {
			part, err := filepath.Glob(filepath.Join(folder, "*.part"))
			return errors.Join(err, os.Remove(part[0]))
		}, fs.ErrNotExist, map[string]string{"f": "old"}},
		"the name becomes a link": {func(folder string) error {
			f := filepath.Join(folder, "f")
			return errors.Join(os.Remove(f), os.Symlink("elsewhere", f), os.WriteFile(filepath.Join(folder, "elsewhere"), []byte("old"), 0o644))
		}, nil, map[string]string{"f": "old", "elsewhere": "old"}},
	} {
		t.Run(name, func(t *testing.T) {
			arrived, changed := make(chan struct{}), make(chan struct{})
			handler := func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "new")
				w.(http.Flusher).Flush()
				close(arrived)
				<-changed
			}
			top := t.TempDir()
			folder := filepath.Join(top, "folder")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, "f"), "old", 0o644)
			c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(handler)).Client()}
			c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				begun := make(chan struct{})
				h := p.Get("http://h/", parallel.File(filepath.Join(folder, "f")), func(r *parallel.Request) error {
					next := r.Take
					r.Take = func(resp *http.Response) (io.Writer, error) { defer close(begun); return next(resp) }
					return nil
				})
				<-arrived
				<-begun
				if err := test.change(folder); err != nil {
					t.Error(err)
				}
				close(changed)
				if err := failure(t, h); test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("Response() error = %v, want one that matches %v", err, test.want)
				}
				return nil
			})
			if test.left != nil {
				if diff := cmp.Diff(test.left, files(t, folder)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// A file that cannot be created is the error of the request, and Retry is not
// called.
func TestFile_cannotBeCreated(t *testing.T) {
	retry := func(a parallel.Attempt) (time.Duration, bool) {
		t.Errorf("Retry was called: %v", a.Err)
		return 0, false
	}
	inFolder(t, client.Client{Retry: retry}, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
		gone, locked := filepath.Join(folder, "gone"), filepath.Join(folder, "locked")
		if err := errors.Join(os.Mkdir(gone, 0o755), os.Mkdir(locked, 0o555)); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]error{
			filepath.Join(gone, "f"):   fs.ErrNotExist,
			filepath.Join(locked, "f"): fs.ErrPermission,
		} {
			if want == fs.ErrPermission && (os.Geteuid() == 0 || runtime.GOOS == "windows") {
				t.Log("not tried: a folder in which root, or Windows, may write all the same")
				continue
			}
			h := p.Get("/", parallel.File(name), parallel.After(time.Second))
			os.Remove(gone)
			err := failure(t, h)
			if !errors.Is(err, want) || errors.Is(err, pending.ErrNotSent) {
				t.Errorf("File(%q): error = %v, want one that matches %v and not ErrNotSent", name, err, want)
			}
		}
	})
}

// Of two requests for one name, the last to end has the file, and both are
// whole.
func TestFile_oneName(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, r.URL.Path)
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
		if r.URL.Path == "/b" {
			time.Sleep(time.Second)
		}
	}
	inFolder(t, client.Client{}, handler, func(t *testing.T, p *parallel.Parallel, folder string) {
		file := parallel.File(filepath.Join(folder, "f"))
		a, b := p.Get("/a", file), p.Get("/b", file)
		time.Sleep(1500 * time.Millisecond)
		if n := parts(t, folder); n != 2 {
			t.Errorf("%d temporary files, want 2", n)
		}
		for _, step := range []struct {
			h    *pending.Pending
			want string
		}{{a, "/a/a/a"}, {b, "/b/b/b"}} {
			if _, err := step.h.Bytes(); err != nil || files(t, folder)["f"] != step.want {
				t.Errorf("Bytes() error = %v, and the file has %q; want %q", err, files(t, folder)["f"], step.want)
			}
		}
		if n := parts(t, folder); n != 0 {
			t.Errorf("%d temporary files are left", n)
		}
	})
}

// Once the file has its name, a Cancel is late.
func TestFile_lateCancel(t *testing.T) {
	var h *pending.Pending
	made := make(chan struct{})
	c := client.Client{Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
		return nil, func(o pending.Outcome) {
			<-made
			h.Cancel()
			if o.Err != nil {
				t.Errorf("the observer was told %v", o.Err)
			}
		}
	}}
	inFolder(t, c, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
		h = p.Get("/", parallel.File(filepath.Join(folder, "f")))
		close(made)
		_, err := h.Bytes()
		if diff := cmp.Diff(map[string]string{"f": "new"}, files(t, folder)); diff != "" || err != nil {
			t.Errorf("Bytes() error = %v, files (-want +got):\n%s", err, diff)
		}
	})
}

// The observer is told when the file has its name, or why it has not. From then
// on it is too late to cancel the request.
func TestFile_observed(t *testing.T) {
	type told struct{ File, Err string }
	for _, lost := range []bool{false, true} {
		var got told
		var folder string
		var h *pending.Pending
		c := client.Client{Observe: func(*http.Request) (context.Context, func(pending.Outcome)) {
			return nil, func(o pending.Outcome) {
				got.File = files(t, folder)["f"]
				if o.Err != nil {
					got.Err = "an error"
				}
				h.Cancel()
			}
		}}
		inFolder(t, c, sendNew, func(t *testing.T, p *parallel.Parallel, in string) {
			folder = in
			h = p.Get("/", parallel.File(filepath.Join(folder, "f")), parallel.Retry(func(parallel.Attempt) (time.Duration, bool) {
				synctest.Wait() // until h is known
				if lost {
					part, _ := filepath.Glob(filepath.Join(folder, "*.part"))
					os.Remove(part[0])
				}
				return 0, false
			}))
			_, err := h.Response()
			want := told{"new", ""}
			if lost {
				want = told{"old", "an error"}
			}
			if (err != nil) != lost || errors.Is(err, context.Canceled) {
				t.Errorf("Response() error = %v, want one: %t, and not of the Cancel", err, lost)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the observer saw (-want +got):\n%s", diff)
			}
		})
	}
}

// The name may have as many bytes as the system allows, and is relative to the
// folder in which the request was made.
func TestFile_names(t *testing.T) {
	inFolder(t, client.Client{}, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
		long := strings.Repeat("ü", 127)
		want := map[string]string{"f": "new", long: "new", ".hidden": "new", "a b%20c": "new"}
		t.Chdir(folder)
		var hs []*pending.Pending
		for name := range want {
			hs = append(hs, p.Get("/", parallel.File(name), parallel.After(time.Second)))
		}
		t.Chdir(t.TempDir())
		for _, h := range hs {
			if _, err := h.Bytes(); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(want, files(t, folder)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}

// The last of several options counts. An option that wraps the Take of File
// does not lose the file.
func TestFile_otherOptions(t *testing.T) {
	var w strings.Builder
	tee := func(r *parallel.Request) error {
		next := r.Take
		r.Take = func(resp *http.Response) (io.Writer, error) {
			if _, err := next(resp); err != nil { // a file that is dropped for the next one
				return nil, err
			}
			to, err := next(resp)
			return io.MultiWriter(to, &w), err
		}
		return nil
	}
	for name, test := range map[string]struct {
		opts func(file parallel.Option) []parallel.Option
		file string
	}{
		"To after File": {func(f parallel.Option) []parallel.Option { return []parallel.Option{f, parallel.To(&w)} }, "old"},
		"File after To": {func(f parallel.Option) []parallel.Option { return []parallel.Option{takeNone(io.EOF), f, tee} }, "new"},
		"a wrapped one": {func(f parallel.Option) []parallel.Option { return []parallel.Option{f, tee} }, "new"},
	} {
		w.Reset()
		inFolder(t, client.Client{}, sendNew, func(t *testing.T, p *parallel.Parallel, folder string) {
			_, err := p.Get("/", test.opts(parallel.File(filepath.Join(folder, "f")))...).Bytes()
			if diff := cmp.Diff(map[string]string{"f": test.file}, files(t, folder)); diff != "" || err != nil || w.String() != "new" {
				t.Errorf("%s: Bytes() error = %v, wrote %q, files (-want +got):\n%s", name, err, w.String(), diff)
			}
		})
	}
}

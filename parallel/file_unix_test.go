//go:build unix

package parallel_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// childEnv makes TestFile_child a program: "limit" or "crash", a URL and a
// file, each on a line.
const childEnv = "ABREAST_FILE_TEST"

// TestFile_child runs in a process that TestFile_diskFull or TestFile_killed
// starts: it writes a file.
func TestFile_child(t *testing.T) {
	args := strings.Split(os.Getenv(childEnv), "\n")
	if len(args) != 3 {
		t.Skip("not started by another test")
	}
	fetch := func(opts ...parallel.Option) error {
		return client.Parallel(context.Background(), func(p *parallel.Parallel) error {
			_, err := p.Get(args[1], append(opts, parallel.File(args[2]))...).Bytes()
			return err
		})
	}
	switch args[0] {
	case "limit":
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 16, Max: 1 << 16}); err != nil {
			t.Skip(err)
		}
		if err := fetch(); !errors.Is(err, syscall.EFBIG) || errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Bytes() error = %v, want one that matches EFBIG", err)
		}
	case "crash":
		fetch(parallel.Retry(func(parallel.Attempt) (time.Duration, bool) {
			os.Stdout.WriteString("the body is whole\n")
			select {}
		}))
	}
}

// startChild starts TestFile_child.
func startChild(t *testing.T, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFile_child$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(args, "\n"))
	out, err := cmd.StdoutPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func serveBody(t *testing.T, size int) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, size)) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A disk that is full fails the request, and nothing is left behind. A limit
// for the size of a file stands for the full disk.
func TestFile_diskFull(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "f")
	write(t, file, "old", 0o644)
	cmd, out := startChild(t, "limit", serveBody(t, 1<<20), file)
	b, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil || strings.Contains(string(b), "SKIP") {
		t.Fatalf("%v\n%s", err, b)
	}
	if diff := cmp.Diff(map[string]string{"f": "old"}, files(t, folder)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// If the program is killed before the rename, the file that was there before is
// unchanged, and at most a temporary file is left.
func TestFile_killed(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "f")
	write(t, file, "old", 0o644)
	cmd, out := startChild(t, "crash", serveBody(t, 1<<20), file)
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "the body is whole" {
	}
	cmd.Process.Kill()
	cmd.Wait()
	left := files(t, folder)
	if left["f"] != "old" || len(left) != 2 || parts(t, folder) != 1 {
		t.Errorf("%d files are left, and f is %q; want it and a temporary file", len(left), left["f"])
	}
}

// A named pipe is refused, and is not opened: that would block.
func TestFile_pipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	parallel.Run(t.Context(), parallel.Config{}, func(p *parallel.Parallel) error {
		if err := failure(t, p.Get("http://h/", parallel.File(pipe))); !errors.Is(err, pending.ErrNotSent) {
			t.Errorf("Response() error = %v, want one that matches ErrNotSent", err)
		}
		return nil
	})
}

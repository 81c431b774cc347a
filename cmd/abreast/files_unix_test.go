//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() {
	programs["with 64 files"] = func() { limitFiles(64, 0) }
	programs["with 64 files, 30 in use"] = func() { limitFiles(64, 30) }
}

// limitFiles lowers the limit of open files, as ulimit -n does, and opens some.
func limitFiles(most uint64, used int) {
	limit := syscall.Rlimit{Cur: most, Max: most}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	for range used {
		if _, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0); err != nil {
			panic(err)
		}
	}
}

// Of 2,000 lines, 1,945 failed in 0.2 s under ulimit -n 64.
func TestFiles_limited(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(time.Millisecond)
		io.WriteString(w, "good")
	})
	for _, tt := range []struct {
		as   string
		args []string
		says string
	}{
		{"with 64 files", nil, "-limit 100 is lowered to 48: this process may have 64 files open (ulimit -n)\n"},
		{"with 64 files", []string{"-dir", t.TempDir()}, "-limit 100 is lowered to 24: "},
		{"with 64 files", []string{"-limit", "48"}, ""},
		{"with 64 files, 30 in use", nil, "-limit 100 is lowered to 48: "},
	} {
		cmd := program(t, append(tt.args, "-")...)
		cmd.Env = append(os.Environ(), asProgram+"="+tt.as)
		cmd.Stdin = strings.NewReader(strings.Repeat(up+"\n", 2000))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		records := byLine(t, parse(t, &stdout))
		if cmd.ProcessState.ExitCode() != exitGood || len(records) != 2000 {
			t.Errorf("%s, %q: exit status %d, %d results; it says:\n%s", tt.as, tt.args, cmd.ProcessState.ExitCode(), len(records), &stderr)
		}
		for _, r := range records {
			if r.Attempts != 1 {
				t.Errorf("line %d has %d attempts; want 1, as one that finds no descriptor does not count", r.Line, r.Attempts)
				break
			}
		}
		warned := strings.Contains(stderr.String(), "is lowered")
		if !strings.Contains(stderr.String(), tt.says) || warned != (tt.says != "") {
			t.Errorf("%s, %q: it says:\n%s", tt.as, tt.args, &stderr)
		}
	}
}

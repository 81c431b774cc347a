package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test binary is the program too, if asProgram is in its environment.
const asProgram = "HANDLER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns a command that runs the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func TestOnce_showsBothWaterfalls(t *testing.T) {
	var stderr bytes.Buffer
	cmd := program(t, "-once")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%v, and it says %s", err, &stderr)
	}
	for _, text := range []string{"One after another: ", "Side by side: ", "pages are as they should be"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("it doesn't print %q", text)
		}
	}
	for _, row := range []string{"GET price/7 ", "GET reviews/7 ", "GET recommendations/7 "} {
		if n := strings.Count(string(out), row); n != 2 {
			t.Errorf("%d rows of %s, want one in each waterfall", n, row)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

func TestOnce_namesWrongPages(t *testing.T) {
	s, _ := open(t, services())
	s.patience = 2 * time.Second // shorter than what is to be late takes
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/product/7":
			http.Error(w, "Gooseneck kettle", http.StatusTeapot)
		case "/product/999":
			w.WriteHeader(http.StatusNotFound)
		default:
			s.handler().ServeHTTP(w, r)
		}
	}))
	defer web.Close()
	var out bytes.Buffer
	err := visit(t.Context(), web.URL, &out)
	var got []string
	for line := range strings.Lines(fmt.Sprint(err)) {
		if strings.HasPrefix(line, "/") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`/product/7: 418 I'm a teapot, want 200 with "Gooseneck kettle" in it:`,
		`/product/999: 404 Not Found, want 404 with "There is no such product" in it:`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visit: -want +got:\n%s", diff)
	}
	if strings.Contains(out.String(), "as they should be") {
		t.Errorf("it prints %s", &out)
	}
}

func TestMain_badFlags(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"an address that is taken": {[]string{"-addr", taken.Addr().String()}, 1, "-addr says where else"},
		"and for one visit":        {[]string{"-once", "-addr", taken.Addr().String()}, 1, "-addr says where else"},
		"no address":               {[]string{"-addr", "nowhere"}, 1, "missing port"},
		"no flag":                  {[]string{"once"}, 2, `"once" is not a flag`},
		"an unknown flag":          {[]string{"-port", "80"}, 2, "-addr host:port"},
		"a question":               {[]string{"-h"}, 0, "-addr host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t, tt.args...)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != tt.status || !strings.Contains(string(out), tt.says) {
				t.Errorf("exit status %d, want %d with %q in\n%s", got, tt.status, tt.says, out)
			}
		})
	}
}

// running starts the program, and waits for it to say where the shop is.
func running(t *testing.T) (_ *exec.Cmd, url string) {
	t.Helper()
	cmd := program(t, "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(strings.TrimPrefix(line, "the shop is at "))
}

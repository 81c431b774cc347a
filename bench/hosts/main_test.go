package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asProgram is the environment variable that makes the test binary behave as
// the program. Every process that the tests start has it.
const asProgram = "HOSTS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Setenv(asProgram, "1")
	os.Exit(m.Run())
}

// Every request to every host gets its response, with either client. The table
// shows that, and that each host got a connection.
func TestProgram_table(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127/8")
	}
	out, err := hosts("-hosts", "20", "-rounds", "3")
	if err != nil {
		t.Fatal(err, out)
	}
	type cells struct{ what, client, failed string }
	var got, want []cells
	for _, what := range []string{"20 hosts, 1 each, HTTP", "20 hosts, 10 each, HTTP", "20 hosts, 1 each, HTTPS", "20 hosts, 10 each, HTTPS"} {
		for _, client := range clients {
			want = append(want, cells{what, client, "0"})
		}
	}
	for _, row := range strings.Split(strings.TrimSpace(out), "\n")[2:] {
		c := strings.Split(strings.Trim(row, "| "), " | ")
		if len(c) != 7 {
			t.Fatalf("the row %q has %d cells, want 7", row, len(c))
		}
		got = append(got, cells{c[0], c[1], c[2]})
		if strings.Contains(c[0], "1 each") && c[5] != "20" {
			t.Errorf("%s, %s: %s connections, want 20", c[0], c[1], c[5])
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(cells{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// Requests that fail are counted, and the first error is reported.
func TestProgram_countsFailures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127/8")
	}
	for _, client := range clients {
		out, err := hosts("-client", client, "-scheme", "http", "-port", "1", "-hosts", "3", "-each", "2") // nobody listens there
		if err != nil || !strings.Contains(out, `"Failed":6`) || !strings.Contains(out, "connection refused") {
			t.Errorf("%s: %v, %s; want 6 failures", client, err, out)
		}
	}
}

func TestProgram_badUsage(t *testing.T) {
	for _, args := range [][]string{{"-hosts", "0"}, {"-hosts", "60001"}, {"-rounds", "0"}, {"-each", "-1"}, {"x"}, {"-client", "x"}} {
		if out, err := hosts(args...); err == nil {
			t.Errorf("hosts %q succeeded: %s", args, out)
		}
	}
}

// hosts runs the program and returns what it prints.
func hosts(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(self, args...).CombinedOutput()
	return string(out), err
}

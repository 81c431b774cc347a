package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// The test binary is the program too, if asProgram is in its environment. A
// program that the tests built for themselves would not be known to the test
// cache, which would go on saying ok, and not be built with -race.
const asProgram = "ABREAST_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if prepare := programs[os.Getenv(asProgram)]; prepare != nil {
			prepare()
		}
		main()
	}
	os.Exit(m.Run())
}

// programs has what the program does before main, by the value of asProgram.
var programs = map[string]func(){}

// program returns a command that runs the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// A ran is the result of running the program.
type ran struct {
	status         int
	stdout, stderr string
	records        []lines.Result
}

// abreast runs the program with a standard input; a nil one is the null
// device.
func abreast(t *testing.T, stdin io.Reader, args ...string) ran {
	t.Helper()
	cmd := program(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := ran{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if !strings.HasPrefix(got.stdout, "Usage") {
		got.records = parse(t, &stdout)
	}
	return got
}

// parse reads lines of JSON.
func parse(t *testing.T, r io.Reader) (records []lines.Result) {
	t.Helper()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for dec.More() {
		var rec lines.Result
		if err := dec.Decode(&rec); err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
	return records
}

// byLine checks that lines have one record each, and returns them by their
// number.
func byLine(t *testing.T, records []lines.Result) map[int]lines.Result {
	t.Helper()
	m := make(map[int]lines.Result)
	for _, r := range records {
		if _, twice := m[r.Line]; twice {
			t.Errorf("line %d has two lines of output", r.Line)
		}
		m[r.Line] = r
	}
	return m
}

// A running is the program while it runs, with its standard input open.
type running struct {
	*exec.Cmd
	stdin       io.WriteCloser
	stdout      *bufio.Reader
	closeStdout func() error
	stderr      bytes.Buffer
}

func startProgram(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{Cmd: program(t, args...)}
	var err error
	if r.stdin, err = r.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout, r.closeStdout = bufio.NewReader(out), out.Close
	r.Stderr = &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill() })
	return r
}

// give writes a line to the program.
func (r *running) give(t *testing.T, url string) {
	t.Helper()
	if _, err := io.WriteString(r.stdin, url+"\n"); err != nil {
		t.Fatal(err)
	}
}

// record waits for the program's next line.
func (r *running) record(t *testing.T) (rec lines.Result) {
	t.Helper()
	s, err := r.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("reading the program's output: %v\n%s", err, &r.stderr)
	}
	if err := json.Unmarshal([]byte(s), &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// end waits for the program's end, and returns the lines that were left.
func (r *running) end(t *testing.T) (records []lines.Result) {
	t.Helper()
	records = parse(t, r.stdout)
	r.Wait()
	return records
}

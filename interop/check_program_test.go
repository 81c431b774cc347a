//go:build linux

package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programOnce has the program abreast. TestMain removes it.
var programOnce struct {
	sync.Once
	dir string
}

// program builds cmd/abreast, once.
func program(t *testing.T) string {
	t.Helper()
	programOnce.Do(func() {
		dir, err := os.MkdirTemp("", "interop-program-")
		if err != nil {
			t.Fatal(err)
		}
		programOnce.dir = dir
		if out, err := exec.Command("go", "build", "-C", "../cmd/abreast", "-o", filepath.Join(dir, "abreast"), ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	return filepath.Join(programOnce.dir, "abreast")
}

// checkProgram runs the program abreast on a list. Each line has one result,
// and the results agree with the server's log.
func checkProgram(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{})
	jobs := r.jobs(proto, amount(5000, 300))
	list, out := filepath.Join(r.Dir, "list.jsonl"), filepath.Join(r.Dir, "out.jsonl")
	f, err := os.Create(list)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, j := range jobs {
		line := map[string]any{"url": j.url, "method": j.method, "id": j.id}
		if j.body != "" {
			line["body"] = j.body
		}
		if err := json.NewEncoder(f).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-quiet", "-body", "-cacert", certificates(t).file("ca"), "-out", out}
	if r.seats > 0 {
		args = append(args, "-limit", "20")
	}
	if r.proxy != "" {
		args = append(args, "-proxy", r.at())
	}
	text, err := exec.Command(program(t), append(args, list)...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s", err, text)
	}
	anyFailed := err != nil

	g, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	type line struct {
		Line, ID, Status, Attempts int
		Text, Kind, Error          string
		Sent                       bool
	}
	results := map[int]line{}
	failures := 0
	for scan := bufio.NewScanner(g); scan.Scan(); {
		var l line
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if _, ok := results[l.ID]; ok || l.Line != l.ID+1 {
			t.Errorf("line %d has a second result, or its id is %d", l.Line, l.ID)
		}
		results[l.ID] = l
		if l.Kind != "" {
			failures++
			if failures <= 3 {
				t.Logf("line %d: %s: %s", l.Line, l.Kind, l.Error)
			}
		}
	}
	if len(results) != len(jobs) || anyFailed != (failures > 0) {
		t.Errorf("%d results of %d lines, %d failures, the exit status says %v", len(results), len(jobs), failures, anyFailed)
	}
	log := r.settled(proto, len(jobs)-failures)
	for _, j := range jobs {
		l := results[j.id]
		came := r.backend.times(j.id)
		if s.origin {
			came = log[j.id]
		}
		switch {
		case l.Kind == "" && (l.Status != 200 || came == 0 || !j.noAnswerBody && l.Text != answerTo(j.method, j.id, j.body)):
			t.Errorf("%s %d: %+v, and it came %d times", j.method, j.id, l, came)
		case l.Kind != "" && !l.Sent && came > 0:
			t.Errorf("%s %d: %+v, and it came %d times", j.method, j.id, l, came)
		case j.method == "POST" && came > 1:
			t.Errorf("POST %d came %d times", j.id, came)
		}
	}
	return result{counted: true, library: failures, alone: true}
}

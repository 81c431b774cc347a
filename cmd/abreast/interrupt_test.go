//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

func TestSignal_begunLinesHaveResults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signal os.Signal
		args   []string
		want   int
	}{
		{os.Interrupt, nil, 130},
		{os.Interrupt, []string{"-ordered"}, 130},
		{syscall.SIGTERM, nil, 143},
	} {
		t.Run(fmt.Sprint(tt.signal, tt.args), func(t *testing.T) {
			const limit, given = 3, 6
			asked := make(chan string, 100)
			up := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Path
				if r.URL.Path == "/good" {
					return
				}
				io.WriteString(w, "a part")
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			dir := t.TempDir()
			har := filepath.Join(t.TempDir(), "all.har")
			p := startProgram(t, append(tt.args, "-grace", "0.2", "-limit", "3", "-dir", dir, "-har", har, "-waterfall")...)
			p.give(t, up+"/good")
			first := p.record(t)
			for n := range limit {
				p.give(t, fmt.Sprintf("%s/%d", up, n))
			}
			for range limit + 1 {
				<-asked
			}
			// Some of these are taken up and wait for a slot; standard input
			// stays open and silent.
			for n := range given - limit {
				p.give(t, fmt.Sprintf("%s/waiting/%d", up, n))
			}
			p.Process.Signal(tt.signal)
			rest := p.end(t)

			if got := p.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("exit status %d, want %d; it says:\n%s", got, tt.want, &p.stderr)
			}
			// The lines that were not begun have no result: they can be resumed.
			records := byLine(t, append(rest, first))
			if len(records) != 1+limit {
				t.Errorf("%d lines, want %d", len(records), 1+limit)
			}
			for n, r := range records {
				wantKind := lines.Canceled
				if n == 1 {
					wantKind = ""
				}
				if n > 1+limit || r.Kind != wantKind || !r.Sent {
					t.Errorf("line %d: %+v, want kind %q, sent", n, r, wantKind)
				}
			}
			if names := filesIn(t, dir); len(names) != 1 || names[0] != first.File {
				t.Errorf("the folder has %q, want %q alone", names, first.File)
			}
			ended, _ := archiveIn(t, har)
			if len(ended) < len(records) || ended[up+"/0"] != "canceled" {
				t.Errorf("the archive has %v", ended)
			}
			if s := p.stderr.String(); !strings.Contains(s, "× canceled") || !strings.Contains(s, tt.signal.String()) {
				t.Errorf("the summary is\n%s", s)
			}
		})
	}
}

// A line that was between two attempts had a result of kind "other", which
// -resume does not repeat. The pause before the second attempt is at most 100
// ms, so that most of the lines are in it or after it.
func TestSignal_betweenAttempts(t *testing.T) {
	t.Parallel()
	const given = 40
	for _, tt := range []struct {
		args   []string
		signal bool
		want   int
	}{
		{nil, true, 130},
		{[]string{"-fail", "1"}, false, 1},
	} {
		var asked sync.Map
		again := make(chan struct{}, 5*given)
		up := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if _, there := asked.LoadOrStore(r.URL.Path, true); there {
				again <- struct{}{}
			}
			if r.URL.Path == "/400" {
				<-again
				w.WriteHeader(400)
				return
			}
			w.WriteHeader(503)
		})
		p := startProgram(t, append(tt.args, "-grace", "30")...)
		for n := range given {
			p.give(t, fmt.Sprintf("%s/%d", up, n))
		}
		if tt.signal {
			<-again
			p.Process.Signal(os.Interrupt)
		} else {
			p.give(t, up+"/400") // ends the run
		}
		kinds := make(map[lines.Kind]int)
		for _, r := range p.end(t) {
			kinds[r.Kind]++
		}
		if got := p.ProcessState.ExitCode(); got != tt.want || kinds[lines.Canceled] == 0 {
			t.Errorf("%q: exit status %d, kinds %v; want %d, and some canceled", tt.args, got, kinds, tt.want)
		}
		delete(kinds, lines.Canceled)
		delete(kinds, lines.Status)
		if len(kinds) > 0 {
			t.Errorf("%q: kinds %v, want canceled and status alone", tt.args, kinds)
		}
	}
}

// The list has no end. The lines that have a result are its first lines, but
// for the few that had a slot and were not begun when the signal came.
func TestSignal_endlessList(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	p := startProgram(t)
	go func() {
		for { // until the program is gone
			if _, err := io.WriteString(p.stdin, up+"\n"); err != nil {
				return
			}
		}
	}()
	records := []lines.Result{}
	for range 500 {
		records = append(records, p.record(t))
	}
	p.Process.Signal(os.Interrupt)
	m := byLine(t, append(records, p.end(t)...))
	if last := slices.Max(slices.Collect(maps.Keys(m))); last > len(m)+100 {
		t.Errorf("there are %d results, and the last is of line %d", len(m), last)
	}
	if got := p.ProcessState.ExitCode(); got != 130 {
		t.Errorf("exit status %d, want 130; it says:\n%s", got, &p.stderr)
	}
}

// abreast | head -1: the program ends by itself, and leaves no part of a file.
func TestOutput_closedPipe(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a part")
		if r.URL.Path == "/silent" {
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	dir := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := program(t, "-dir", dir)
	cmd.Stdin = strings.NewReader(up + "/silent\n" + up + "/good\n")
	cmd.Stdout = w
	var says strings.Builder
	cmd.Stderr = &says
	cmd.Run()
	w.Close()
	if got := cmd.ProcessState.ExitCode(); got != exitFailed || says.Len() > 0 {
		t.Errorf("exit status %d, want %d and no word; it says:\n%s", got, exitFailed, &says)
	}
	if names := filesIn(t, dir); len(names) != 1 {
		t.Errorf("the folder has %q, want the good one alone", names)
	}
}

// The program ends even if standard input is silent.
func TestOutput_closedPipeSilentInput(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	p := startProgram(t)
	p.give(t, up)
	p.record(t)
	p.closeStdout()
	p.give(t, up)
	p.Wait()
	if got := p.ProcessState.ExitCode(); got != exitFailed || p.stderr.Len() > 0 {
		t.Errorf("exit status %d, want %d and no word; it says:\n%s", got, exitFailed, &p.stderr)
	}
}

// What is in flight may finish after a signal, for the time of grace. A second
// signal kills.
func TestSignal_grace(t *testing.T) {
	t.Parallel()
	asked, release := make(chan bool, 10), make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		if r.URL.Path == "/waits" {
			<-r.Context().Done()
		}
		<-release
		io.WriteString(w, "good")
	})
	says, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer says.Close()
	out := filepath.Join(t.TempDir(), "out")
	cmd := program(t, "-grace", "60", "-limit", "1", "-out", out, up, up+"/not-begun")
	cmd.Stderr = says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	cmd.Process.Signal(os.Interrupt)
	for text := ""; !strings.Contains(text, "stopping: requests in flight have 1m0s to finish; press Ctrl-C again"); {
		<-time.After(time.Millisecond)
		b, _ := os.ReadFile(says.Name())
		text = string(b)
	}
	close(release)
	cmd.Wait()
	text, err := os.ReadFile(out)
	if got := parse(t, bytes.NewReader(text)); err != nil || len(got) != 1 || got[0].Kind != "" || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("exit status %d, results %+v, %v; want one that is good", cmd.ProcessState.ExitCode(), got, err)
	}

	p := startProgram(t, "-grace", "60")
	p.give(t, up+"/waits")
	<-asked
	p.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	for { // the first may not have been taken yet
		select {
		case <-ended:
			if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != os.Interrupt {
				t.Errorf("the program ends with %v; want killed by the signal", p.ProcessState)
			}
			return
		case <-time.After(20 * time.Millisecond):
			p.Process.Signal(os.Interrupt)
		}
	}
}

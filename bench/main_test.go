package main

import (
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asProgram is the environment variable that makes the test binary behave as
// the program. Every process that the tests start has it.
const asProgram = "BENCH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Setenv(asProgram, "1")
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// A pinned contender has one core.
func TestCommand_pinned(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Skip(err)
	}
	d := driver{pinned: true}
	out, err := d.command(t.Context(), contenderCore, "nproc").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "1" {
		t.Errorf("nproc = %q, %v; want 1", got, err)
	}
}

// Every contender on this machine does every scenario, in processes of its own:
// each body arrives once and is right, and the upstream gets each request once.
func TestContenders_doTheWork(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := driver{self: self, folder: t.TempDir(), scale: 0.01, rounds: 1}
			if s.requests() > 50_000 {
				d.scale = 0.001
			}
			r, err := d.measure(t.Context(), s, contenders)
			if err != nil {
				t.Fatal(err)
			}
			type account struct{ Bodies, Requests int64 }
			n := int64(s.scaled(d.scale).requests())
			got, want := make(map[string]account), make(map[string]account)
			for name, outcomes := range r.rounds {
				o := outcomes[0]
				got[name], want[name] = account{o.Bodies, o.upstream.Requests}, account{n, n}
				if o.WallNS <= 0 || o.CPUNS <= 0 || o.PeakRSS <= 0 || o.upstream.Connections < 1 {
					t.Errorf("%s: %+v: something was not measured", name, o)
				}
			}
			want[again] = account{n, n}
			for _, c := range contenders {
				if c.takesPart(s) && c.absent(s) == "" {
					want[c.name] = account{n, n}
					if o := r.rounds[c.name]; len(o) > 0 && c.missing == nil && (o[0].Mallocs < n || o[0].Bytes < n*int64(s.size)/8) {
						t.Errorf("%s: %d allocations of %d bytes are too few for %d requests", c.name, o[0].Mallocs, o[0].Bytes, n)
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bodies and requests (-want +got):\n%s%v", diff, r.missing)
			}
			for _, b := range s.bars {
				if _, ok := b.judge(r.rounds); !ok {
					t.Errorf("no verdict on %s of %s", b.measure.name, b.contender)
				}
			}
		})
	}
}

// The program, run as a user runs it, prints a table and writes it into the
// README.
func TestProgram_writesTablesAndCharts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	readme := filepath.Join(folder, "README.md")
	if err := os.WriteFile(readme, []byte("before\n<!-- S7 -->\nold\n<!-- end of S7 -->\nafter\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, "-scenarios", "^S7$", "-contenders", "^(abreast|resty)$", "-rounds", "1", "-scale", "0.1", "-write", folder).Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for _, want := range []string{"### S7", "at a scale of 0.1", "| handtuned  ", "| handtuned again ", "| abreast ", "| resty ", "| abreast: connections "} {
		if strings.Count(string(out), want) != 1 || strings.Count(got, want) != 1 {
			t.Errorf("%q must appear once on the screen and once in the file:\n%s\n%s", want, out, got)
		}
	}
	if !strings.HasPrefix(got, "before\n<!-- S7 -->\n###") || !strings.HasSuffix(got, "<!-- end of S7 -->\nafter\n") || strings.Contains(got, "old") {
		t.Errorf("the file is now\n%s", got)
	}
	if svg, err := os.ReadFile(filepath.Join(folder, "results", "S7.svg")); err != nil || !strings.Contains(string(svg), "abreast") {
		t.Errorf("the chart: %v, %s", err, svg)
	}
}

func TestBadUsage(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"-rounds 4", []string{"-rounds", "4"}},
		{"-rounds -1", []string{"-rounds", "-1"}},
		{"-scale 0", []string{"-scale", "0"}},
		{"-scale 2", []string{"-scale", "2"}},
		{"-scale NaN", []string{"-scale", "NaN"}},
		{`"nine" matches none of`, []string{"-scenarios", "nine"}},
		{`"nobody" matches none of`, []string{"-contenders", "nobody"}},
		{"-contenders", []string{"-contenders", "("}},
		{"unexpected argument", []string{"S1"}},
		{"-what", []string{"-what"}},
		{`no scenario "S0"`, []string{"run", "-contender", "abreast", "-scenario", "S0"}},
		{`no contender "x"`, []string{"run", "-contender", "x", "-scenario", "S1"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(self, tt.args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.says) {
				t.Errorf("%v, want a failure and %q:\n%s", err, tt.says, out)
			}
		})
	}
}

func TestBars_haveContenders(t *testing.T) {
	for _, s := range scenarios {
		for _, b := range s.bars {
			c, err := contenderNamed(b.contender)
			if err != nil || !c.takesPart(s) || c.absent(s) != "" {
				t.Errorf("%s has a bar for %s, which does not do it", s.name, b.contender)
			}
		}
	}
}

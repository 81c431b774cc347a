package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each run of a scenario with a curve has its hundred points, and the chart has
// a line for each contender.
func TestCurve(t *testing.T) {
	t.Parallel()
	if _, ok := memory("VmRSS"); !ok {
		t.Skip("the memory in use is not known here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarioNamed("million")
	if err != nil {
		t.Fatal(err)
	}
	d := driver{self: self, folder: t.TempDir(), scale: 0.001, rounds: 1}
	r, err := d.measure(t.Context(), s, contenders)
	if err != nil {
		t.Fatal(err)
	}
	for name, outcomes := range r.rounds {
		rss := outcomes[0].RSS
		if len(rss) != points {
			t.Fatalf("%s: %d points, want %d", name, len(rss), points)
		}
		for _, n := range rss {
			if n < mib || n > 1024*mib {
				t.Errorf("%s: a point of %d bytes", name, n)
			}
		}
	}
	if text := r.markdown(); strings.Count(text, " MiB, ") < 4 || strings.Contains(text, "—, —") {
		t.Errorf("the report does not have the memory in use:\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "curve.svg")
	if err := r.curves(file); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{handtuned.name, abreast.name, "RSS in MiB"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("the chart has no %q", want)
		}
	}
}

// A report without the memory of a run has no curve.
func TestCurve_unknown(t *testing.T) {
	r := report{scenario: scenario{name: "x"}, rounds: rounds{handtuned.name: {{}}}}
	if err := r.curves(filepath.Join(t.TempDir(), "curve.svg")); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("curves() = %v, want an error", err)
	}
}

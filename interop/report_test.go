//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A result is what a check found.
type result struct {
	counted              bool // the fields below have counts
	hand, library        int  // requests that failed
	retries              bool // retried has a count
	retried              int  // with the library's retries
	dialed               [2]int64
	took                 [2]time.Duration // by hand, with the library
	serverVersion, error string
}

// failed counts n requests that failed.
func (r *result) failed(hand bool, n int) {
	r.counted = true
	if hand {
		r.hand += n
	} else {
		r.library += n
	}
}

// compare fails the test if more requests failed with the library than by hand.
// How many fail is a matter of chance, so that the library may exceed twice the
// number by slack.
func (r *result) compare(t *testing.T, slack int) {
	t.Helper()
	if r.library > 2*r.hand+slack {
		t.Errorf("%d requests failed with the library, %d by hand", r.library, r.hand)
	}
}

// measured keeps the cost of a run.
func (r *result) measured(hand bool, dialed int64, took time.Duration) {
	i := 1
	if hand {
		i = 0
	}
	r.dialed[i], r.took[i] = dialed, took
}

func (r result) String() string {
	switch {
	case r.error != "":
		return r.error
	case !r.counted:
		return "ok"
	case r.retries:
		return fmt.Sprintf("%d / %d / %d", r.hand, r.library, r.retried)
	}
	return fmt.Sprintf("%d / %d", r.hand, r.library)
}

// A report has the results of all checks, by server, protocol and check.
type report map[string]map[protocol]map[string]result

var found = report{}

// add keeps a result.
func (rep report) add(s server, proto protocol, check string, res result) {
	if rep[s.name] == nil {
		rep[s.name] = map[protocol]map[string]result{}
	}
	if rep[s.name][proto] == nil {
		rep[s.name][proto] = map[string]result{}
	}
	rep[s.name][proto][check] = res
}

// tables returns the tables of README.md.
func (rep report) tables() string {
	var failures, costs strings.Builder
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	fmt.Fprintf(&failures, "On %s:\n\n", time.Now().Format(time.DateOnly))
	row(&failures, append([]string{"Server", "Version", "Protocol"}, names...)...)
	row(&failures, slices.Repeat([]string{"---"}, 3+len(names))...)
	row(&costs, "Server", "Protocol", "Connections by hand", "abreast", "Time, abreast to by hand")
	row(&costs, "---", "---", "---:", "---:", "---:")
	for _, s := range servers {
		for _, proto := range s.protocols {
			results, ok := rep[s.name][proto]
			if !ok {
				continue
			}
			cells := []string{s.name, "", string(proto)}
			for _, name := range names {
				res, ok := results[name]
				if !ok {
					cells = append(cells, "")
					continue
				}
				cells[1] = res.serverVersion
				cells = append(cells, res.String())
				if res.took[0] > 0 {
					row(&costs, s.name, string(proto), fmt.Sprint(res.dialed[0]), fmt.Sprint(res.dialed[1]),
						fmt.Sprintf("%.2f", res.took[1].Seconds()/res.took[0].Seconds()))
				}
			}
			row(&failures, cells...)
		}
	}
	return failures.String() + "\n" + costs.String()
}

func row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// write replaces what is between the two marks in a file.
func (rep report) write(file string) error {
	const begin, end = "<!-- tables -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(b, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", file, begin, end)
	}
	text := string(before) + begin + rep.tables() + end + string(after)
	return os.WriteFile(file, []byte(text), 0o644)
}

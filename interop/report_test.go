//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A result is what a check found.
type result struct {
	counted              bool   // the fields below have counts
	hand, library        int    // requests that failed
	alone                bool   // hand has none
	retries              bool   // retried has a count
	retried              int    // with the library's retries
	refused              [2]int // of those that failed; by hand, with the library
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
// number by slack. How many are refused depends on how long a server was down.
func (r *result) compare(t *testing.T, slack int) {
	t.Helper()
	if library, hand := r.library-r.refused[1], r.hand-r.refused[0]; library > 2*hand+slack {
		t.Errorf("%d requests failed with the library, %d by hand, without those that were refused", library, hand)
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
	case r.alone:
		return fmt.Sprint(r.library)
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

// tables returns the tables of README.md. Cells of checks that did not run are
// those of old.
func (rep report) tables(old string) string {
	var failures, costs strings.Builder
	names := []string{"Server", "Version", "Protocol"}
	for _, c := range checks {
		names = append(names, c.name)
	}
	row(&failures, append(names, "Date")...)
	row(&failures, slices.Repeat([]string{"---"}, 1+len(names))...)
	row(&costs, "Server", "Protocol", "Connections by hand", "abreast", "Time, abreast to by hand")
	row(&costs, "---", "---", "---:", "---:", "---:")
	oldFailures, oldCosts, _ := strings.Cut(old, "\n\n")
	for _, s := range servers {
		for _, proto := range s.protocols {
			failed, cost := rowOf(oldFailures, s, proto), rowOf(oldCosts, s, proto)
			for i, name := range names {
				res, ok := rep[s.name][proto][name]
				if !ok {
					continue
				}
				if len(failed) != len(names)+1 {
					failed = make([]string, len(names)+1)
				}
				failed[0], failed[1], failed[2] = s.name, res.serverVersion, string(proto)
				failed[i], failed[len(names)] = res.String(), time.Now().Format(time.DateOnly)
				if res.took[0] > 0 {
					cost = []string{s.name, string(proto), fmt.Sprint(res.dialed[0]), fmt.Sprint(res.dialed[1]),
						fmt.Sprintf("%.2f", res.took[1].Seconds()/res.took[0].Seconds())}
				}
			}
			row(&failures, failed...)
			row(&costs, cost...)
		}
	}
	return failures.String() + "\n" + costs.String()
}

// rowOf returns the cells of a server and protocol in a table, or nil.
func rowOf(table string, s server, proto protocol) []string {
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == s.name && slices.Contains(cells[:min(3, len(cells))], string(proto)) {
			return cells
		}
	}
	return nil
}

func row(b *strings.Builder, cells ...string) {
	if len(cells) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// write replaces what is between the two marks in a file. Several tests may
// write at once.
func (rep report) write(file string) error {
	const begin, end = "<!-- tables -->\n", "<!-- end -->\n"
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // it unlocks the file as well
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(b, []byte(begin))
	old, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", file, begin, end)
	}
	text := string(before) + begin + rep.tables(string(old)) + end + string(after)
	return os.WriteFile(file, []byte(text), 0o644)
}

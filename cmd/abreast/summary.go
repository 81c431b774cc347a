package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// A summary adds up the results of all lines.
type summary struct {
	begun     time.Time
	durations time.Duration
	good      int
	failed    int
	kinds     map[string]int // of failure
	bytes     int64
}

func newSummary() *summary { return &summary{begun: time.Now(), kinds: make(map[string]int)} }

func (s *summary) add(r *lines.Result) {
	s.durations += time.Duration(r.DurationMS * float64(time.Millisecond))
	s.bytes += r.Bytes
	switch r.Kind {
	case "":
		s.good++
		return
	case lines.Status:
		s.kinds[strings.TrimSpace(strconv.Itoa(r.Status)+" "+http.StatusText(r.Status))]++
	default:
		s.kinds[string(r.Kind)]++
	}
	s.failed++
}

// print prints the summary. done has the lines that had a result before the run.
func (s *summary) print(w io.Writer, connections int64, done *finished) {
	wall := time.Since(s.begun)
	if done.skipped > 0 {
		fmt.Fprintf(w, "skipped      %s with a result\n", counted(done.skipped, "line"))
	}
	if done.failures > 0 {
		fmt.Fprintf(w, "not sent     %s of them failed: -resume-failed repeats them\n", grouped(done.failures))
	}
	if done.canceled > 0 {
		were, they, them := "were", "they were", "them"
		if done.canceled == 1 {
			were, they, them = "was", "it was", "it"
		}
		fmt.Fprintf(w, "in doubt     %s of these %s canceled after %s sent: the server may have acted on %s\n", grouped(done.canceled), were, they, them)
	}
	fmt.Fprintf(w, "requests     %s: %s good, %s failed\n", grouped(s.good+s.failed), grouped(s.good), grouped(s.failed))
	if s.failed > 0 {
		fmt.Fprintf(w, "failures     %s\n", s.failures())
	}
	fmt.Fprintf(w, "time         %v (%v summed over all requests)\n", rounded(wall), rounded(s.durations))
	fmt.Fprintf(w, "bytes        %s\n", sized(s.bytes))
	fmt.Fprintf(w, "connections  %s\n", grouped(int(connections)))
}

// failures returns the number of failures of each kind, the most frequent
// first.
func (s *summary) failures() string {
	kinds := slices.SortedFunc(maps.Keys(s.kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.kinds[b], s.kinds[a]), strings.Compare(a, b))
	})
	for i, k := range kinds {
		kinds[i] = grouped(s.kinds[k]) + " × " + k
	}
	return strings.Join(kinds, ", ")
}

// counted returns a number of things, such as "1 line" or "2,000 lines".
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// grouped returns n in groups of three digits.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// sized returns a number of bytes in decimal units, such as 512 B or 16.2 MB.
func sized(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if f /= 1000; f < 999.95 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f TB", f/1000)
}

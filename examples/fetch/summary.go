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

	"github.com/vbauerster/mpb/v8/decor"
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

func (s *summary) add(r record) {
	s.durations += time.Duration(r.DurationMS * float64(time.Millisecond))
	s.bytes += r.Bytes
	switch r.Kind {
	case "":
		s.good++
		return
	case badStatus:
		s.kinds[strings.TrimSpace(strconv.Itoa(r.Status)+" "+http.StatusText(r.Status))]++
	default:
		s.kinds[string(r.Kind)]++
	}
	s.failed++
}

func (s *summary) print(w io.Writer, connections int64) {
	wall := time.Since(s.begun)
	fmt.Fprintf(w, "URLs         %s: %s good, %s failed\n", grouped(s.good+s.failed), grouped(s.good), grouped(s.failed))
	if s.failed > 0 {
		fmt.Fprintf(w, "failures     %s\n", s.failures())
	}
	fmt.Fprintf(w, "time         %v (what the requests took adds up to %v)\n", rounded(wall), rounded(s.durations))
	fmt.Fprintf(w, "bytes        % .1f\n", decor.SizeB1000(s.bytes))
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

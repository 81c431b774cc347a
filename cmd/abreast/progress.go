package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
)

// A progress is a progress bar on a terminal. The methods of nil do nothing.
type progress struct {
	*mpb.Progress // prints above the bar what is written to it
	total         int64
	bar           *mpb.Bar
	failed, bytes atomic.Int64
}

// newProgress returns a bar to be started. total is 0 if it is unknown.
func newProgress(terminal *os.File, total int64) *progress {
	var w io.Writer = terminal
	if width, _, err := term.GetSize(int(terminal.Fd())); err != nil || width == 0 {
		w = struct{ io.Writer }{terminal} // its size is unknown; mpb assumes 80 columns if it sees no terminal
	}
	return &progress{Progress: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh()), total: total}
}

// start shows the bar.
func (g *progress) start(stats func() parallel.Stats, f *fetcher) {
	if g == nil {
		return
	}
	counts := decor.Any(func(s decor.Statistics) string {
		done := grouped(int(s.Current))
		if s.Total > 0 {
			done += " of " + grouped(int(s.Total))
		}
		return fmt.Sprintf("%s, %s failed, %s retrying, %s in flight ", done, grouped(int(g.failed.Load())),
			grouped(int(f.retrying.Load())), grouped(stats().InFlight))
	})
	bytes := decor.Any(func(decor.Statistics) string { return " " + sized(g.bytes.Load()) })
	begun := time.Now()
	speed := decor.Any(func(s decor.Statistics) string { return speed(s.Current, s.Total, time.Since(begun)) })
	style := mpb.BarStyle().Build()
	if g.total == 0 {
		style = mpb.SpinnerStyle().PositionLeft().Build()
	}
	after := []decor.Decorator{bytes, speed}
	after = append(after, decor.Any(func(decor.Statistics) string { return pausing(f.pace.pauses(), time.Now()) }))
	g.bar = g.MustAdd(g.total, style, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(counts), mpb.AppendDecorators(after...))
}

// speed returns how many lines are done in a second, and how long the others
// take at this rate. Before the first is done, nobody knows. total is 0 if it is
// unknown.
func speed(done, total int64, took time.Duration) string {
	if done == 0 || took <= 0 {
		return ""
	}
	text := fmt.Sprintf(", %.0f/s", float64(done)/took.Seconds())
	if total > done {
		left := time.Duration(float64(took) / float64(done) * float64(total-done))
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}

// mostPaused is the number of paused hosts that are shown.
const mostPaused = 3

// pausing returns the hosts that have asked for a pause and how long it lasts.
func pausing(hosts map[string]time.Time, now time.Time) string {
	var b strings.Builder
	for i, host := range slices.Sorted(maps.Keys(hosts)) {
		if i == mostPaused {
			fmt.Fprintf(&b, ", %d more", len(hosts)-i)
			break
		}
		fmt.Fprintf(&b, ", %s pauses %v", lines.Printable(host), (hosts[host].Sub(now) + time.Second - 1).Truncate(time.Second))
	}
	return b.String()
}

// step counts a line that is done.
func (g *progress) step(r *lines.Result) {
	if g == nil {
		return
	}
	if r.Kind != "" {
		g.failed.Add(1)
	}
	g.bytes.Add(r.Bytes)
	g.bar.Increment()
}

// stop removes the bar from the terminal.
func (g *progress) stop() {
	if g == nil {
		return
	}
	g.bar.Abort(true)
	g.Wait()
}

package waterfall

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// glyphs are the signs for the phases.
var glyphs = [phases]byte{'.', '~', ':', 'n', 'd', 't', '>', '-', '='}

const (
	leastLabel, leastBar = 12, 20 // columns

	broken = 'x' // marks the end of a request that has no response
)

// Text writes a line for each request to w, in the order in which the requests
// were made, with a time axis above the lines and an explanation of the signs
// below. A line is width columns long, or longer if that leaves no room for a
// picture. 100 is a good width; less than 80 is tight. A request in flight is
// drawn up to now.
//
// All characters are ASCII, except for µ. Text may be called at any time, from
// any goroutine. It takes no lock while it writes to w. It returns only errors
// of w.
func (rec *Recorder) Text(w io.Writer, width int) error {
	p := rec.picture()
	var b bytes.Buffer
	fmt.Fprintln(&b, p.title(ascii(p.origin)))
	if len(p.entries) > 0 {
		p.text(&b, width)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// text writes everything below the title.
func (p *picture) text(b *bytes.Buffer, width int) {
	rows := make([][5]string, len(p.entries))
	var wide [5]int
	for i := range p.entries {
		e := &p.entries[i]
		rows[i] = [5]string{ascii(p.label(e)), short(e.took), ascii(e.outcome()), e.size(), ascii(e.connection())}
		for c, cell := range rows[i] {
			wide[c] = max(wide[c], utf8.RuneCountInString(cell))
		}
	}
	// label |bar|  took  outcome  size  connection
	others := len(" ||") + wide[1] + wide[2] + wide[3] + wide[4] + 4*len("  ")
	label := min(wide[0], max(leastLabel, min(width-others-leastBar, width/3)))
	cells := max(leastBar, width-others-label)

	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	line("%*s  %s", label, "", p.axis(cells))
	for i, r := range rows {
		line("%-*s |%s|  %*s  %-*s  %*s  %s", label, shorten(r[0], label, "..."), p.bar(&p.entries[i], cells),
			wide[1], r[1], wide[2], r[2], wide[3], r[3], r[4])
	}
	line("%s", p.signs())
}

// axis returns the times above the bars. Each begins at its moment.
func (p *picture) axis(cells int) string {
	axis := []rune(strings.Repeat(" ", cells+8))
	for _, t := range p.ticks(cells / 10) {
		copy(axis[p.cell(t, cells):], []rune(short(t)))
	}
	return string(axis)
}

// cell returns the index of the moment t in a bar of so many cells.
func (p *picture) cell(t time.Duration, cells int) int {
	return int(p.fine(t, cells) / p.fine(p.span, 1))
}

// fine returns n times t, in units that are small enough to be exact and large
// enough not to overflow. In these units, one cell is as long as the span.
func (p *picture) fine(t time.Duration, n int) int64 {
	const bits = 40 // for a span; nanoseconds of 40 bits are 18 minutes
	return int64(t/max(1, p.span>>bits)) * int64(n)
}

// bar returns what a request did, in so many cells. A cell shows the phase that
// took most of its time.
func (p *picture) bar(e *entry, cells int) string {
	bar := []byte(strings.Repeat(" ", cells))
	longest, cell := make([]int64, cells), p.fine(p.span, 1)
	for _, s := range e.spans() {
		from, to := p.fine(p.since(e)+s.from, cells), p.fine(p.since(e)+s.to, cells)
		for c := from / cell; c*cell < to; c++ {
			if took := min(to, (c+1)*cell) - max(from, c*cell); took >= longest[c] {
				longest[c], bar[c] = took, glyphs[s.phase]
			}
		}
	}
	last := min(cells-1, p.cell(p.since(e)+e.took, cells))
	if last > 0 && bar[last] == ' ' && bar[last-1] != ' ' {
		last-- // the request ended where this cell begins
	}
	switch {
	case e.broken():
		bar[last] = broken
	case bar[last] == ' ': // the request took no time at all
		bar[last] = glyphs[e.marks[len(e.marks)-1].phase()]
	}
	return string(bar)
}

// signs explains the signs in use.
func (p *picture) signs() string {
	var legend []string
	for phase, means := range p.legend() {
		legend = append(legend, string(glyphs[phase])+" "+means)
	}
	if p.anyBroken() {
		legend = append(legend, string(broken)+" "+brokenMeans)
	}
	return strings.Join(legend, "  ")
}

// ascii returns s with escapes, so that every character takes one column and
// none moves the cursor.
func ascii(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}

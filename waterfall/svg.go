package waterfall

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Sizes of an SVG, in its units.
const (
	svgWidth  = 900
	margin    = 16
	columnGap = 14
	rowHeight = 22
	thick     = 12   // a bar
	thin      = 4    // and where nothing was asked of the network
	character = 7.25 // of the labels, which are monospaced
	mostLabel = 44   // characters
	crossGap  = 9
	leastTick = 70
)

// svgStyle has every rule within the picture, so that it can be put into a page as it
// is.
const svgStyle = `
.waterfall { --ground: #ffffff; --edge: #d1d9e0; --ink: #1f2328; --faint: #59636e; --grid: #e6eaef; --bad: #cf222e;
  --queued: #c3ccd5; --held: #8c959f; --DNS: #1b9aaa; --dial: #e8912d; --TLS: #8957e5; --send: #d6488f; --wait: #2fa84f; --body: #1f74d8 }
@media (prefers-color-scheme: dark) { .waterfall { --ground: #0d1117; --edge: #3d444d; --ink: #e6edf3; --faint: #9198a1; --grid: #262c36; --bad: #ff6b62;
  --queued: #4a525c; --held: #7d8590; --DNS: #39c5cf; --dial: #f0a33f; --TLS: #a985f2; --send: #f778ba; --wait: #3fb950; --body: #4c9bf5 } }
.waterfall text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink) }
.waterfall .title { font: 600 14px system-ui, -apple-system, "Segoe UI", sans-serif }
.waterfall .faint { fill: var(--faint) }
.waterfall .bad { fill: var(--bad) }
.waterfall .end { text-anchor: end }
.waterfall .ground { fill: var(--ground); stroke: var(--edge) }
.waterfall .grid { stroke: var(--grid) }
.waterfall .hover { fill: var(--ink); opacity: 0 }
.waterfall g:hover > .hover { opacity: .06 }
.waterfall .broken { stroke: var(--bad); stroke-width: 2 }
.waterfall .cancelled { stroke: var(--faint); stroke-width: 2 }
`

// SVG writes a picture to w: a row for each request, in the order in which they were
// made, its phases in colours that a legend explains, and more about it where the
// pointer rests. What is still in flight is drawn up to now.
//
// It is one <svg> element, 900 wide in its own units, that needs nothing else, and is
// good as a file, in an <img> and within an HTML page. It is light or dark as the
// reader's browser prefers. SVG may be called at any time, also while requests are
// in flight; its only errors are those of w.
func (rec *Recorder) SVG(w io.Writer) error {
	p := rec.picture()
	d := drawing{picture: &p}
	d.draw()
	_, err := w.Write(d.Bytes())
	return err
}

// A drawing is a picture on its way to an SVG.
type drawing struct {
	bytes.Buffer
	*picture
	labels      int     // characters of a label
	left, right float64 // of the bars
}

func (d *drawing) draw() {
	var label, took, outcome int
	for i := range d.entries {
		e := &d.entries[i]
		label = max(label, utf8.RuneCountInString(d.label(e)))
		took = max(took, utf8.RuneCountInString(short(e.took)))
		outcome = max(outcome, utf8.RuneCountInString(e.outcome()))
	}
	d.labels = min(label, mostLabel)
	tookAt := svgWidth - margin - float64(outcome)*character - columnGap // where it ends
	d.left = margin + float64(d.labels)*character + columnGap
	d.right = tookAt - float64(took)*character - columnGap - crossGap
	top := 62.0
	bottom := top + rowHeight*float64(len(d.entries))
	height := bottom + 36

	d.f(`<svg xmlns="http://www.w3.org/2000/svg" class="waterfall" role="img" viewBox="0 0 %d %.0f" width="%[1]d" height="%.0[2]f">`+"\n", svgWidth, height)
	d.f("<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", esc(d.title(d.origin)), esc(d.summary()), svgStyle)
	d.f(`<rect class="ground" x=".5" y=".5" width="%d" height="%.0f" rx="6"/>`+"\n", svgWidth-1, height-1)
	d.f(`<text class="title" x="%d" y="27">%s</text>`+"\n", margin, esc(shorten(d.title(d.origin), 110, "…")))
	if len(d.entries) > 0 {
		d.axis(top, bottom)
		for i := range d.entries {
			d.row(&d.entries[i], top+rowHeight*float64(i), tookAt)
		}
		d.colours(bottom + 20)
	}
	d.f("</svg>\n")
}

func (d *drawing) f(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// esc is text as XML has it. What XML can't say becomes U+FFFD.
func esc(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder has no errors
	return b.String()
}

// summary is the picture in words.
func (d *drawing) summary() string {
	const most = 20
	var rows []string
	for i := range d.entries {
		if i == most {
			rows = append(rows, fmt.Sprintf("and %d more", len(d.entries)-most))
			break
		}
		e := &d.entries[i]
		rows = append(rows, fmt.Sprintf("%s: %s after %s", d.label(e), e.outcome(), short(e.took)))
	}
	return strings.Join(rows, "; ")
}

// x is where a moment is.
func (d *drawing) x(t time.Duration) float64 {
	return d.left + (d.right-d.left)*float64(t)/float64(d.span)
}

func (d *drawing) axis(top, bottom float64) {
	for _, t := range d.ticks(int((d.right - d.left) / leastTick)) {
		d.f(`<line class="grid" x1="%.1f" x2="%[1]f" y1="%.0f" y2="%.0f"/>`, d.x(t), top-6, bottom)
		d.f(`<text class="faint" x="%.1f" y="%.0f">%s</text>`+"\n", d.x(t), top-12, short(t))
	}
}

func (d *drawing) row(e *entry, top, tookAt float64) {
	middle := top + rowHeight/2
	d.f("<g><title>%s</title>", esc(e.details()))
	d.f(`<rect class="hover" x="1" y="%.0f" width="%d" height="%d"/>`, top, svgWidth-2, rowHeight)
	d.f(`<text x="%d" y="%.0f">%s</text>`, margin, middle+4, esc(shorten(d.label(e), d.labels, "…")))
	for _, s := range e.spans() {
		tall := float64(thick)
		if s.phase == queued || s.phase == held {
			tall = thin
		}
		from, to := d.x(d.since(e)+s.from), d.x(d.since(e)+s.to)
		d.f(`<rect fill="var(--%s)" x="%.2f" y="%.0f" width="%.2f" height="%.0f"><title>%s</title></rect>`,
			phaseNames[s.phase], from, middle-tall/2, max(to-from, .5), tall, esc(e.during(s)))
	}
	end, word := d.x(d.since(e)+e.took), "faint"
	switch e.end {
	case done:
		if e.status >= 400 {
			word = "bad"
		}
	case failed, timedOut:
		word = "bad"
		d.cross("broken", end+crossGap, middle)
	case cancelled:
		d.cross("cancelled", end+crossGap, middle)
	}
	d.f(`<text class="faint end" x="%.1f" y="%.0f">%s</text>`, tookAt, middle+4, short(e.took))
	d.f(`<text class="%s" x="%.1f" y="%.0f">%s</text></g>`+"\n", word, tookAt+columnGap, middle+4, esc(e.outcome()))
}

// cross is the end of a request that has no response.
func (d *drawing) cross(class string, x, y float64) {
	d.f(`<path class="%s" d="M%.1f %.0fl7 7m0 -7l-7 7"/>`, class, x-3.5, y-3.5)
}

func (d *drawing) colours(y float64) {
	x := d.left
	means := func(text string) {
		d.f(`<text class="faint" x="%.1f" y="%.0f">%s</text>`+"\n", x+14, y+4, text)
		x += 14 + float64(len(text))*character + 16
	}
	for phase, text := range d.legend() {
		d.f(`<rect fill="var(--%s)" x="%.1f" y="%.0f" width="10" height="10"/>`, phaseNames[phase], x, y-5)
		means(text)
	}
	if d.anyBroken() {
		d.cross("broken", x+5, y)
		means(brokenMeans)
	}
}

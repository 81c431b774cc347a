package waterfall

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/abreast-go/abreast/internal/fail"
)

// Sizes in an SVG, in its own units.
const (
	svgWidth  = 900
	margin    = 16
	columnGap = 14
	rowHeight = 22
	thick     = 12   // height of a bar
	thin      = 4    // height of a bar while the request is queued or held
	character = 7.25 // width of one, in the monospaced labels
	mostLabel = 44   // characters
	crossGap  = 9
	leastTick = 70
)

// Fonts are attributes and not styles, like colors: see [paint].
const (
	fontAttrs  = `font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12"`
	titleAttrs = `font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="14" font-weight="600"`
)

// A color is an attribute with its value in light mode. A style replaces it
// with dark in dark mode.
type color struct{ name, attr, light, dark string }

// colors maps classes to colors. One class may have two.
var colors = []color{
	{"title", "fill", "#1f2328", "#e6edf3"},
	{"ink", "fill", "#1f2328", "#e6edf3"},
	{"faint", "fill", "#59636e", "#9198a1"},
	{"bad", "fill", "#cf222e", "#ff6b62"},
	{"ground", "fill", "#ffffff", "#0d1117"},
	{"ground", "stroke", "#d1d9e0", "#3d444d"},
	{"grid", "stroke", "#e6eaef", "#262c36"},
	{"broken", "stroke", "#cf222e", "#ff6b62"},
	{"canceled", "stroke", "#59636e", "#9198a1"},

	{"queued", "fill", "#c3ccd5", "#4a525c"},
	{"pause", "fill", "#eac54f", "#d4a72c"},
	{"held", "fill", "#8c959f", "#7d8590"},
	{"DNS", "fill", "#1b9aaa", "#39c5cf"},
	{"dial", "fill", "#e8912d", "#f0a33f"},
	{"TLS", "fill", "#8957e5", "#a985f2"},
	{"send", "fill", "#d6488f", "#f778ba"},
	{"wait", "fill", "#2fa84f", "#3fb950"},
	{"body", "fill", "#1f74d8", "#4c9bf5"},
}

// paint returns the attributes that give an element the colors of a class. They
// are plain, because many viewers know no CSS variables and no media queries.
// Where these are known, svgStyle overrides them in the dark.
func paint(class string) string {
	attrs := fmt.Sprintf(`class="%s"`, class)
	for _, c := range colors {
		if c.name == class {
			attrs += fmt.Sprintf(` %s="%s"`, c.attr, c.light)
		}
	}
	return attrs
}

// svgStyle has every rule within the picture, so a page can include the picture
// as it is.
var svgStyle = func() string {
	style := "\n.waterfall g:hover > .hover { opacity: .06 }\n@media (prefers-color-scheme: dark) {\n.waterfall .hover { fill: #e6edf3 }\n"
	for _, c := range colors {
		style += fmt.Sprintf(".waterfall .%s { %s: %s }\n", c.name, c.attr, c.dark)
	}
	return style + "}\n"
}()

// SVG writes a picture to w. It has a row for each request, in the order in
// which the requests were made. The row shows the phases in colors, which a
// legend explains, and more details where the pointer rests. A request in
// flight is drawn up to now.
//
// The picture is one <svg> element, 900 wide in its own units. It refers to
// nothing else, and works as a file, in an <img> and within an HTML page. It is
// light or dark as the reader's browser prefers.
//
// SVG may be called at any time, from any goroutine. It takes no lock while it
// writes to w. It returns only errors of w.
func (rec *Recorder) SVG(w io.Writer) error {
	p := rec.picture()
	d := drawing{picture: &p}
	d.draw()
	_, err := w.Write(d.Bytes())
	return err
}

// A drawing is an SVG that is being written.
type drawing struct {
	bytes.Buffer
	*picture
	labels      int     // the width of the labels, in characters
	left, right float64 // where the bars begin and end
}

// draw writes the whole picture.
func (d *drawing) draw() {
	var label, took, outcome int
	for i := range d.entries {
		e := &d.entries[i]
		label = max(label, utf8.RuneCountInString(d.label(e)))
		took = max(took, utf8.RuneCountInString(short(e.took)))
		outcome = max(outcome, utf8.RuneCountInString(e.outcome()))
	}
	d.labels = min(label, mostLabel)
	tookAt := svgWidth - margin - float64(outcome)*character - columnGap // where the column of times ends
	d.left = margin + float64(d.labels)*character + columnGap
	d.right = tookAt - float64(took)*character - columnGap - crossGap
	top := 62.0
	bottom := top + rowHeight*float64(len(d.entries))
	height := bottom + 36

	d.f(`<svg xmlns="http://www.w3.org/2000/svg" class="waterfall" role="img" viewBox="0 0 %d %.0f" width="%[1]d" height="%.0[2]f" %[3]s>`+"\n", svgWidth, height, fontAttrs)
	d.f("<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", esc(d.title(d.origin)), esc(d.summary()), svgStyle)
	d.f(`<rect %s x=".5" y=".5" width="%d" height="%.0f" rx="6"/>`+"\n", paint("ground"), svgWidth-1, height-1)
	d.f(`<text %s x="%d" y="27" %s>%s</text>`+"\n", paint("title"), margin, titleAttrs, esc(shorten(d.title(d.origin), 110, "…")))
	if len(d.entries) > 0 {
		d.axis(top, bottom)
		for i := range d.entries {
			d.row(&d.entries[i], top+rowHeight*float64(i), tookAt)
		}
		d.colors(bottom + 20)
	}
	d.f("</svg>\n")
}

// f appends formatted text.
func (d *drawing) f(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// esc returns s escaped for XML, with escapes for unprintable characters: a
// character that changes the writing direction would change how everything
// after it reads.
func esc(s string) string {
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") { // a title may have several lines
		if i > 0 {
			b.WriteString("&#xA;")
		}
		xml.EscapeText(&b, []byte(fail.Printable(line))) // a Builder returns no errors
	}
	return b.String()
}

// summary returns the picture in words.
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

// x returns the position of a moment.
func (d *drawing) x(t time.Duration) float64 {
	return d.left + (d.right-d.left)*float64(t)/float64(d.span)
}

// axis draws the times above the rows, with a line for each.
func (d *drawing) axis(top, bottom float64) {
	for _, t := range d.ticks(int((d.right - d.left) / leastTick)) {
		d.f(`<line %s x1="%.1f" x2="%.1[2]f" y1="%.0f" y2="%.0f"/>`, paint("grid"), d.x(t), top-6, bottom)
		d.f(`<text %s x="%.1f" y="%.0f">%s</text>`+"\n", paint("faint"), d.x(t), top-12, short(t))
	}
}

// row draws the row of one request.
func (d *drawing) row(e *entry, top, tookAt float64) {
	middle := top + rowHeight/2
	d.f("<g><title>%s</title>", esc(e.details()))
	d.f(`<rect class="hover" fill="#1f2328" opacity="0" x="1" y="%.0f" width="%d" height="%d"/>`, top, svgWidth-2, rowHeight)
	d.f(`<text %s x="%d" y="%.0f">%s</text>`, paint("ink"), margin, middle+4, esc(shorten(d.label(e), d.labels, "…")))
	for _, s := range e.spans() {
		tall := float64(thick)
		if s.phase == queued || s.phase == held {
			tall = thin
		}
		from, to := d.x(d.since(e)+s.from), d.x(d.since(e)+s.to)
		d.f(`<rect %s x="%.2f" y="%.0f" width="%.2f" height="%.0f"><title>%s</title></rect>`,
			paint(phaseNames[s.phase]), from, middle-tall/2, max(to-from, .5), tall, esc(e.during(s)))
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
	case canceled:
		d.cross("canceled", end+crossGap, middle)
	}
	d.f(`<text %s text-anchor="end" x="%.1f" y="%.0f">%s</text>`, paint("faint"), tookAt, middle+4, short(e.took))
	d.f(`<text %s x="%.1f" y="%.0f">%s</text></g>`+"\n", paint(word), tookAt+columnGap, middle+4, esc(e.outcome()))
}

// cross marks the end of a request that has no response.
func (d *drawing) cross(class string, x, y float64) {
	d.f(`<path %s stroke-width="2" d="M%.1f %.0fl7 7m0 -7l-7 7"/>`, paint(class), x-3.5, y-3.5)
}

// colors draws the legend.
func (d *drawing) colors(y float64) {
	x := d.left
	means := func(text string) {
		d.f(`<text %s x="%.1f" y="%.0f">%s</text>`+"\n", paint("faint"), x+14, y+4, text)
		x += 14 + float64(len(text))*character + 16
	}
	for phase, text := range d.legend() {
		d.f(`<rect %s x="%.1f" y="%.0f" width="10" height="10"/>`, paint(phaseNames[phase]), x, y-5)
		means(text)
	}
	if d.anyBroken() {
		d.cross("broken", x+5, y)
		means(brokenMeans)
	}
}

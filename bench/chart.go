package main

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// These colors are legible on white and on black.
var (
	grey   = color.Gray{Y: 0x80}
	blue   = color.RGBA{R: 0x3b, G: 0x82, B: 0xf6, A: 0xff}
	orange = color.RGBA{R: 0xea, G: 0x7a, B: 0x1a, A: 0xff}
)

var typeface = font.Font{Typeface: "Liberation", Variant: "Sans"}

// chart writes the wall and CPU ratios as points, with a line from the minimum
// to the maximum. The axis is logarithmic: twice as slow is as far to the right
// as twice as fast is to the left.
func (r report) chart(file string) error {
	p := plot.New()
	p.BackgroundColor = nil // leave it to the viewer
	p.Title.Text = r.scenario.name + ": " + r.scenario.title
	p.X.Label.Text = "ratio to " + handtuned.name
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks{
		{Value: 0.2, Label: "0.2"}, {Value: 0.5, Label: "0.5"}, {Value: 1, Label: "1"}, {Value: 2, Label: "2"},
		{Value: 5, Label: "5"}, {Value: 10, Label: "10"}, {Value: 20, Label: "20"}, {Value: 50, Label: "50"},
	}
	inGrey(p)
	p.Y.Tick.Length = 0

	right := make(map[string]bool) // texts that are aligned to the right
	names := r.names()[1:]         // without the baseline, whose ratio is 1
	last := len(names) - 1
	for _, series := range []struct {
		measure measure
		color   color.Color
		offset  float64
	}{{wall, blue, 0.12}, {cpu, orange, -0.12}} {
		var points plotter.XYs
		var errs plotter.XErrors
		for i, name := range names {
			s := summarize(r.rounds.against(name, series.measure, quotient))
			points = append(points, plotter.XY{X: s.median, Y: float64(last-i) + series.offset})
			errs = append(errs, struct{ Low, High float64 }{s.median - s.min, s.max - s.median})
		}
		marks, err := plotter.NewScatter(points)
		if err != nil {
			return err
		}
		marks.GlyphStyle = draw.GlyphStyle{Color: series.color, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
		bars, err := plotter.NewXErrorBars(struct {
			plotter.XYs
			plotter.XErrors
		}{points, errs})
		if err != nil {
			return err
		}
		bars.LineStyle.Color = series.color
		p.Add(bars, marks)
		p.Legend.Add(series.measure.name, marks)
		right[series.measure.name] = true
	}
	var rows []plot.Tick
	for i, name := range names {
		label := name + "  " // away from the axis
		rows = append(rows, plot.Tick{Value: float64(last - i), Label: label})
		right[label] = true
	}
	p.Y.Tick.Marker = plot.ConstantTicks(rows)
	p.Y.Min, p.Y.Max = -0.5, float64(last)+0.5
	p.X.Min, p.X.Max = min(p.X.Min, 0.8)*0.95, max(p.X.Max, 1.25)*1.05

	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: p.Y.Min}, {X: 1, Y: p.Y.Max}})
	if err != nil {
		return err
	}
	one.LineStyle = draw.LineStyle{Color: grey, Width: vg.Points(0.75), Dashes: []vg.Length{vg.Points(3), vg.Points(3)}}
	p.Add(one)
	// Leave some room, because other fonts are a little wider than this one.
	const left, top = vg.Centimeter, 2 * vg.Millimeter
	canvas, err := draw.NewFormattedCanvas(18*vg.Centimeter+left, vg.Length(3+0.9*float64(len(names)))*vg.Centimeter+top, "svg")
	if err != nil {
		return err
	}
	p.Draw(draw.Crop(draw.New(canvas), left, 0, 0, -top))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	return os.WriteFile(file, anchor(text.Bytes(), right), 0o666)
}

// inGrey gives the texts and the axes of p their font and color.
func inGrey(p *plot.Plot) {
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Color = grey
		size := style.Font.Size
		style.Font = typeface
		style.Font.Size = size
	}
	for _, line := range []*draw.LineStyle{&p.X.LineStyle, &p.Y.LineStyle, &p.X.Tick.LineStyle, &p.Y.Tick.LineStyle} {
		line.Color = grey
	}
	p.Title.Padding = vg.Points(8)
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
}

var textElement = regexp.MustCompile(`<text x="([^"]+)"([^>]*font-size:(\d+)px[^>]*)>([^<]*)</text>`)

// anchor returns svg with each text anchored at its right end if it is in
// right, and otherwise in its middle. gonum anchors all texts at the left,
// which is right only in the font in which they were measured. A viewer without
// that font would draw labels across the axis.
func anchor(svg []byte, right map[string]bool) []byte {
	return textElement.ReplaceAllFunc(svg, func(element []byte) []byte {
		m := textElement.FindSubmatch(element)
		text := html.UnescapeString(string(m[4]))
		x, _ := strconv.ParseFloat(string(m[1]), 64)
		size, _ := strconv.ParseFloat(string(m[3]), 64)
		// Spaces at the end are not drawn.
		shown := strings.TrimRight(text, " ")
		face := font.DefaultCache.Lookup(typeface, vg.Points(size))
		width := float64(face.Width(shown))
		at, anchor := x+width/2, "middle"
		if right[text] {
			at, anchor = x+width, "end"
		}
		rest := strings.Replace(string(m[2]), "Liberation Sans", "Liberation Sans,Arial,Helvetica,sans-serif", 1)
		return fmt.Appendf(nil, `<text x="%.5g" text-anchor="%s"%s>%s</text>`, at, anchor, rest, html.EscapeString(shown))
	})
}

package main

import (
	"bytes"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours that are read on white and on black alike.
var (
	grey   = color.Gray{Y: 0x80}
	blue   = color.RGBA{R: 0x3b, G: 0x82, B: 0xf6, A: 0xff}
	orange = color.RGBA{R: 0xea, G: 0x7a, B: 0x1a, A: 0xff}
)

// chart writes the wall and CPU ratios as points, with a line from the least to the most
// of them. The axis is logarithmic: twice as slow is as far to the right as twice as fast
// is to the left.
func (r report) chart(file string) error {
	p := plot.New()
	p.BackgroundColor = nil // the reader's
	p.Title.Text = r.scenario.name + ": " + r.scenario.title
	p.X.Label.Text = "ratio to " + handtuned.name
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks{
		{Value: 0.2, Label: "0.2"}, {Value: 0.5, Label: "0.5"}, {Value: 1, Label: "1"}, {Value: 2, Label: "2"},
		{Value: 5, Label: "5"}, {Value: 10, Label: "10"}, {Value: 20, Label: "20"}, {Value: 50, Label: "50"},
	}
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Color = grey
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: style.Font.Size}
	}
	for _, line := range []*draw.LineStyle{&p.X.LineStyle, &p.Y.LineStyle, &p.X.Tick.LineStyle, &p.Y.Tick.LineStyle} {
		line.Color = grey
	}
	p.Title.Padding = vg.Points(8)
	p.Y.Tick.Length = 0
	p.Legend.Top = true

	names := r.names()[1:] // the baseline against itself is 1
	last := len(names) - 1
	for _, series := range []struct {
		measure measure
		color   color.Color
		offset  float64
	}{{wall, blue, 0.12}, {cpu, orange, -0.12}} {
		var points plotter.XYs
		var errs plotter.XErrors
		for i, name := range names {
			s := summarise(r.rounds.against(name, series.measure, quotient))
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
	}
	var rows []plot.Tick
	for i, name := range names {
		rows = append(rows, plot.Tick{Value: float64(last - i), Label: name + "  "}) // away from the axis
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
	// With some room around it, since browsers' fonts are a little wider than they were measured.
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
	// The others are as wide as Liberation Sans, which is what the text was measured in.
	fonts := bytes.ReplaceAll(text.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans,Arial,Helvetica,sans-serif"))
	return os.WriteFile(file, fonts, 0o666)
}

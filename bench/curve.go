package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"sync"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// points is the number of points of a curve.
const points = 100

// A curve has the memory in use during a run.
type curve struct {
	every int64 // bodies; 0 if the scenario has no curve

	mu  sync.Mutex
	rss []int64
}

// newCurve returns an empty curve.
func newCurve(s scenario) *curve {
	if !s.memory {
		return new(curve)
	}
	return &curve{every: max(1, int64(s.requests()/points))}
}

// passed adds a point to the curve if it is due now that n bodies have arrived.
func (c *curve) passed(n int64) {
	if c.every == 0 || n%c.every != 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if rss, ok := memory("VmRSS"); ok {
		c.rss = append(c.rss, rss)
	}
}

// curves writes a chart with the memory during a run: the medians of all
// rounds.
func (r report) curves(file string) error {
	p := plot.New()
	p.BackgroundColor = nil // leave it to the viewer
	p.Title.Text = r.scenario.title + ": memory"
	p.X.Label.Text = "requests that are done, in percent"
	p.Y.Label.Text = "RSS in MiB"
	inGrey(p)
	colors := map[string]color.Color{handtuned.name: orange, abreast.name: blue}
	most := 0.0
	for _, name := range []string{handtuned.name, abreast.name} {
		var line plotter.XYs
		for i := range points {
			var values []float64
			for _, o := range r.rounds[name] {
				if i < len(o.RSS) {
					values = append(values, float64(o.RSS[i])/mib)
				}
			}
			if len(values) == 0 {
				break
			}
			median := summarize(values).median
			most = max(most, median)
			line = append(line, plotter.XY{X: float64(i+1) * 100 / points, Y: median})
		}
		if len(line) == 0 {
			return fmt.Errorf("%s: the memory of %s is unknown", r.scenario.name, name)
		}
		l, err := plotter.NewLine(line)
		if err != nil {
			return err
		}
		l.LineStyle = draw.LineStyle{Color: colors[name], Width: vg.Points(1.5)}
		p.Add(l)
		p.Legend.Add(name, l)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 100, 0, 1.5*most
	canvas, err := draw.NewFormattedCanvas(18*vg.Centimeter, 7*vg.Centimeter, "svg")
	if err != nil {
		return err
	}
	p.Draw(draw.New(canvas))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	return os.WriteFile(file, anchor(text.Bytes(), map[string]bool{handtuned.name: true, abreast.name: true}), 0o666)
}

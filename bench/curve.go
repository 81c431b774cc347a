package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"strings"
	"sync"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// points is the number of points of a curve: one for each percent of the
// requests.
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

// inUse returns the memory that a contender used after a part of the requests,
// in each round that has a point there.
func (r report) inUse(name string, percent int) (bytes []float64) {
	for _, o := range r.rounds[name] {
		if percent <= len(o.RSS) {
			bytes = append(bytes, float64(o.RSS[percent-1]))
		}
	}
	return bytes
}

// inUseText says how much memory the contenders used, as the median of all
// rounds, the least and the most.
func (r report) inUseText() string {
	var texts []string
	for _, name := range []string{handtuned.name, abreast.name} {
		var cells []string
		for _, percent := range []int{1, 50, 100} {
			cells = append(cells, cell(r.inUse(name, percent), size))
		}
		texts = append(texts, name+" "+strings.Join(cells, ", "))
	}
	return "Memory in use after 1 %, 50 % and 100 % of the requests: " + strings.Join(texts, "; ") + "."
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
		for percent := 1; percent <= points; percent++ {
			values := r.inUse(name, percent)
			if len(values) == 0 {
				return fmt.Errorf("%s: the memory of %s is unknown", r.scenario.name, name)
			}
			median := summarize(values).median / mib
			most = max(most, median)
			line = append(line, plotter.XY{X: float64(percent), Y: median})
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
	const right, top = 5 * vg.Millimeter, 2 * vg.Millimeter // other fonts are wider
	canvas, err := draw.NewFormattedCanvas(18*vg.Centimeter+right, 7*vg.Centimeter+top, "svg")
	if err != nil {
		return err
	}
	p.Draw(draw.Crop(draw.New(canvas), 0, -right, 0, -top))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	return os.WriteFile(file, anchor(text.Bytes(), map[string]bool{handtuned.name: true, abreast.name: true}), 0o666)
}

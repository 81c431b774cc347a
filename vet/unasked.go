package main

import "golang.org/x/tools/go/analysis"

var unasked = &analysis.Analyzer{
	Name: "unasked",
	Doc: `report a handle whose result is never asked for

The function neither asks the handle nor gives it away, and its block does not
read its arrivals. What the handle stands for is canceled when the block ends,
and a failure is noticed by nobody.`,
	URL:      page + "unasked",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for h := range c.forgotten() {
			if h.discarded && writes(h.what) != "" {
				continue // see dropped
			}
			what := "request"
			switch h.what {
			case "parallel.Go", "parallel.Parallel.Go":
				what = "function"
			case "pending.Race":
				what = "race"
			}
			pass.Reportf(h.cur.Node().Pos(), "the result of %s is never asked for: the %s is canceled when the block ends, and its failure is not noticed; "+
				"call Response, Bytes or JSON of the handle, or read p.Arrivals before the block returns", short(h.what), what)
		}
		return nil, nil
	},
}

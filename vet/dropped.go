package main

import (
	"go/ast"
	"go/types"
	"iter"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var dropped = &analysis.Analyzer{
	Name: "dropped",
	Doc: `report a POST, PUT, PATCH or DELETE whose handle is dropped

A block that ends cancels its requests. If nothing waits for a POST, it is
usually not sent at all.`,
	URL:      page + "dropped",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for h := range c.forgotten() {
			if method := writes(h.what); method != "" && h.discarded {
				pass.Reportf(h.cur.Node().Pos(), "nothing waits for this %s: the block cancels it when it ends, usually before it is sent; "+
					"keep the handle and call Bytes, or read p.Arrivals before the block returns", method)
			}
		}
		return nil, nil
	},
}

// writes returns the method of a request that changes something on the server,
// or "".
func writes(name string) string {
	switch name {
	case "parallel.Parallel.Post", "parallel.Parallel.Put", "parallel.Parallel.Patch", "parallel.Parallel.Delete":
		return strings.ToUpper(strings.TrimPrefix(name, "parallel.Parallel."))
	}
	return ""
}

// A forgotten handle is one that nobody asks, in a block that nobody waits for.
type forgotten struct {
	cur       inspector.Cursor // the call that makes it
	what      string           // name of the function that is called
	discarded bool             // it is not even assigned to a variable
}

// forgotten yields the handles that can be done without anybody noticing.
func (c *code) forgotten() iter.Seq[forgotten] {
	return func(yield func(forgotten) bool) {
		left := c.left()
		raced := make(map[inspector.Cursor]bool)
		for _, call := range c.calls {
			n := call.Node().(*ast.CallExpr)
			if fn := left[c.owner(n)]; !fn.Valid() || !c.makes(n) || !c.runs(fn, call) || !c.fate(call).dropped() {
				continue
			}
			race := c.raceOf(call)
			if raced[race] {
				continue // one report for all racers
			}
			raced[race] = true
			if !yield(forgotten{race, c.called(race.Node().(*ast.CallExpr)), race.ParentEdgeKind() == edge.ExprStmt_X}) {
				return
			}
		}
	}
}

// called returns the name of the function that call calls.
func (c *code) called(call *ast.CallExpr) string {
	if name := c.name(call); name != "" {
		return name
	}
	return types.ExprString(call.Fun)
}

// raceOf returns the Race of which the handle at cur is a racer, or cur itself.
func (c *code) raceOf(cur inspector.Cursor) inspector.Cursor {
	if cur.ParentEdgeKind() == edge.CallExpr_Args {
		if call := cur.Parent(); c.name(call.Node().(*ast.CallExpr)) == "pending.Race" {
			return c.raceOf(call)
		}
	}
	return cur
}

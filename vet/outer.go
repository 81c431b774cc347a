package main

import (
	"fmt"
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var outer = &analysis.Analyzer{
	Name: "outer",
	Doc: `report a request on the outer block in a function that has its own

What the function makes on its own block ends with it. A request on the outer
block goes on after the function's handle was canceled.`,
	URL:      page + "outer",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, call := range c.calls {
			n := call.Node().(*ast.CallExpr)
			p := c.owner(n)
			if p == nil {
				continue
			}
			if b := c.enclosing(call); c.strays(b, p, call) {
				what := "function"
				if !b.goes {
					what = "block"
				}
				pass.Report(analysis.Diagnostic{
					Pos: n.Pos(),
					Message: fmt.Sprintf("%s belongs to the outer block, and goes on when this %s ends or is canceled; "+
						"use the %s's own *parallel.Parallel", types.ExprString(n.Fun), what, what),
					SuggestedFixes: c.useOwn(pass, b, p, call),
				})
			}
		}
		return nil, nil
	},
}

// strays reports whether the function of b uses p, which is outside of b, for
// something that ends within the function: a handle whose result it asks for, a
// loop, or the context. A handle that is left to the outer block is meant to
// outlive the function.
//
// A block of another client is opened in order to use both. It is reported only
// if it makes no use of its own p.
func (c *code) strays(b *block, p *types.Var, call inspector.Cursor) bool {
	if b == nil || p == b.p || within(b.fn.Node(), p.Pos()) || p.Kind() != types.ParamVar {
		return false
	}
	if !b.goes && b.p != nil && len(c.uses[b.p]) > 0 {
		return false
	}
	n := call.Node().(*ast.CallExpr)
	switch name := c.name(n); {
	case name == "parallel.Each" || name == "parallel.Ordered" || name == "parallel.Parallel.Context" && b.goes:
		return true
	case !c.makes(n):
		return false
	}
	if loop := c.starts[function(call)]; loop.Valid() && c.enclosing(loop) == b && call.ParentEdgeKind() == edge.ReturnStmt_Results {
		return true
	}
	for _, asked := range c.fate(call).asked {
		if c.enclosing(asked) == b {
			return true
		}
	}
	return false
}

// useOwn returns the edit that replaces p in call by b's own parameter. It
// returns nil for the block of another client, whose requests go elsewhere.
func (c *code) useOwn(pass *analysis.Pass, b *block, p *types.Var, call inspector.Cursor) []analysis.SuggestedFix {
	if !b.goes {
		return nil
	}
	if b.p == nil {
		return c.takeName(b, p)
	}
	n := call.Node().(*ast.CallExpr)
	places := []ast.Expr{c.ownerExpr(n)}
	for _, a := range n.Args {
		if sel, ok := a.(*ast.SelectorExpr); ok && c.variable(sel.X) == p {
			places = append(places, sel.X) // the start function is p.Get
		}
	}
	var edits []analysis.TextEdit
	for _, x := range places {
		scope := pass.Pkg.Scope().Innermost(x.Pos())
		if scope == nil {
			return nil
		}
		if _, obj := scope.LookupParent(b.p.Name(), x.Pos()); obj != b.p {
			return nil
		}
		edits = append(edits, analysis.TextEdit{Pos: x.Pos(), End: x.End(), NewText: []byte(b.p.Name())})
	}
	return []analysis.SuggestedFix{{Message: "Use " + b.p.Name(), TextEdits: edits}}
}

// takeName returns the edit that gives b's unnamed parameter the name of p,
// which changes the meaning of p in the whole function. It returns nil if the
// function has another use of p.
func (c *code) takeName(b *block, p *types.Var) []analysis.SuggestedFix {
	for _, use := range c.uses[p] {
		if !within(b.fn.Node(), use.Node().Pos()) {
			continue
		}
		ok := use.ParentEdgeKind() == edge.SelectorExpr_X && use.Parent().ParentEdgeKind() == edge.CallExpr_Args // p.Get
		for call := range use.Enclosing((*ast.CallExpr)(nil)) {
			n := call.Node().(*ast.CallExpr)
			ok = (ok || c.ownerExpr(n) == use.Node()) && c.strays(b, p, call)
			break
		}
		if !ok {
			return nil
		}
	}
	edit := analysis.TextEdit{Pos: b.param.Pos(), End: b.param.Pos(), NewText: []byte(p.Name() + " ")}
	if len(b.param.Names) == 1 {
		edit = analysis.TextEdit{Pos: b.param.Pos(), End: b.param.Names[0].End(), NewText: []byte(p.Name())}
	}
	return []analysis.SuggestedFix{{Message: "Name the function's own block " + p.Name(), TextEdits: []analysis.TextEdit{edit}}}
}

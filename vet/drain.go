package main

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var drain = &analysis.Analyzer{
	Name: "drain",
	Doc: `report a Go function that drains the arrivals of its own handle's block

The function's handle is among them, so the function waits for itself.`,
	URL:      page + "drain",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, call := range c.calls {
			n := call.Node().(*ast.CallExpr)
			var loop inspector.Cursor
			switch c.name(n) {
			case "parallel.Parallel.Arrivals":
				if call.ParentEdgeKind() != edge.RangeStmt_X {
					continue
				}
				loop = call.Parent()
			case "parallel.Parallel.HasPending":
				if call.ParentEdgeKind() != edge.ForStmt_Cond {
					continue
				}
				loop = call.Parent()
			default:
				continue
			}
			if p := c.owner(n); p != nil && c.waitsForItself(p, call) && !stopsEarly(loop) {
				pass.Reportf(n.Pos(), "this loop waits for the function that it is in, which is among the arrivals of %s, and never ends; "+
					"read the arrivals of %s outside of Go, or make the requests on the function's own block", p.Name(), p.Name())
			}
		}
		return nil, nil
	},
}

// waitsForItself reports whether the call at cur is in a function that was
// passed to Go of the block p, and nobody else asks for the function's handle:
// a handle that is asked for is no longer among the arrivals.
func (c *code) waitsForItself(p *types.Var, cur inspector.Cursor) bool {
	for b := c.enclosing(cur); b != nil; b = c.enclosing(b.fn.Parent()) {
		if b.goes && c.owner(b.open.Node().(*ast.CallExpr)) == p {
			return c.fate(b.open).dropped()
		}
	}
	return false
}

// stopsEarly reports whether the loop at cur may end before all handles are
// done, other than by returning an error.
func stopsEarly(cur inspector.Cursor) bool {
	for exit := range cur.Preorder((*ast.BranchStmt)(nil), (*ast.ReturnStmt)(nil)) {
		switch n := exit.Node().(type) {
		case *ast.BranchStmt:
			if n.Tok != token.CONTINUE {
				return true
			}
		case *ast.ReturnStmt:
			if !isError(exit) {
				return true
			}
		}
	}
	return false
}

// isError reports whether the statement at cur is in an if that compares
// something to nil with !=.
func isError(cur inspector.Cursor) bool {
	for branch := range cur.Enclosing((*ast.IfStmt)(nil)) {
		cond, ok := ast.Unparen(branch.Node().(*ast.IfStmt).Cond).(*ast.BinaryExpr)
		if !ok || cond.Op != token.NEQ {
			return false
		}
		id, ok := cond.Y.(*ast.Ident)
		return ok && id.Name == "nil"
	}
	return false
}

package main

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var unchecked = &analysis.Analyzer{
	Name: "unchecked",
	Doc: `report a result whose error is ignored

Making a request never fails. Every problem is reported by Response, Bytes,
JSON, As, All or Next, and nowhere else.`,
	URL:      page + "unchecked",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, call := range c.calls {
			name := c.name(call.Node().(*ast.CallExpr))
			without, ok := missing[name]
			if !ok {
				continue
			}
			switch {
			case call.ParentEdgeKind() == edge.ExprStmt_X && !c.isCleanup(call):
				pass.Reportf(call.Node().Pos(), "the error of %s is ignored: a request that failed is not noticed; "+
					"check the error, or assign it to _ if failures don't matter", short(name))
			case c.reliesOn(call):
				pass.Reportf(call.Node().Pos(), "the error of %s is ignored, but the result is used: after a failure it is %s; check the error", short(name), without)
			}
		}
		return nil, nil
	},
}

// missing is what a function of the library returns beside an error.
var missing = map[string]string{
	"pending.Pending.Response": "a nil response",
	"pending.Pending.Bytes":    "nil, and a status outside 2xx is a failure",
	"pending.Pending.JSON":     "",
	"pending.As":               "the zero value",
	"pending.All":              "a slice in which responses are nil",
	"parallel.Parallel.Next":   "a nil response",
}

// isCleanup reports whether the call at cur is in a deferred function, which
// has nowhere to return an error to.
func (c *code) isCleanup(cur inspector.Cursor) bool {
	for range cur.Enclosing((*ast.DeferStmt)(nil)) {
		return true
	}
	return false
}

// reliesOn reports whether the call at cur assigns its error to _ and its other
// result to a variable that is used without being compared to anything.
func (c *code) reliesOn(cur inspector.Cursor) bool {
	if cur.ParentEdgeKind() != edge.AssignStmt_Rhs {
		return false
	}
	lhs := cur.Parent().Node().(*ast.AssignStmt).Lhs
	if len(lhs) != 2 || !isBlank(lhs[1]) || isBlank(lhs[0]) {
		return false
	}
	v := c.variable(lhs[0])
	if v == nil {
		return false
	}
	used := false
	for _, use := range c.uses[v] {
		switch kind, _ := use.ParentEdge(); kind {
		case edge.AssignStmt_Lhs:
		case edge.BinaryExpr_X, edge.BinaryExpr_Y, edge.SwitchStmt_Tag:
			return false
		case edge.CallExpr_Args:
			if c.isBuiltin(use.Parent().Node().(*ast.CallExpr), "len") {
				return false
			}
			used = true
		case edge.SelectorExpr_X, edge.IndexExpr_X, edge.RangeStmt_X, edge.UnaryExpr_X:
			used = true
		}
	}
	return used
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

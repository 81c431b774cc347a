package main

import (
	"go/ast"
	"go/types"
	"slices"

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
			if !ok || c.askedAgain(call) {
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

// askedAgain reports whether the program also asks the handle of the call at
// cur elsewhere and keeps the error, which is the same each time. The handle is
// one of a variable, or of a slice or map that is passed to All.
func (c *code) askedAgain(cur inspector.Cursor) bool {
	h := c.receiver(cur.Node().(*ast.CallExpr))
	if h == nil || isBlock(h.Type()) {
		return false
	}
	f := &fate{seen: map[*types.Var]bool{h: true}}
	for _, use := range c.uses[h] {
		c.follow(f, use)
	}
	for loop := range cur.Enclosing((*ast.RangeStmt)(nil)) {
		n := loop.Node().(*ast.RangeStmt)
		if n.Value == nil || c.variable(n.Value) != h {
			continue
		}
		for _, use := range c.uses[c.variable(n.X)] {
			c.follow(f, use)
		}
	}
	return slices.ContainsFunc(f.asked, func(asked inspector.Cursor) bool { return asked != cur && !c.ignoresError(asked) })
}

// ignoresError reports whether the error of the call at cur is dropped.
func (c *code) ignoresError(cur inspector.Cursor) bool {
	switch cur.ParentEdgeKind() {
	case edge.ExprStmt_X:
		return true
	case edge.AssignStmt_Rhs:
		lhs := cur.Parent().Node().(*ast.AssignStmt).Lhs
		return isBlank(lhs[len(lhs)-1])
	}
	return false
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

// isBlank reports whether e is "_".
func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// A fate is what becomes of a handle: where its result is asked for, and where
// it goes to code that this program does not follow. A handle with neither is
// dropped. Assigning it to "_" counts as giving it away: the author knows.
type fate struct {
	asked, given []inspector.Cursor
	seen         map[*types.Var]bool
}

func (f *fate) dropped() bool { return len(f.asked) == 0 && len(f.given) == 0 }

// fate follows the handle at cur, or the slice, array or map of handles. A
// struct with a handle is followed until one of its fields or methods is used.
func (c *code) fate(cur inspector.Cursor) *fate {
	f := &fate{seen: make(map[*types.Var]bool)}
	c.follow(f, cur)
	return f
}

// follow adds to f what the code around cur does with the handle at cur.
func (c *code) follow(f *fate, cur inspector.Cursor) {
	parent := cur.Parent()
	switch kind, i := cur.ParentEdge(); kind {
	case edge.ExprStmt_X:
		return
	case edge.ParenExpr_X, edge.CompositeLit_Elts, edge.KeyValueExpr_Value:
		c.follow(f, parent)
		return
	case edge.SelectorExpr_X:
		if parent.ParentEdgeKind() != edge.CallExpr_Fun {
			break // a method value
		}
		switch fn, _ := c.Uses[parent.Node().(*ast.SelectorExpr).Sel].(*types.Func); nameOf(fn) {
		case "pending.Pending.Response", "pending.Pending.Bytes", "pending.Pending.JSON", "pending.Pending.Done":
			f.asked = append(f.asked, parent.Parent())
			return
		case "pending.Pending.Cancel", "pending.Pending.Request":
			return
		}
	case edge.CallExpr_Args:
		call := parent.Node().(*ast.CallExpr)
		switch c.name(call) {
		case "pending.All", "pending.As":
			f.asked = append(f.asked, parent)
			return
		case "pending.Race":
			c.follow(f, parent)
			return
		}
		switch {
		case c.isBuiltin(call, "append"):
			c.follow(f, parent)
			return
		case c.isBuiltin(call, "len"), c.isBuiltin(call, "cap"):
			return
		}
	case edge.AssignStmt_Lhs:
		return
	case edge.AssignStmt_Rhs:
		if n := parent.Node().(*ast.AssignStmt); len(n.Lhs) == len(n.Rhs) && c.followInto(f, parent.ChildAt(edge.AssignStmt_Lhs, i)) {
			return
		}
	case edge.ValueSpec_Values:
		if n := parent.Node().(*ast.ValueSpec); len(n.Names) == len(n.Values) && c.followInto(f, parent.ChildAt(edge.ValueSpec_Names, i)) {
			return
		}
	case edge.IndexExpr_X:
		c.follow(f, parent)
		return
	case edge.RangeStmt_X:
		n := parent.Node().(*ast.RangeStmt)
		if n.Value == nil || c.followInto(f, parent.ChildAt(edge.RangeStmt_Value, -1)) {
			return
		}
	}
	f.given = append(f.given, cur)
}

// followInto adds to f what becomes of the variable at cur, to which the handle
// is assigned. It returns false if that can be known to other code.
func (c *code) followInto(f *fate, cur inspector.Cursor) bool {
	switch n := cur.Node().(type) {
	case *ast.IndexExpr:
		return c.followInto(f, cur.ChildAt(edge.IndexExpr_X, -1))
	case *ast.Ident:
		v, ok := c.ObjectOf(n).(*types.Var)
		if !ok || v.Kind() != types.LocalVar {
			return false
		}
		if f.seen[v] {
			return true
		}
		f.seen[v] = true
		for _, use := range c.uses[v] {
			c.follow(f, use)
		}
		return true
	}
	return false
}

package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var channel = &analysis.Analyzer{
	Name: "channel",
	Doc: `report Each or Ordered over a channel without the block's context

The sequence runs on the goroutine of the loop. While it waits for the channel,
the end of the block's context does not wake it.`,
	URL:      page + "channel",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, call := range c.calls {
			n := call.Node().(*ast.CallExpr)
			name := c.name(n)
			if (name != "parallel.Each" && name != "parallel.Ordered") || len(n.Args) < 2 {
				continue
			}
			s := source{c, make(map[*types.Var]ast.Expr), make(map[any]bool)}
			seq, ok := s.sequence(arg(call, 1))
			if !ok {
				continue
			}
			if ch := c.receives(seq); ch != nil && !s.isFed(ch) {
				pass.Reportf(n.Args[1].Pos(), "this sequence waits for a channel, and the end of the block's context does not wake it: the block may never end; "+
					"select on p.Context().Done() beside the channel")
			}
		}
		return nil, nil
	},
}

// A source is where the items of a loop come from.
type source struct {
	*code
	args map[*types.Var]ast.Expr // what is passed to the functions that return the sequence
	seen map[any]bool            // functions and variables that were followed: they may be recursive
}

// sequence returns the function that the iter.Seq at cur is, if it is in this
// package: a literal, a variable that holds one, or what a function returns.
func (s *source) sequence(cur inspector.Cursor) (fn inspector.Cursor, ok bool) {
	switch e := cur.Node().(type) {
	case *ast.CallExpr:
		if s.Types[e.Fun].IsType() && len(e.Args) == 1 {
			return s.sequence(arg(cur, 0))
		}
		decl, ok := s.function(cur.ChildAt(edge.CallExpr_Fun, -1))
		if !ok || s.seen[decl.Node()] || s.hasContext(decl.Node()) {
			return fn, false
		}
		s.seen[decl.Node()] = true
		for i, a := range e.Args {
			s.args[s.parameter(decl, i)] = a
		}
		for ret := range decl.Preorder((*ast.ReturnStmt)(nil)) {
			if function(ret) == decl.Node() && len(ret.Node().(*ast.ReturnStmt).Results) == 1 {
				return s.sequence(ret.ChildAt(edge.ReturnStmt_Results, 0))
			}
		}
		return fn, false
	case *ast.Ident:
		if v, isVar := s.Uses[e].(*types.Var); isVar {
			if value, ok := s.value(v); ok {
				return s.sequence(value)
			}
			return fn, false
		}
	}
	return s.function(cur)
}

// hasContext reports whether code has a context at hand, or a block.
func (c *code) hasContext(n ast.Node) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			t := c.TypeOf(e)
			found = found || t != nil && (typeOf(t) == "context.Context" || isBlock(t))
		}
		return !found
	})
	return found
}

// receives returns the channel that the function at fn receives from. It
// returns nil if the function has a context, or receives in a select.
func (c *code) receives(fn inspector.Cursor) (ch ast.Expr) {
	if c.hasContext(fn.Node()) {
		return nil
	}
	waits := func(e ast.Expr) bool {
		ch, ok := c.TypeOf(e).Underlying().(*types.Chan)
		return ok && typeOf(ch.Elem()) != "time.Time" // a tick comes by itself
	}
	for cur := range fn.Preorder((*ast.RangeStmt)(nil), (*ast.UnaryExpr)(nil), (*ast.SelectStmt)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.SelectStmt:
			return nil
		case *ast.RangeStmt:
			if waits(n.X) {
				ch = n.X
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && waits(n.X) {
				ch = n.X
			}
		}
	}
	return ch
}

// isFed reports whether the program itself may see to it that ch is closed in
// time: it makes the channel, or gets it from a function with a context.
func (s *source) isFed(ch ast.Expr) bool {
	if call, ok := ast.Unparen(ch).(*ast.CallExpr); ok {
		return s.isBuiltin(call, "make") || slices.ContainsFunc(call.Args, func(a ast.Expr) bool { return s.hasContext(a) })
	}
	v := s.variable(ch)
	if sel, ok := ast.Unparen(ch).(*ast.SelectorExpr); ok && v == nil { // a field
		return s.closes(s.Uses[sel.Sel])
	}
	if v == nil || s.seen[v] {
		return false
	}
	s.seen[v] = true
	switch {
	case s.args[v] != nil:
		return s.isFed(s.args[v])
	case v.Kind() == types.ParamVar:
		return slices.ContainsFunc(s.passed(v), func(a inspector.Cursor) bool { return s.isFed(a.Node().(ast.Expr)) })
	case v.Kind() == types.PackageVar:
		return s.closes(v)
	}
	value, ok := s.value(v)
	return !ok || s.isFed(value.Node().(ast.Expr))
}

// closes reports whether the package closes a channel.
func (c *code) closes(ch types.Object) bool {
	for _, use := range c.uses[ch] {
		if use.ParentEdgeKind() == edge.SelectorExpr_Sel {
			use = use.Parent()
		}
		if call, ok := use.Parent().Node().(*ast.CallExpr); ok && c.isBuiltin(call, "close") {
			return true
		}
	}
	return false
}

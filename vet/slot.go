package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var slot = &analysis.Analyzer{
	Name: "slot",
	Doc: `report a wait for a request in Wait, Auth, Take or Retry of the same block

These functions run while their own request holds a slot. If all slots are held
like that, everything waits forever.`,
	URL:      page + "slot",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, call := range c.calls {
			n := call.Node().(*ast.CallExpr)
			p := c.owner(n)
			if p == nil || !c.sends(n) || len(c.fate(call).asked) == 0 {
				continue
			}
			for fn := range call.Enclosing((*ast.FuncLit)(nil)) {
				if within(fn.Node(), p.Pos()) {
					break
				}
				if name := c.hookOf(fn, p); name != "" {
					pass.Reportf(n.Pos(), "%s holds the slot of its own request while it waits for this one: if all slots are held like that, the block waits forever; "+
						"make this request before, or in a block of its own", name)
					break
				}
			}
		}
		return nil, nil
	},
}

// hookOf returns the name of the hook that the function at fn is, if requests
// of the block p call it: "Take", for example. It returns "" otherwise.
func (c *code) hookOf(fn inspector.Cursor, p *types.Var) string {
	name, called := "", false
	parent := fn.Parent()
	switch kind, i := fn.ParentEdge(); kind {
	case edge.CallExpr_Args: // parallel.Take(fn)
		name = short(c.name(parent.Node().(*ast.CallExpr)))
		called = (name == "Take" || name == "Retry") && c.isOptionOf(parent, p)
	case edge.KeyValueExpr_Value: // client.Client{Auth: fn}
		settings := parent.Parent()
		if settings.ParentEdgeKind() == edge.UnaryExpr_X {
			settings = settings.Parent()
		}
		name = c.hookField(parent.Node().(*ast.KeyValueExpr).Key)
		called = name != "" && c.areSettingsOf(settings, p)
	case edge.AssignStmt_Rhs: // c.Auth = fn
		if n := parent.Node().(*ast.AssignStmt); len(n.Lhs) == len(n.Rhs) {
			if sel, ok := n.Lhs[i].(*ast.SelectorExpr); ok {
				name = c.hookField(sel.Sel)
				called = name != "" && c.opensWith(c.variable(sel.X), p)
			}
		}
	}
	if !called {
		return ""
	}
	return name
}

// hookField returns the name of the field that e names, if it is a hook of a
// Client or a Config.
func (c *code) hookField(e ast.Expr) string {
	id, _ := e.(*ast.Ident)
	v, _ := c.ObjectOf(id).(*types.Var)
	if v == nil || !v.IsField() || v.Pkg() == nil || v.Pkg().Path() != library+"client" && v.Pkg().Path() != library+"parallel" {
		return ""
	}
	switch v.Name() {
	case "Auth", "Wait", "Retry":
		return v.Name()
	}
	return ""
}

// isOptionOf reports whether the option at cur is given to a request of p.
func (c *code) isOptionOf(cur inspector.Cursor, p *types.Var) bool {
	requests, _ := c.requestsWith(cur)
	for _, r := range requests {
		if c.owner(r.Node().(*ast.CallExpr)) == p {
			return true
		}
	}
	return false
}

// areSettingsOf reports whether the block of p is opened with the Client or
// Config at cur.
func (c *code) areSettingsOf(cur inspector.Cursor, p *types.Var) bool {
	for _, b := range c.blocksOf(p) {
		if call := b.open.Node().(*ast.CallExpr); within(call, cur.Node().Pos()) && !within(b.fn.Node(), cur.Node().Pos()) {
			return true // parallel.Run(ctx, parallel.Config{ ... }, fn)
		}
	}
	parent := cur.Parent()
	switch kind, i := cur.ParentEdge(); kind {
	case edge.AssignStmt_Rhs:
		return c.opensWith(c.variable(parent.Node().(*ast.AssignStmt).Lhs[i]), p)
	case edge.ValueSpec_Values:
		return c.opensWith(c.variable(parent.Node().(*ast.ValueSpec).Names[i]), p)
	}
	return false
}

// opensWith reports whether the block of p is opened with the Client or Config
// that settings holds.
func (c *code) opensWith(settings, p *types.Var) bool {
	if settings == nil {
		return false
	}
	for _, b := range c.blocksOf(p) {
		call := b.open.Node().(*ast.CallExpr)
		if c.receiver(call) == settings || c.name(call) == "parallel.Run" && len(call.Args) == 3 && c.variable(call.Args[1]) == settings {
			return true
		}
	}
	return false
}

// blocksOf returns the blocks that the variable p may hold: those of which it
// is the parameter, or to whose parameter it is set.
func (c *code) blocksOf(p *types.Var) []*block {
	var bs []*block
	for _, b := range c.blocks {
		if b.p == nil {
			continue
		}
		holds := b.p == p
		for _, value := range c.values[p] {
			if value.Valid() {
				e, ok := value.Node().(ast.Expr)
				holds = holds || ok && c.variable(e) == b.p
			}
		}
		if holds {
			bs = append(bs, b)
		}
	}
	return bs
}

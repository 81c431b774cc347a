package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"strings"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// A block is a function that is called with a *parallel.Parallel of its own.
type block struct {
	fn    inspector.Cursor // an *ast.FuncLit or *ast.FuncDecl
	param *ast.Field       // its parameter
	p     *types.Var       // the same; nil if it has no name but "_"
	open  inspector.Cursor // the call that opens it
	goes  bool             // opened with Go
}

// findBlocks finds the functions that are passed to Parallel, Run, Go, Each and
// Ordered, also by a function that only passes them on.
func (c *code) findBlocks() {
	for _, call := range c.calls {
		n := call.Node().(*ast.CallExpr)
		goes := false
		switch c.name(n) {
		case "parallel.Each", "parallel.Ordered":
			if len(n.Args) == 3 {
				if fn, ok := c.function(arg(call, 2)); ok {
					c.starts[fn.Node()] = call
				}
			}
			continue
		case "parallel.Parallel.Go", "parallel.Go":
			goes = true
		case "client.Parallel", "client.Client.Parallel", "parallel.Run":
		default:
			continue
		}
		if len(n.Args) == 0 {
			continue
		}
		fn := arg(call, len(n.Args)-1)
		if v := c.variable(fn.Node().(ast.Expr)); v != nil && v.Kind() == types.ParamVar && len(c.uses[v]) == 1 {
			for _, fn := range c.passed(v) {
				c.addBlock(fn, call, goes)
			}
			continue
		}
		c.addBlock(fn, call, goes)
	}
}

// addBlock adds the block whose function is the expression at cur, if that is
// known.
func (c *code) addBlock(cur, open inspector.Cursor, goes bool) {
	fn, ok := c.function(cur)
	if !ok || body(fn.Node()) == nil || c.opened[fn.Node()] != nil {
		return
	}
	params := signature(fn.Node()).Params.List
	if len(params) != 1 {
		return // it does not compile
	}
	b := &block{fn: fn, param: params[0], p: c.parameter(fn, 0), open: open, goes: goes}
	c.opened[fn.Node()] = b
	c.blocks = append(c.blocks, b)
}

// passed returns what the calls in the package pass for the parameter v of a
// function.
func (c *code) passed(v *types.Var) (args []inspector.Cursor) {
	for obj, fn := range c.bodies {
		for i := range obj.(*types.Func).Signature().Params().Len() {
			if c.parameter(fn, i) != v {
				continue
			}
			for _, use := range c.uses[obj] {
				if call, ok := callOf(use); ok && i < len(call.Node().(*ast.CallExpr).Args) {
					args = append(args, arg(call, i))
				}
			}
		}
	}
	return args
}

// enclosing returns the innermost block around cur, or nil.
func (c *code) enclosing(cur inspector.Cursor) *block {
	for fn := range cur.Enclosing((*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		if b := c.opened[fn.Node()]; b != nil {
			return b
		}
	}
	return nil
}

// owner returns the variable of the block on which call makes a handle, starts
// a loop, or reads arrivals. It returns nil if that is not a plain variable.
func (c *code) owner(call *ast.CallExpr) *types.Var {
	e := c.ownerExpr(call)
	if e == nil || !isBlock(c.TypeOf(e)) {
		return nil
	}
	return c.variable(e)
}

// ownerExpr returns the receiver of a method of Parallel. Of any other call, it
// returns the first argument that is a block, or nil.
func (c *code) ownerExpr(call *ast.CallExpr) ast.Expr {
	if strings.HasPrefix(c.name(call), "parallel.Parallel.") {
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			return sel.X
		}
		return nil
	}
	for _, a := range call.Args {
		if isBlock(c.TypeOf(a)) {
			return a
		}
	}
	return nil
}

// makes reports whether call makes a handle on a block: it is Go or makes a
// request, or it passes the block to a function that returns a handle.
func (c *code) makes(call *ast.CallExpr) bool {
	switch name := c.name(call); name {
	case "parallel.Go", "parallel.Parallel.Go":
		return true
	case "":
		return c.isHelper(call)
	default:
		return isRequest(name)
	}
}

// isHelper reports whether call passes a block to a function that returns a
// handle.
func (c *code) isHelper(call *ast.CallExpr) bool {
	p, ok := types.Unalias(c.TypeOf(call)).(*types.Pointer)
	return ok && typeOf(p) == library+"pending.Pending" && c.ownerExpr(call) != nil
}

// sends reports whether call makes a request.
func (c *code) sends(call *ast.CallExpr) bool { return isRequest(c.name(call)) }

// isRequest reports whether the method of this name makes a request.
func isRequest(name string) bool {
	switch name {
	case "parallel.Parallel.Get", "parallel.Parallel.Head", "parallel.Parallel.Options", "parallel.Parallel.Do":
		return true
	}
	return writes(name) != ""
}

// runs reports whether the code at cur runs as a part of fn: it is in fn
// itself, in a block within it, or in the start function of Each or Ordered.
// Any other function literal may run at any time.
func (c *code) runs(fn, cur inspector.Cursor) bool {
	for f := range cur.Enclosing((*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		if f == fn {
			return true
		}
		if c.opened[f.Node()] == nil && !c.starts[f.Node()].Valid() {
			return false
		}
	}
	return false
}

// left returns the variables that stand for blocks for which nobody waits, with
// the functions whose parameters they are. Such a block may end before its
// requests are done: nobody reads its arrivals, no code outside of the package
// can have its p, and it does not wait in a way of its own.
func (c *code) left() map[*types.Var]inspector.Cursor {
	left := make(map[*types.Var]inspector.Cursor)
	for _, b := range c.blocks {
		vars := make(map[*types.Var]inspector.Cursor)
		if b.p != nil && c.onlyMakes(b.p, b.fn, vars) {
			maps.Copy(left, vars)
		}
	}
	// A function that is also called with a block for which somebody waits is
	// left out, and then what it calls itself.
	for found := true; found; {
		found = false
		for v, fn := range left {
			if c.opened[fn.Node()] == nil && !c.calledWith(fn, left) {
				delete(left, v)
				found = true
			}
		}
	}
	return left
}

// calledWith reports whether all uses of the function at fn are calls with a
// block of those in left.
func (c *code) calledWith(fn inspector.Cursor, left map[*types.Var]inspector.Cursor) bool {
	decl, ok := fn.Node().(*ast.FuncDecl)
	if !ok {
		return false
	}
	for _, use := range c.uses[c.Defs[decl.Name]] {
		call, ok := callOf(use)
		if !ok || !left[c.owner(call.Node().(*ast.CallExpr))].Valid() {
			return false
		}
	}
	return true
}

// callOf returns the call of the function or method that is named at cur.
func callOf(cur inspector.Cursor) (call inspector.Cursor, ok bool) {
	for cur.ParentEdgeKind() == edge.SelectorExpr_Sel || cur.ParentEdgeKind() == edge.IndexExpr_X {
		cur = cur.Parent()
	}
	if cur.ParentEdgeKind() != edge.CallExpr_Fun {
		return call, false
	}
	return cur.Parent(), true
}

// onlyMakes reports whether p, a parameter of the function at fn, is used for
// nothing but making handles, there and in the functions of the package to
// which it is passed, and whether none of them waits for anything else. It adds
// the parameters to vars.
func (c *code) onlyMakes(p *types.Var, fn inspector.Cursor, vars map[*types.Var]inspector.Cursor) bool {
	if vars[p].Valid() {
		return true
	}
	vars[p] = fn
	if c.waits(fn, make(map[ast.Node]bool)) {
		return false
	}
	for _, use := range c.uses[p] {
		switch kind, i := use.ParentEdge(); kind {
		case edge.SelectorExpr_X:
			sel := use.Parent().Node().(*ast.SelectorExpr)
			method, _ := c.Uses[sel.Sel].(*types.Func)
			switch name := nameOf(method); {
			case isRequest(name), name == "parallel.Parallel.Go", name == "parallel.Parallel.Context":
			default:
				return false // Next, HasPending, Arrivals, Stats
			}
		case edge.CallExpr_Args:
			switch call := use.Parent(); c.name(call.Node().(*ast.CallExpr)) {
			case "parallel.Go", "parallel.Each", "parallel.Ordered":
			case "":
				called, ok := c.function(call.ChildAt(edge.CallExpr_Fun, -1))
				if !ok {
					return false
				}
				if param := c.parameter(called, i); param == nil || !c.onlyMakes(param, called, vars) {
					return false
				}
			default:
				return false
			}
		default:
			return false
		}
	}
	return true
}

// parameter returns the i'th parameter of the function at fn. It returns nil if
// that is variadic, or has no name but "_".
func (c *code) parameter(fn inspector.Cursor, i int) *types.Var {
	for _, field := range signature(fn.Node()).Params.List {
		if i < len(field.Names) {
			if _, variadic := field.Type.(*ast.Ellipsis); variadic || isBlank(field.Names[i]) {
				return nil
			}
			v, _ := c.Defs[field.Names[i]].(*types.Var)
			return v
		}
		i -= max(len(field.Names), 1)
	}
	return nil
}

// waits reports whether the function at fn, or one of the package that it
// calls, may wait for something other than a handle, during which requests get
// their turn: a channel, other goroutines, time, a server, or a process.
// It leaves out the functions of seen, to which it adds those that it looks at.
func (c *code) waits(fn inspector.Cursor, seen map[ast.Node]bool) bool {
	if seen[fn.Node()] {
		return false
	}
	seen[fn.Node()] = true
	for cur := range fn.Preorder((*ast.UnaryExpr)(nil), (*ast.RangeStmt)(nil), (*ast.CallExpr)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				return true
			}
		case *ast.RangeStmt:
			if isChan(c.TypeOf(n.X)) {
				return true
			}
		case *ast.CallExpr:
			called, _ := typeutil.Callee(c.Info, n).(*types.Func)
			if called == nil || called.Pkg() == nil {
				continue
			}
			if fn, ok := c.bodies[called.Origin()]; ok && c.waits(fn, seen) {
				return true
			}
			switch called.Pkg().Path() + "." + called.Name() {
			case "time.Sleep", "sync.Wait", "testing/synctest.Wait", "golang.org/x/sync/errgroup.Wait",
				"os/exec.Wait", "os/exec.Run", "os/exec.Output", "os/exec.CombinedOutput",
				"net/http.Serve", "net/http.ServeTLS", "net/http.ListenAndServe", "net/http.ListenAndServeTLS":
				return true
			}
		}
	}
	return false
}

// isChan reports whether t is a channel.
func isChan(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

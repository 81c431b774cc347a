package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// library is the path of the module, up to the name of a package.
const library = "github.com/abreast-go/abreast/"

// index makes the code of a package, which all checks share.
var index = &analysis.Analyzer{
	Name:       "index",
	Doc:        "index finds the blocks of a package",
	Requires:   []*analysis.Analyzer{inspect.Analyzer},
	ResultType: reflect.TypeFor[*code](),
	Run:        func(pass *analysis.Pass) (any, error) { return newCode(pass), nil },
}

// A code is the code of one package: its syntax, and what its names mean. The
// calls in files of tests are left out: a test makes mistakes on purpose, and
// shows the others when it runs.
type code struct {
	*types.Info
	fset   *token.FileSet
	calls  []inspector.Cursor                  // of the library, and of functions that make handles, in order
	uses   map[types.Object][]inspector.Cursor // identifiers, without definitions
	values map[*types.Var][]inspector.Cursor   // what is assigned to a variable
	bodies map[types.Object]inspector.Cursor   // declarations of functions
	blocks []*block                            // in order of the calls that open them
	opened map[ast.Node]*block                 // by function
	starts map[ast.Node]inspector.Cursor       // the calls of Each and Ordered, by start function
}

func newCode(pass *analysis.Pass) *code {
	c := &code{
		Info:   pass.TypesInfo,
		fset:   pass.Fset,
		uses:   make(map[types.Object][]inspector.Cursor),
		values: make(map[*types.Var][]inspector.Cursor),
		bodies: make(map[types.Object]inspector.Cursor),
		opened: make(map[ast.Node]*block),
		starts: make(map[ast.Node]inspector.Cursor),
	}
	if !imports(pass.Pkg) {
		return c
	}
	root := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root()
	for cur := range root.Preorder((*ast.Ident)(nil), (*ast.CallExpr)(nil), (*ast.FuncDecl)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.Ident:
			if obj := c.Uses[n]; obj != nil {
				c.uses[obj] = append(c.uses[obj], cur)
			}
			if v, ok := c.ObjectOf(n).(*types.Var); ok {
				if value, ok := assigned(cur); ok {
					c.values[v] = append(c.values[v], value)
				}
			}
		case *ast.CallExpr:
			if (c.name(n) != "" || c.isHelper(n)) && !c.inTest(cur) {
				c.calls = append(c.calls, cur)
			}
		case *ast.FuncDecl:
			if obj := c.Defs[n.Name]; obj != nil {
				c.bodies[obj] = cur
			}
		}
	}
	c.findBlocks()
	return c
}

// imports reports whether pkg imports a package of the library.
func imports(pkg *types.Package) bool {
	for _, p := range pkg.Imports() {
		if strings.HasPrefix(p.Path(), library) {
			return true
		}
	}
	return false
}

// assigned returns the expression that is assigned to the variable at cur. The
// zero Cursor stands for a value that has no expression of its own, as one of
// several results.
func assigned(cur inspector.Cursor) (value inspector.Cursor, ok bool) {
	kind, i := cur.ParentEdge()
	parent := cur.Parent()
	switch kind {
	case edge.AssignStmt_Lhs:
		if n := parent.Node().(*ast.AssignStmt); len(n.Lhs) == len(n.Rhs) && (n.Tok == token.ASSIGN || n.Tok == token.DEFINE) {
			return parent.ChildAt(edge.AssignStmt_Rhs, i), true
		}
		return value, true
	case edge.ValueSpec_Names:
		n := parent.Node().(*ast.ValueSpec)
		if len(n.Names) == len(n.Values) {
			return parent.ChildAt(edge.ValueSpec_Values, i), true
		}
		return value, len(n.Values) > 0
	case edge.RangeStmt_Key, edge.RangeStmt_Value, edge.IncDecStmt_X:
		return value, true
	case edge.UnaryExpr_X: // its address is taken: anybody may assign to it
		return value, parent.Node().(*ast.UnaryExpr).Op == token.AND
	}
	return value, false
}

// name returns the name of the library's function that call calls, such as
// "pending.All" or "parallel.Parallel.Get". It returns "" for any other call.
func (c *code) name(call *ast.CallExpr) string {
	fn, _ := typeutil.Callee(c.Info, call).(*types.Func)
	return nameOf(fn)
}

// nameOf returns the name of fn as name does.
func nameOf(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil {
		return ""
	}
	in := fn.Pkg().Path()
	if recv := fn.Signature().Recv(); recv != nil {
		in = typeOf(recv.Type())
	}
	in, ok := strings.CutPrefix(in, library)
	if pkg, _, _ := strings.Cut(in, "."); !ok || pkg != "client" && pkg != "parallel" && pkg != "pending" {
		return ""
	}
	return in + "." + fn.Name()
}

// isBuiltin reports whether call calls the built-in function of this name.
func (c *code) isBuiltin(call *ast.CallExpr, name string) bool {
	id, ok := ast.Unparen(call.Fun).(*ast.Ident)
	return ok && c.Uses[id] == types.Universe.Lookup(name)
}

// short returns a name of the library without its package: "Pending.JSON".
func short(name string) string {
	for _, pkg := range []string{"client.", "parallel.", "pending."} {
		name = strings.TrimPrefix(name, pkg)
	}
	return name
}

// typeOf returns the path and the name of t, or of what it points to:
// "net/http.Request". It returns "" for a type without a name.
func typeOf(t types.Type) string {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return ""
	}
	return n.Obj().Pkg().Path() + "." + n.Obj().Name()
}

// isBlock reports whether t is *parallel.Parallel.
func isBlock(t types.Type) bool {
	_, ok := types.Unalias(t).(*types.Pointer)
	return ok && typeOf(t) == library+"parallel.Parallel"
}

// variable returns the variable that e names, or nil.
func (c *code) variable(e ast.Expr) *types.Var {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, _ := c.ObjectOf(e).(*types.Var)
		return v
	case *ast.SelectorExpr: // pkg.Name
		if v, ok := c.Uses[e.Sel].(*types.Var); ok && !v.IsField() {
			return v
		}
	}
	return nil
}

// value returns the only expression that is ever assigned to v.
func (c *code) value(v *types.Var) (value inspector.Cursor, ok bool) {
	if v == nil || len(c.values[v]) != 1 {
		return value, false
	}
	value = c.values[v][0]
	return value, value.Valid()
}

// function returns the *ast.FuncLit or *ast.FuncDecl that the expression at cur
// stands for: a literal, a variable that holds one and is not assigned again,
// or a function or method of the package.
func (c *code) function(cur inspector.Cursor) (fn inspector.Cursor, ok bool) {
	switch e := cur.Node().(type) {
	case *ast.FuncLit:
		return cur, true
	case *ast.ParenExpr:
		return c.function(cur.ChildAt(edge.ParenExpr_X, -1))
	case *ast.IndexExpr:
		return c.function(cur.ChildAt(edge.IndexExpr_X, -1))
	case *ast.Ident:
		if v, isVar := c.Uses[e].(*types.Var); isVar {
			if value, ok := c.value(v); ok {
				if _, ok := value.Node().(*ast.FuncLit); ok {
					return value, true
				}
			}
			return fn, false
		}
		fn, ok = c.bodies[c.Uses[e]]
		return fn, ok
	case *ast.SelectorExpr:
		fn, ok = c.bodies[c.Uses[e.Sel]]
		return fn, ok
	}
	return fn, false
}

// body returns the body of a function.
func body(fn ast.Node) *ast.BlockStmt {
	switch fn := fn.(type) {
	case *ast.FuncLit:
		return fn.Body
	case *ast.FuncDecl:
		return fn.Body
	}
	return nil
}

// signature returns the parameters and results of a function.
func signature(fn ast.Node) *ast.FuncType {
	switch fn := fn.(type) {
	case *ast.FuncLit:
		return fn.Type
	case *ast.FuncDecl:
		return fn.Type
	}
	return nil
}

// inTest reports whether cur is in the file of a test.
func (c *code) inTest(cur inspector.Cursor) bool {
	return strings.HasSuffix(c.fset.Position(cur.Node().Pos()).Filename, "_test.go")
}

// within reports whether pos is in n.
func within(n ast.Node, pos token.Pos) bool { return n.Pos() <= pos && pos < n.End() }

// receiver returns the variable whose method call calls, or nil.
func (c *code) receiver(call *ast.CallExpr) *types.Var {
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		return c.variable(sel.X)
	}
	return nil
}

// arg returns the i'th argument of the call at cur.
func arg(cur inspector.Cursor, i int) inspector.Cursor { return cur.ChildAt(edge.CallExpr_Args, i) }

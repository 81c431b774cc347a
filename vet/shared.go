package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/cfg"
)

var shared = &analysis.Analyzer{
	Name: "shared",
	Doc: `report a writer of To or a reader of Body that several requests use

The bodies of two requests that run at once are mixed up in one writer, and a
reader is read and closed by the first request.`,
	URL:      page + "shared",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		c := pass.ResultOf[index].(*code)
		for _, group := range c.streams() {
			for _, use := range group {
				if c.repeats(group, use) {
					pass.Reportf(use.option.Node().Pos(), "%s", use.message())
				}
			}
		}
		return nil, nil
	},
}

// A stream is a writer or a reader that a request uses.
type stream struct {
	request inspector.Cursor
	option  inspector.Cursor // the argument with which the request gets it
	of      thing
	reader  bool // of Body, not a writer of To
	whole   bool // the option itself is given to several requests
}

// A thing is a variable, or a field of a variable.
type thing struct{ v, field *types.Var }

func (t thing) String() string {
	if t.field != nil {
		return t.v.Name() + "." + t.field.Name()
	}
	return t.v.Name()
}

func (s stream) message() string {
	switch {
	case s.reader:
		return fmt.Sprintf("several requests use the reader of Body in %s: the first reads and closes it, and the others fail or send nothing; "+
			"give each request a bytes.Reader or a file of its own", s.of)
	case s.whole:
		return fmt.Sprintf("several requests use the option To in %s, and only the first may; give each request a To with a writer of its own", s.of)
	}
	return fmt.Sprintf("several requests write to %s, and their bodies are mixed up; give each request a writer of its own, "+
		"or call Bytes before the next request is made", s.of)
}

// streams returns the uses of each writer and reader.
func (c *code) streams() map[thing][]stream {
	all := make(map[thing][]stream)
	for _, call := range c.calls {
		n := call.Node().(*ast.CallExpr)
		var e ast.Expr
		var reader bool
		switch name := c.name(n); {
		case name == "parallel.To" && len(n.Args) == 1:
			e = n.Args[0]
		case name == "parallel.Body" && len(n.Args) == 2:
			e, reader = n.Args[1], true
		default:
			continue
		}
		requests, holder := c.requestsWith(call)
		for _, r := range requests {
			s := stream{request: r, option: call, of: c.thing(e), reader: reader}
			if holder != nil {
				s.of, s.option, s.whole = thing{v: holder}, c.argument(r, holder), true
			}
			if s.of.v != nil && !c.mayShare(e, s) {
				all[s.of] = append(all[s.of], s)
			}
		}
	}
	return all
}

// mayShare reports whether several requests may use the writer or reader e as s
// says, or that is not known.
func (c *code) mayShare(e ast.Expr, s stream) bool {
	switch {
	case s.reader:
		return !readOnce[typeOf(c.TypeOf(e))]
	case s.whole: // To is for one request, with any other writer
		v := c.variable(e)
		return v != nil && v.Pkg() != nil && v.Pkg().Path() == "io" && v.Name() == "Discard"
	}
	return !mixes[typeOf(c.TypeOf(e))]
}

// mixes has the writers that must not be written to by two requests at once. A
// writer of another type may be made for that.
var mixes = map[string]bool{
	"os.File": true, "bytes.Buffer": true, "strings.Builder": true, "bufio.Writer": true, "io.PipeWriter": true,
	"compress/gzip.Writer": true, "archive/tar.Writer": true, "hash.Hash": true, "net/http.ResponseWriter": true,
}

// readOnce has the readers that can be read once.
var readOnce = map[string]bool{
	"os.File": true, "io.ReadCloser": true, "io.PipeReader": true, "bufio.Reader": true,
}

// thing returns what e names: a variable, the address of one, or a field.
func (c *code) thing(e ast.Expr) thing {
	e = ast.Unparen(e)
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.AND {
		e = ast.Unparen(u.X)
	}
	if v := c.variable(e); v != nil {
		return thing{v: v}
	}
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if field, ok := c.Uses[sel.Sel].(*types.Var); ok && field.IsField() {
			return thing{c.variable(sel.X), field}
		}
	}
	return thing{}
}

// requestsWith returns the calls that give the option at cur to a request: the
// one around it, or those that use the variable which holds the option, alone
// or in a slice. It returns nothing if the option may go elsewhere.
func (c *code) requestsWith(cur inspector.Cursor) (requests []inspector.Cursor, holder *types.Var) {
	at := cur
	if at.ParentEdgeKind() == edge.CompositeLit_Elts {
		at = at.Parent()
	} else if at.ParentEdgeKind() == edge.CallExpr_Args {
		if call := at.Parent(); c.sends(call.Node().(*ast.CallExpr)) {
			return []inspector.Cursor{call}, nil
		}
		return nil, nil
	}
	parent := at.Parent()
	switch kind, i := at.ParentEdge(); kind {
	case edge.AssignStmt_Rhs:
		holder = c.variable(parent.Node().(*ast.AssignStmt).Lhs[i])
	case edge.ValueSpec_Values:
		holder = c.variable(parent.Node().(*ast.ValueSpec).Names[i])
	}
	if _, ok := c.value(holder); !ok {
		return nil, nil
	}
	for _, use := range c.uses[holder] {
		call, ok := use.Parent().Node().(*ast.CallExpr)
		if !ok || use.ParentEdgeKind() != edge.CallExpr_Args || !c.sends(call) {
			return nil, nil
		}
		requests = append(requests, use.Parent())
	}
	return requests, holder
}

// argument returns the argument of the call at cur that is the variable v.
func (c *code) argument(cur inspector.Cursor, v *types.Var) inspector.Cursor {
	for _, use := range c.uses[v] {
		if use.Parent() == cur {
			return use
		}
	}
	return cur
}

// repeats reports whether use gets a stream that an earlier request of group
// has, or that the same call gave to a request before.
func (c *code) repeats(group []stream, use stream) bool {
	fn := function(use.request)
	if fn == nil {
		return false
	}
	if c.starts[fn].Valid() && !within(fn, use.of.v.Pos()) {
		return true // every item has it
	}
	g := cfg.New(body(fn), func(*ast.CallExpr) bool { return true })
	for _, earlier := range group {
		if function(earlier.request) != fn || earlier.reader != use.reader {
			continue
		}
		if earlier.request != use.request && earlier.request.Parent() == use.request.Parent() {
			if earlier.request.Node().Pos() < use.request.Node().Pos() {
				return true // two arguments of one call
			}
			continue
		}
		if reaches(g, earlier.request.Node(), use.request.Node(), c.barriers(earlier)) {
			return true
		}
	}
	return false
}

// function returns the innermost function around cur.
func function(cur inspector.Cursor) ast.Node {
	for fn := range cur.Enclosing((*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		return fn.Node()
	}
	return nil
}

// barriers returns the places after which s's stream may be used again: where
// its variable gets another value, and for a writer where the request's result
// is asked for.
func (c *code) barriers(s stream) []token.Pos {
	places := []token.Pos{s.of.v.Pos()}
	for _, use := range c.uses[s.of.v] {
		at := use
		if sel, ok := at.Parent().Node().(*ast.SelectorExpr); ok && s.reader && sel.Sel.Name == "Reset" {
			places = append(places, at.Node().Pos())
		}
		if s.of.field != nil && at.ParentEdgeKind() == edge.SelectorExpr_X {
			at = at.Parent()
		}
		switch at.ParentEdgeKind() {
		case edge.AssignStmt_Lhs, edge.RangeStmt_Key, edge.RangeStmt_Value:
			places = append(places, at.Node().Pos())
		}
	}
	if s.reader || s.whole {
		return places
	}
	f := c.fate(s.request)
	for _, use := range slices.Concat(f.asked, f.given) {
		places = append(places, use.Node().End()-1)
	}
	for _, use := range c.uses[c.owner(s.request.Node().(*ast.CallExpr))] {
		if sel, ok := use.Parent().Node().(*ast.SelectorExpr); ok && (sel.Sel.Name == "Next" || sel.Sel.Name == "Arrivals") {
			places = append(places, use.Node().Pos())
		}
	}
	return places
}

// reaches reports whether control can go from the node of g with from to the
// one with to, without passing a barrier.
func reaches(g *cfg.CFG, from, to ast.Node, barriers []token.Pos) bool {
	stops := func(n ast.Node) bool {
		return slices.ContainsFunc(barriers, func(pos token.Pos) bool { return within(n, pos) })
	}
	seen := make(map[*cfg.Block]bool)
	var walk func(b *cfg.Block, nodes []ast.Node) bool
	walk = func(b *cfg.Block, nodes []ast.Node) bool {
		for _, n := range nodes {
			if within(n, to.Pos()) {
				return true
			}
			if stops(n) {
				return false
			}
		}
		for _, next := range b.Succs {
			if !seen[next] {
				seen[next] = true
				if walk(next, next.Nodes) {
					return true
				}
			}
		}
		return false
	}
	for _, b := range g.Blocks {
		for i, n := range b.Nodes {
			if within(n, from.Pos()) {
				return !stops(n) && walk(b, b.Nodes[i+1:])
			}
		}
	}
	return false
}

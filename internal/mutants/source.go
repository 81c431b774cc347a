package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A source is the Go code of a module, as built on this system. It excludes the
// modules inside that module, and this program.
type source struct {
	fset  *token.FileSet
	decls map[string][]decl // by name, both without and with the package
	tests map[string][]string
}

// A decl is a function, a method, or one entry of a type, var or const
// declaration.
type decl struct {
	file string // absolute
	pkg  string
	text []byte // of the whole file
	ast  *ast.File
	// from and to are offsets in text. They don't include the comment above.
	from, to int
}

// parseModule reads the module at root.
func parseModule(root string) (*source, error) {
	s := &source{fset: token.NewFileSet(), decls: make(map[string][]decl), tests: make(map[string][]string)}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			_, noModule := os.Stat(filepath.Join(file, "go.mod"))
			rel, _ := filepath.Rel(root, file)
			if rel != "." && (noModule == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || filepath.ToSlash(rel) == "internal/mutants") {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(file, ".go"):
			return nil
		}
		if here, err := build.Default.MatchFile(filepath.Split(file)); err != nil || !here {
			return err
		}
		return s.add(root, file)
	})
	return s, err
}

// add adds the declarations of file: tests by their folder, other code by its
// names.
func (s *source) add(root, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(s.fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg := strings.TrimSuffix(f.Name.Name, "_test")
	if strings.HasSuffix(file, "_test.go") {
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && strings.HasPrefix(d.Name.Name, "Test") {
				for _, name := range []string{d.Name.Name, pkg + "." + d.Name.Name} {
					s.tests[name] = append(s.tests[name], "./"+filepath.ToSlash(rel))
				}
			}
		}
		return nil
	}
	declare := func(name string, node ast.Node) {
		d := decl{file: file, pkg: pkg, text: text, ast: f, from: s.fset.Position(node.Pos()).Offset, to: s.fset.Position(node.End()).Offset}
		for _, name := range []string{name, pkg + "." + name} {
			s.decls[name] = append(s.decls[name], d)
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			declare(receiver(d)+d.Name.Name, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				node := ast.Node(spec)
				if !d.Lparen.IsValid() {
					node = d // with its keyword
				}
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					declare(spec.Name.Name, node)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						declare(name.Name, node)
					}
				}
			}
		}
	}
	return nil
}

// receiver returns the type that f is a method of and a dot, as in "Parallel.".
// It returns "" if f is not a method.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.Ident:
			return of.Name + "."
		default:
			return ""
		}
	}
}

// testFolder returns the folder of the package that has the test: "./pending".
func (s *source) testFolder(test string) (string, error) {
	folders := s.tests[test]
	switch len(folders) {
	case 0:
		return "", fmt.Errorf("no package has the test %s", test)
	case 1:
		return folders[0], nil
	}
	return "", fmt.Errorf("%s have a test %s: put the package's name before it", strings.Join(folders, " and "), test)
}

// find returns the declaration called name.
func (s *source) find(name string) (decl, error) {
	found := s.decls[strings.NewReplacer("(*", "", ")", "").Replace(name)]
	switch len(found) {
	case 0:
		return decl{}, fmt.Errorf("nothing is called %s", name)
	case 1:
		return found[0], nil
	}
	var where []string
	for _, d := range found {
		where = append(where, d.pkg)
	}
	return decl{}, fmt.Errorf("%s have a %s: put the package's name before it", strings.Join(where, " and "), name)
}

// A splice replaces what lies between two offsets of a file.
type splice struct {
	from, to int
	text     string
}

// mutate returns the new content of each file that edits change, by path.
func (s *source) mutate(edits []edit) (map[string][]byte, error) {
	splices := make(map[string][]splice)
	original := make(map[string]decl) // one of the declarations of each file
	for _, e := range edits {
		d, err := s.find(e.in)
		if err != nil {
			return nil, err
		}
		sp, err := d.splice(e)
		if err != nil {
			return nil, err
		}
		original[d.file] = d
		splices[d.file] = append(splices[d.file], sp)
	}
	changed := make(map[string][]byte)
	for file, of := range splices {
		// An import and an edit never begin at the same offset.
		slices.SortFunc(of, func(a, b splice) int { return a.from - b.from })
		var text []byte
		at := 0
		for _, sp := range of {
			if sp.from < at {
				return nil, fmt.Errorf("two edits overlap: %s", sp.text)
			}
			text = append(append(text, original[file].text[at:sp.from]...), sp.text...)
			at = sp.to
		}
		text = append(text, original[file].text[at:]...)
		text, err := dropImports(text)
		if err != nil {
			return nil, fmt.Errorf("%s can't be parsed any more: %w", filepath.Base(file), err)
		}
		changed[file] = text
	}
	return changed, nil
}

// splice returns the effect of e on the file of d.
func (d decl) splice(e edit) (splice, error) {
	switch {
	case e.imports != "":
		at := int(d.ast.Name.End() - d.ast.FileStart)
		for _, i := range d.ast.Imports {
			if i.Path.Value == strconv.Quote(e.imports) {
				return splice{at, at, ""}, nil
			}
		}
		return splice{at, at, "; import " + strconv.Quote(e.imports)}, nil
	case e.old == "":
		return splice{d.to, d.to, "\n\n" + e.new + "\n"}, nil
	}
	old := scan([]byte(e.old))
	if len(old) == 0 {
		return splice{}, fmt.Errorf("the old text of an edit in %s has no code", e.in)
	}
	var in []tok
	for _, t := range scan(d.text) {
		if t.from >= d.from && t.from <= d.to {
			in = append(in, t)
		}
	}
	var found []splice
	for i := range len(in) - len(old) + 1 {
		if slices.EqualFunc(in[i:i+len(old)], old, tok.equal) {
			found = append(found, splice{in[i].from, in[i+len(old)-1].to, e.new})
		}
	}
	if len(found) != 1 {
		return splice{}, fmt.Errorf("%s has %d times: %s", e.in, len(found), e.old)
	}
	if e.new != "" {
		found[0].text += "\n" // so that a comment at the end hides no code
	}
	return found[0], nil
}

// A tok is one token. The semicolon that the scanner inserts at the end of a
// line has no length.
type tok struct {
	kind     token.Token
	text     string
	from, to int
}

func (t tok) equal(other tok) bool { return t.kind == other.kind && t.text == other.text }

// scan returns the tokens of text without comments.
func scan(text []byte) (toks []tok) {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, text, nil, 0)
	for {
		pos, kind, lit := s.Scan()
		at := file.Offset(pos)
		switch {
		case kind == token.EOF:
			return toks
		case kind == token.SEMICOLON && lit != ";": // at the end of a line
			end := at
			if len(toks) > 0 {
				end = toks[len(toks)-1].to
			}
			toks = append(toks, tok{kind, "", end, end})
		case kind == token.SEMICOLON:
			toks = append(toks, tok{kind, "", at, at + 1})
		case lit != "":
			toks = append(toks, tok{kind, lit, at, at + len(lit)})
		default:
			toks = append(toks, tok{kind, "", at, at + len(kind.String())})
		}
	}
}

// majorVersion matches the last part of an import path that names a major
// version.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// dropImports returns text, the code of a file, with "_" as the name of each
// import that the code does not use.
func dropImports(text []byte) ([]byte, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		if n, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := n.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	for _, i := range slices.Backward(f.Imports) {
		from, name := fset.Position(i.Path.Pos()).Offset, ""
		if i.Name != nil {
			from, name = fset.Position(i.Name.Pos()).Offset, i.Name.Name
		} else if p, err := strconv.Unquote(i.Path.Value); err == nil {
			name = path.Base(p)
			if majorVersion.MatchString(name) { // as in math/rand/v2
				name = path.Base(path.Dir(p))
			}
		}
		if name != "_" && name != "." && !used[name] {
			text = slices.Concat(text[:from], []byte("_ "+i.Path.Value), text[fset.Position(i.Path.End()).Offset:])
		}
	}
	return text, nil
}

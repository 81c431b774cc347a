package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// module writes files to a folder and parses them.
func module(t *testing.T, files map[string]string) (*source, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return parseModule(root)
}

const before = `package a

import (
	"bytes"
	"io"
)

type T[K any] struct {
	n int
}

var (
	one = 1
	two = 2
)

// read reads.
func (t *T[K]) read(r io.Reader) ([]byte, error) {
	if t.n > one {
		return nil, io.EOF // no more
	}
	t.n++
	b, err := io.ReadAll(r)
	t.n++
	return bytes.Clone(b), err
}

func other() { println(two) }
`

func TestMutate(t *testing.T) {
	tests := []struct {
		name, edits string
		old, new    string // one replacement in before; or
		err         string // part of the error
	}{
		{"a line", "in: T.read\n-if t.n > one {\n+if t.n > 2 {", "if t.n > one {", "if t.n > 2 {\n", ""},
		{"a pointer receiver", "in: (*T).read\n-if t.n > one {\n+if t.n > 2 {", "if t.n > one {", "if t.n > 2 {\n", ""},
		{"with its package", "in: a.T.read\n-if t.n > one {\n+if t.n > 2 {", "if t.n > one {", "if t.n > 2 {\n", ""},
		{"lines wrapped otherwise", "in: T.read\n-return nil,\n- io.EOF\n+return nil, nil", "return nil, io.EOF", "return nil, nil\n", ""},
		{"a line that stays", "in: T.read\n t.n++\n b, err := io.ReadAll(r)\n+err = nil", "t.n++\n\tb, err := io.ReadAll(r)", "t.n++\nb, err := io.ReadAll(r)\nerr = nil\n", ""},
		{"deleted", "in: T.read\n-b, err := io.ReadAll(r)", "b, err := io.ReadAll(r)", "", ""},
		{"one entry of many", "in: two\n-two = 2\n+two = 3", "two = 2", "two = 3\n", ""},
		{"a type", "in: T\n-n int\n+n int8", "n int", "n int8\n", ""},
		{"added behind", "in: other\n+func more() {}", "func other() { println(two) }", "func other() { println(two) }\n\nfunc more() {}\n", ""},
		{"a whole function", "in: other\n-func other() { println(two) }", "func other() { println(two) }", "", ""},
		{"an import that is there", "in: two\n-two = 2\n+two = 3\nimport: io", "two = 2", "two = 3\n", ""},
		{"an import that is not", "in: two\n-two = 2\n+two = os.Getpid()\nimport: os", "package a\n", "package a; import \"os\"\n", ""},

		{"no declaration", "in: T.write\n-t.n++", "", "", "nothing is called T.write"},
		{"in two packages", "in: both\n-1\n+2", "", "", "put the package's name before it"},
		{"not found", "in: other\n-t.n++", "", "", "has 0 times"},
		{"found twice", "in: T.read\n-t.n++", "", "", "has 2 times"},
		{"the beginning of a statement", "in: T.read\n-return nil", "", "", "has 0 times"},
		{"comments alone", "in: T.read\n-// no more", "", "", "has no code"},
		{"overlapping", "in: T.read\n-t.n++\n-b, err := io.ReadAll(r)\n\n-b, err := io.ReadAll(r)", "", "", "overlap"},
		{"broken", "in: other\n-func other() { println(two) }\n+func {", "", "", "can't be parsed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := module(t, map[string]string{
				"a/a.go": before,
				"b/b.go": "package b\n\nfunc both() int { return 1 }\n",
				"c/c.go": "package c\n\nfunc both() int { return 1 }\n",
			})
			if err != nil {
				t.Fatal(err)
			}
			mutants, err := parse("01.txt", []byte("== 01-x\nX.\ncaught by: TestX\n"+tt.edits+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			changed, err := s.mutate(mutants[0].edits)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("mutate: %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil || len(changed) != 1 {
				t.Fatalf("mutate changed %d files, %v; want one", len(changed), err)
			}
			want := strings.Replace(before, tt.old, tt.new, 1)
			if strings.Contains(tt.edits, "os.Getpid") {
				want = strings.Replace(want, "two = 2", "two = os.Getpid()\n", 1)
			}
			for _, got := range changed {
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Errorf("mutate (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestMutate_moved applies a mutant of two edits before and after the functions
// that it changes have moved to other files and packages.
func TestMutate_moved(t *testing.T) {
	const text = `== 01-x
X.
caught by: TestX
in: T.f
-	return bytes.Clone(t.b)
+	return t.b

-	t.n = 1

in: g
 	x := 1
+	x++
`
	const (
		f = "type T struct { b []byte; n int }\n\nfunc (t *T) f() []byte {\n\tt.n = 1\n\treturn bytes.Clone(t.b)\n}\n"
		g = "func g() int {\n\tx := 1\n\treturn x\n}\n"
	)
	mutants, err := load(fstest.MapFS{"01.txt": {Data: []byte("A title.\n\n" + text)}}, "^01-")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string // the files that change
	}{
		{"in one file", map[string]string{
			"a.go": "package a\n\nimport \"bytes\"\n\n" + f + g, "a_test.go": "package a\n\nfunc TestX() {}\n",
		}, []string{"a.go"}},
		{"in two packages", map[string]string{
			"b/b.go": "package b\n\nimport \"bytes\"\n\n" + f, "c/c.go": "package c\n\n" + g, "c/c_test.go": "package c_test\n\nfunc TestX() {}\n",
		}, []string{"b.go", "c.go"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := module(t, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if folder, err := s.testFolder(mutants[0].test); err != nil {
				t.Errorf("testFolder = %q, %v", folder, err)
			}
			changed, err := s.mutate(mutants[0].edits)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			all := ""
			for file, text := range changed {
				names, all = append(names, filepath.Base(file)), all+string(text)
			}
			slices.Sort(names)
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("changed files (-want +got):\n%s", diff)
			}
			for text, want := range map[string]bool{
				"return t.b\n": true, "x++\n": true, `import _ "bytes"`: true, "t.n = 1": false, "bytes.Clone": false,
			} {
				if got := strings.Contains(all, text); got != want {
					t.Errorf("the changed files have %q: %t, want %t\n%s", text, got, want, all)
				}
			}
		})
	}
}

func TestParse_errors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"of another promise", "== 02-x\ncaught by: TestX\nin: f\n-x\n", "begins with 01-"},
		{"no declaration", "== 01-x\ncaught by: TestX\n-x\n", "before its first in: line"},
		{"no test", "== 01-x\nin: f\n-x\n", "lacks"},
		{"no edit", "== 01-x\ncaught by: TestX\nin: f\n", "lacks"},
	} {
		if _, err := parse("01.txt", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: parse = %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

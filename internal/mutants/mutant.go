package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// A mutant breaks one promise. It is one section in the file of that promise.
// README.md describes the format.
type mutant struct {
	name  string // "09-done-claims"
	test  string // the test that must fail: "TestClaim" or "pending.TestClaim"
	edits []edit
}

// An edit replaces a piece of one declaration.
type edit struct {
	in       string // the declaration: "Parallel.leave" or "parallel.Parallel.leave"
	old, new string // without old, new is added after the declaration
	imports  string // if set, there is no text: the file of in must import this path
}

var heading = regexp.MustCompile(`^== (\d\d-[\w-]+)$`)

// load returns the mutants in the files of fsys whose names match pattern.
func load(fsys fs.FS, pattern string) (mutants []mutant, err error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(fsys, "*.txt")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		all, err := parse(file, text)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if match.MatchString(m.name) {
				mutants = append(mutants, m)
			}
		}
	}
	if len(mutants) == 0 {
		return nil, fmt.Errorf("no mutant matches %q", pattern)
	}
	return mutants, nil
}

// parse returns the mutants in text, which is the content of file.
func parse(file string, text []byte) (mutants []mutant, err error) {
	var (
		m        *mutant
		in       string
		old, new []string
	)
	// flush ends the current edit, if there is one.
	flush := func() {
		if old != nil || new != nil {
			m.edits = append(m.edits, edit{in: in, old: strings.Join(old, "\n"), new: strings.Join(new, "\n")})
		}
		old, new = nil, nil
	}
	n := 0
	for line := range strings.Lines(string(bytes.TrimSpace(text)) + "\n\n") {
		n++
		line = strings.TrimRight(line, "\n")
		if h := heading.FindStringSubmatch(line); h != nil {
			flush()
			if promise := strings.TrimSuffix(path.Base(file), ".txt"); !strings.HasPrefix(h[1], promise+"-") {
				return nil, fmt.Errorf("%s:%d: the name of a mutant in this file begins with %s-", file, n, promise)
			}
			mutants = append(mutants, mutant{name: h[1]})
			m, in = &mutants[len(mutants)-1], ""
			continue
		}
		if m == nil {
			continue // text above the first mutant is a title
		}
		if line == "" {
			flush()
			continue
		}
		if strings.ContainsRune(" +-", rune(line[0])) && in == "" {
			return nil, fmt.Errorf("%s:%d: %s has an edit before its first in: line", file, n, m.name)
		}
		switch line[0] {
		case ' ':
			old, new = append(old, line[1:]), append(new, line[1:])
		case '-':
			old = append(old, line[1:])
		case '+':
			new = append(new, line[1:])
		default:
			flush()
			key, value, _ := strings.Cut(line, ": ")
			switch key {
			case "caught by":
				m.test = value
			case "in":
				in = value
			case "import":
				m.edits = append(m.edits, edit{in: in, imports: value})
			}
		}
	}
	for _, m := range mutants {
		if m.test == "" || len(m.edits) == 0 {
			return nil, fmt.Errorf("%s: %s lacks a test or an edit", file, m.name)
		}
	}
	return mutants, nil
}

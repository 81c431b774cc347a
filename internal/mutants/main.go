// Command mutants sees whether the tests bite: it applies the patches beside it,
// each of which breaks one promise of the library, one by one to a copy of the
// module, and runs the test that is named in the patch, which must fail.
//
//	go run ./internal/mutants                # all of them
//	go run ./internal/mutants -run '^(01|23)-'
//	go run ./internal/mutants -apply         # do the patches still apply?
//
// A mutant that doesn't build is not caught. It exits with 1 if one survives, doesn't
// apply or doesn't build, or if a named test fails without it.
package main

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed *.patch
var patches embed.FS

// A mutant is one patch. Its first two lines say what it is:
//
//	# Promise 9. Done claims its handle.
//	# Caught by: ./pending TestWhatClaims
type mutant struct {
	name string // of the file
	pkg  string // of the test: "./pending"
	test string // what it is named, a pattern as of go test -run
}

var heading = regexp.MustCompile(`^# Promise \d+\. .+\n# Caught by: (\./\w+) (\w+)\n`)

func main() {
	pattern := flag.String("run", "", "run the mutants whose names match this `regexp` alone")
	applyOnly := flag.Bool("apply", false, "see whether the patches apply, and run no test")
	timeout := flag.Duration("timeout", time.Minute, "for one run of a test; one that hangs is caught by it")
	flag.Parse()
	survived, err := run(*pattern, *applyOnly, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived {
		os.Exit(1)
	}
}

// run tries the mutants that match pattern, and reports whether one was not caught.
func run(pattern string, applyOnly bool, timeout time.Duration) (survived bool, err error) {
	mutants, err := load(pattern)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	w := work{module: filepath.Join(dir, "module"), binary: filepath.Join(dir, "test.exe"), dir: dir, applyOnly: applyOnly, timeout: timeout}
	if err := w.copyModule(); err != nil {
		return false, err
	}
	if !applyOnly {
		if err := w.allPass(mutants); err != nil {
			return false, err
		}
	}
	var not []string
	for _, m := range mutants {
		start := time.Now()
		verdict, detail := w.try(m)
		if verdict == applies {
			continue
		}
		if verdict != caught {
			not = append(not, m.name)
		}
		fmt.Printf("%-15s %-45s %s (%.1f s)\n", verdict, m.name, detail, time.Since(start).Seconds())
	}
	if !applyOnly {
		fmt.Printf("%d mutants, %d of them caught\n", len(mutants), len(mutants)-len(not))
	} else {
		fmt.Printf("%d mutants, %d of them apply\n", len(mutants), len(mutants)-len(not))
	}
	for _, name := range not {
		fmt.Println("not caught:", name)
	}
	return len(not) > 0, nil
}

// load reads the patches whose names match pattern.
func load(pattern string) (mutants []mutant, err error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(patches, "*.patch")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".patch")
		if !match.MatchString(name) {
			continue
		}
		text, err := patches.ReadFile(file)
		if err != nil {
			return nil, err
		}
		h := heading.FindSubmatch(text)
		if h == nil {
			return nil, fmt.Errorf("%s doesn't begin with the promise and the test", file)
		}
		mutants = append(mutants, mutant{name: name, pkg: string(h[1]), test: string(h[2])})
	}
	if len(mutants) == 0 {
		return nil, fmt.Errorf("no mutant matches %q", pattern)
	}
	return mutants, nil
}

// A verdict is what became of a mutant.
type verdict string

const (
	caught       verdict = "caught"
	applies      verdict = "applies" // with -apply
	survives     verdict = "SURVIVES"
	doesNotApply verdict = "DOESN'T APPLY"
	doesNotBuild verdict = "DOESN'T BUILD"
)

// work is where mutants are tried, one at a time.
type work struct {
	dir, module, binary string
	applyOnly           bool
	timeout             time.Duration
}

// copyModule copies the module of the current folder, but for what other modules
// in it have and what Git keeps.
func (w *work) copyModule() error {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return err
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(w.module, rel)
		if d.IsDir() {
			_, notOther := os.Stat(filepath.Join(path, "go.mod"))
			if d.Name() == ".git" || rel != "." && notOther == nil {
				return filepath.SkipDir
			}
			return os.MkdirAll(to, 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// allPass sees that the tests pass as long as nothing is broken: one that fails in any
// case catches nothing.
func (w *work) allPass(mutants []mutant) error {
	tests := make(map[string][]string) // by package
	for _, m := range mutants {
		if !slices.Contains(tests[m.pkg], m.test) {
			tests[m.pkg] = append(tests[m.pkg], m.test)
		}
	}
	for pkg, names := range tests {
		if out, err := w.build(pkg); err != nil {
			return fmt.Errorf("%s doesn't build: %w\n%s", pkg, err, out)
		}
		out, err := w.test(pkg, strings.Join(names, "|"))
		if err != nil {
			return fmt.Errorf("a test of %s fails without a mutant: %w\n%s", pkg, err, out)
		}
		for _, name := range names {
			if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
				return fmt.Errorf("%s has no test %s", pkg, name)
			}
		}
	}
	return nil
}

// try applies m, runs its test, and takes m back.
func (w *work) try(m mutant) (v verdict, detail string) {
	patch, err := patches.ReadFile(m.name + ".patch")
	if err != nil {
		return doesNotApply, err.Error()
	}
	if out, err := w.apply(patch); err != nil {
		return doesNotApply, string(out)
	}
	defer func() {
		if out, err := w.apply(patch, "-R"); err != nil {
			panic(fmt.Sprintf("%s cannot be taken back: %v\n%s", m.name, err, out))
		}
	}()
	if w.applyOnly {
		return applies, ""
	}
	if out, err := w.build(m.pkg); err != nil {
		return doesNotBuild, string(out)
	}
	out, err := w.test(m.pkg, m.test)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survives, m.pkg + " " + m.test
	case !errors.As(err, &exit):
		return survives, err.Error()
	}
	return caught, m.pkg + " " + m.test + ": " + how(out)
}

// how is the first line of a test's output that says what went wrong.
func how(out []byte) string {
	said := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			said = line
			break
		}
		if said == "" && message.MatchString(line) {
			said = line
		}
	}
	const most = 100
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return cmp.Or(said, "no more is said")
}

var message = regexp.MustCompile(`^\w+_test\.go:\d+: `)

// apply has git apply the patch.
func (w *work) apply(patch []byte, flags ...string) ([]byte, error) {
	c := exec.Command("git", append([]string{"apply"}, flags...)...)
	c.Dir, c.Stdin = w.module, bytes.NewReader(patch)
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+w.dir) // in no repository
	return c.CombinedOutput()
}

func (w *work) build(pkg string) ([]byte, error) {
	c := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-o", w.binary, pkg) // the linker takes most of the time
	c.Dir = w.module
	return c.CombinedOutput()
}

func (w *work) test(pkg, names string) ([]byte, error) {
	c := exec.Command(w.binary, "-test.v", "-test.timeout="+w.timeout.String(), "-test.run=^("+names+")$")
	c.Dir = filepath.Join(w.module, pkg)
	return c.CombinedOutput()
}

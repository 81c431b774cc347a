// Command mutants checks that the tests notice mistakes. Each mutant in the
// files beside it breaks one promise of the library with a small edit. The
// program makes the edits one by one and runs the test that the mutant names.
// The test must fail.
//
//	go run ./internal/mutants                # all of them
//	go run ./internal/mutants -run '^(01|23)-'
//	go run ./internal/mutants -apply         # do the edits still apply?
//
// It exits with status 1 if a mutant survives, doesn't apply or doesn't build,
// or if a test that a mutant names fails without any mutant.
package main

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed *.txt
var files embed.FS

func main() {
	pattern := flag.String("run", "", "run only the mutants whose names match this `regexp`")
	applyOnly := flag.Bool("apply", false, "check that the edits apply, and run no test")
	timeout := flag.Duration("timeout", time.Minute, "limit for one run of a test; a mutant whose test reaches it is caught")
	flag.Parse()
	survived, err := run(*pattern, *applyOnly, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived {
		os.Exit(1)
	}
}

// run tries the mutants that match pattern, and reports whether one was not
// caught.
func run(pattern string, applyOnly bool, timeout time.Duration) (survived bool, err error) {
	mutants, err := load(files, pattern)
	if err != nil {
		return false, err
	}
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return false, err
	}
	w := work{root: filepath.Dir(strings.TrimSpace(string(gomod))), applyOnly: applyOnly, timeout: timeout}
	if w.source, err = parseModule(w.root); err != nil {
		return false, err
	}
	if w.dir, err = os.MkdirTemp("", "mutants"); err != nil {
		return false, err
	}
	defer os.RemoveAll(w.dir)
	if !applyOnly {
		if err := w.allPass(mutants); err != nil {
			return false, err
		}
	}
	not := w.tryAll(mutants)
	verb := "caught"
	if applyOnly {
		verb = "apply"
	}
	fmt.Printf("%d mutants, %d of them %s\n", len(mutants), len(mutants)-len(not), verb)
	for _, name := range not {
		fmt.Println("not caught:", name)
	}
	return len(not) > 0, nil
}

// A verdict is the result of a mutant.
type verdict string

const (
	caught       verdict = "caught"
	applies      verdict = "applies" // with -apply
	survives     verdict = "SURVIVES"
	doesNotApply verdict = "DOESN'T APPLY"
	doesNotBuild verdict = "DOESN'T BUILD"
)

// work has what is needed to try a mutant. The module itself is never changed:
// the go command gets mutated files in an overlay, so that several mutants can
// be tried at once.
type work struct {
	root, dir string // the folders of the module and of temporary files
	source    *source
	applyOnly bool
	timeout   time.Duration
}

// tryAll tries as many mutants at once as there are processors, prints the
// result of each, and returns the names of those that were not caught.
func (w *work) tryAll(mutants []mutant) (not []string) {
	type result struct {
		verdict verdict
		detail  string
		took    time.Duration
		done    chan struct{} // closed when the fields above are set
	}
	results := make([]result, len(mutants))
	for i := range results {
		results[i].done = make(chan struct{})
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				r, start := &results[i], time.Now()
				r.verdict, r.detail = w.try(mutants[i], filepath.Join(w.dir, strconv.Itoa(i)))
				r.took = time.Since(start)
				close(r.done)
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		for i := range mutants {
			next <- i
		}
	})
	for i, m := range mutants {
		r := &results[i]
		<-r.done
		switch r.verdict {
		case applies:
			continue
		case caught:
		default:
			not = append(not, m.name)
		}
		fmt.Printf("%-15s %-45s %s (%.1f s)\n", r.verdict, m.name, r.detail, r.took.Seconds())
	}
	wg.Wait()
	return not
}

// allPass returns an error unless every named test passes without a mutant. A
// test that always fails catches nothing.
func (w *work) allPass(mutants []mutant) error {
	tests := make(map[string][]string) // by folder
	for _, m := range mutants {
		folder, err := w.source.testFolder(m.test)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if name := bare(m.test); !slices.Contains(tests[folder], name) {
			tests[folder] = append(tests[folder], name)
		}
	}
	binary := filepath.Join(w.dir, "test.exe")
	for folder, names := range tests {
		if out, err := w.build(folder, binary); err != nil {
			return fmt.Errorf("%s doesn't build: %w\n%s", folder, err, out)
		}
		out, err := w.test(folder, binary, strings.Join(names, "|"))
		if err != nil {
			return fmt.Errorf("a test of %s fails without a mutant: %w\n%s", folder, err, out)
		}
		for _, name := range names {
			if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
				return fmt.Errorf("%s did not run %s", folder, name)
			}
		}
	}
	return nil
}

// bare returns the name of a test without its package.
func bare(test string) string { return test[strings.LastIndexByte(test, '.')+1:] }

// try makes the edits of m and runs its test. It puts temporary files into dir.
func (w *work) try(m mutant, dir string) (v verdict, detail string) {
	folder, err := w.source.testFolder(m.test)
	if err != nil {
		return doesNotApply, err.Error()
	}
	changed, err := w.source.mutate(m.edits)
	if err != nil {
		return doesNotApply, err.Error()
	}
	if w.applyOnly {
		return applies, ""
	}
	overlay, err := writeOverlay(dir, changed)
	if err != nil {
		return doesNotApply, err.Error()
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "test.exe")
	if out, err := w.build(folder, binary, "-overlay="+overlay); err != nil {
		return doesNotBuild, string(out)
	}
	out, err := w.test(folder, binary, bare(m.test))
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survives, folder + " " + m.test
	case !errors.As(err, &exit):
		return survives, err.Error()
	}
	return caught, folder + " " + m.test + ": " + how(out)
}

// writeOverlay writes the changed files to dir. It returns the name of the file
// that makes the go command build with them.
func writeOverlay(dir string, changed map[string][]byte) (overlay string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for file, text := range changed {
		to := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		replace[file] = to
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}

// how returns the first line of a test's output that says what went wrong.
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
	return cmp.Or(said, "no message")
}

var message = regexp.MustCompile(`^\w+_test\.go:\d+: `)

// build builds the tests of the package in folder.
func (w *work) build(folder, binary string, flags ...string) ([]byte, error) {
	// The flags are for the linker, which takes most of the time.
	c := exec.Command("go", append(append([]string{"test", "-c", "-ldflags=-s -w", "-o", binary}, flags...), folder)...)
	c.Dir = w.root
	return c.CombinedOutput()
}

// test runs the tests in binary whose names match the pattern names.
func (w *work) test(folder, binary, names string) ([]byte, error) {
	c := exec.Command(binary, "-test.v", "-test.timeout="+w.timeout.String(), "-test.run=^("+names+")$")
	c.Dir = filepath.Join(w.root, folder)
	return c.CombinedOutput()
}

package recipes_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The versions in WARNINGS.md are those of go.mod, its tests exist, and
// README.md names each recipe.
func TestWarnings_versionsAndTests(t *testing.T) {
	warnings, required, readme := read(t, "WARNINGS.md"), read(t, "../go.mod"), read(t, "README.md")
	versions := regexp.MustCompile(`(?m)^## (\S+ v\S+)$`).FindAllStringSubmatch(warnings, -1)
	if len(versions) < 6 {
		t.Errorf("%d versions: are they still found?", len(versions))
	}
	for _, v := range versions {
		if !strings.Contains(required, "\t"+v[1]+"\n") {
			t.Errorf("%s is not what go.mod requires", v[1])
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests string
	for _, name := range files {
		switch {
		case strings.HasSuffix(name, "_test.go"):
			tests += read(t, name)
		case name != "doc.go" && !strings.Contains(readme, "("+name+")"):
			t.Errorf("README.md doesn't name %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(warnings, -1) {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("there is no %s", name)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

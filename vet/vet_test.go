package main

import (
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// all runs all checks, so that testdata is loaded once.
var all = &analysis.Analyzer{
	Name:     "all",
	Doc:      "all checks",
	Requires: []*analysis.Analyzer{index},
	Run: func(pass *analysis.Pass) (any, error) {
		for _, check := range checks {
			if _, err := check.Run(pass); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}

// Each check has a folder in testdata that marks what it finds.
func TestChecks(t *testing.T) {
	var folders []string
	for _, check := range checks {
		folders = append(folders, "./"+check.Name)
	}
	analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), all, folders...)
}

// The programs are as somebody writes them who is new to the library. Comments
// say which mistakes are found and which are missed: see docs/vet.md.
func TestPrograms(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), all, "./programs/...")
}

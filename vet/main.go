// Command vet finds mistakes in programs that use abreast.
//
//	go run github.com/abreast-go/abreast/vet@latest ./...
//
// It prints a line for each mistake, and exits with status 3 if there are any.
// -fix applies the corrections that are certain. -NAME runs one check, and
// -NAME=false runs all others; "help" lists them. go vet runs it as well:
//
//	go install github.com/abreast-go/abreast/vet@latest
//	go vet -vettool=$(go env GOPATH)/bin/vet ./...
//
// A check reports only what is certain, or nearly so. It follows a handle
// through local variables, slices and maps, and a block through the functions
// of its package. What goes elsewhere is not reported, and neither are the
// files of tests.
package main

import (
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/multichecker"
)

// checks are in the order of docs/vet.md.
var checks = []*analysis.Analyzer{dropped, unasked, unchecked, outer, drain, slot, shared, channel}

func main() { multichecker.Main(checks...) }

// page is where the checks are described.
const page = "https://github.com/abreast-go/abreast/blob/main/docs/vet.md#"

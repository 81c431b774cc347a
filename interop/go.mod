module github.com/abreast-go/abreast/interop

go 1.25.0

require (
	github.com/abreast-go/abreast v0.0.0
	golang.org/x/time v0.15.0
)

require github.com/sourcegraph/conc v0.3.0 // indirect

replace github.com/abreast-go/abreast => ../

module example.com/testdata

go 1.25.0

require github.com/abreast-go/abreast v0.0.0

require github.com/sourcegraph/conc v0.3.0 // indirect

replace github.com/abreast-go/abreast => ../..

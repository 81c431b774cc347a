module github.com/abreast-go/abreast/cmd/abreast

go 1.25.0

require (
	github.com/abreast-go/abreast v0.0.0
	github.com/google/go-cmp v0.7.0
	github.com/vbauerster/mpb/v8 v8.9.3
	golang.org/x/net v0.55.0
	golang.org/x/term v0.43.0
	golang.org/x/text v0.37.0
	golang.org/x/time v0.15.0
)

require (
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/sourcegraph/conc v0.3.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)

replace github.com/abreast-go/abreast => ../..

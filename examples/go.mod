module github.com/abreast-go/abreast/examples

go 1.25.0

require github.com/abreast-go/abreast v0.0.0

replace github.com/abreast-go/abreast => ../

package main

import (
	"errors"

	"github.com/abreast-go/abreast/internal/kind"
)

// Kinds of failure beside those of package kind.
const (
	badURL     kind.Kind = "bad URL"
	badStatus  kind.Kind = "status" // outside 2xx
	fileFailed kind.Kind = "file"   // a body could not be written
)

// kindOf returns the kind of an error of a request or of writing its body.
func kindOf(err error) kind.Kind {
	switch {
	case errors.Is(err, errTooLarge):
		return kind.TooLarge
	case errors.As(err, new(*fileError)):
		return fileFailed
	}
	return kind.Of(err)
}

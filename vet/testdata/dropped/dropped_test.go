package dropped

import (
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// A test makes mistakes on purpose.
func TestEnd_cancelsPost(t *testing.T) {
	client.Parallel(t.Context(), func(p *parallel.Parallel) error {
		p.Post("http://h/")
		return nil
	})
}

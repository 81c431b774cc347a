//go:build linux

package interop

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// checkEncoding reads JSON in encodings. Nobody has asked for br, so the error
// names it.
func checkEncoding(t *testing.T, s server, proto protocol) result {
	r := start(t, s, variation{})
	tr := r.transport(t, proto, false)
	c := client.Client{HTTP: &http.Client{Transport: tr.Transport}}
	c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for _, encoding := range []string{"gzip", "x-gzip", "br"} {
			var id int
			err := p.Get(r.url(proto, "/?id=7&encoding="+encoding)).JSON(&id)
			switch {
			case encoding == "br" && (err == nil || !strings.Contains(err.Error(), `"br"`)):
				t.Errorf("encoding %q: %v; want an error that names it", encoding, err)
			case encoding != "br" && (err != nil || id != 7):
				t.Errorf("encoding %q: %d, %v; want 7", encoding, id, err)
			}
		}
		return nil
	})
	return result{}
}

package waterfall_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/waterfall"
)

// A Recorder with hooks of its own made 41 allocations for each request.
func TestRecorder_allocations(t *testing.T) {
	s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	defer s.Close()
	hc := s.Client()
	defer hc.CloseIdleConnections()
	allocations := func(c client.Client) (each float64) {
		c.HTTP, c.Limit = hc, 1
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			each = testing.AllocsPerRun(200, func() {
				if _, err := p.Get("http://h/").Bytes(); err != nil {
					t.Fatal(err)
				}
			})
			return nil
		})
		return each
	}
	alone := allocations(client.Client{})
	for _, tt := range []struct {
		name string
		rec  *waterfall.Recorder
		most float64 // it is one less
	}{
		{"until it is full", &waterfall.Recorder{}, 11},
		{"once it is full", &waterfall.Recorder{Max: 10}, 9},
	} {
		if added := allocations(client.Client{Observe: tt.rec.Observe}) - alone; added > tt.most {
			t.Errorf("a request makes %v allocations, and %v more with a Recorder %s; want %v more at most", alone, added, tt.name, tt.most)
		}
		var text strings.Builder
		tt.rec.Text(&text, 100)
		if !strings.Contains(text.String(), "200 OK") {
			t.Errorf("the requests were not recorded:\n%s", &text)
		}
	}
}

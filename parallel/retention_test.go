package parallel_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// What is unread is kept; but what is kept, be it a handle, a response or an error,
// keeps nothing of the block's other requests.
func TestWhatIsKeptKeepsNoOtherRequest(t *testing.T) {
	cfg := parallel.Config{Send: func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/fails" {
			return nil, errRefused
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}}
	tests := []struct {
		name string
		keep func(p *parallel.Parallel) any
	}{
		{"a handle", func(p *parallel.Parallel) any {
			h := p.Get("http://h/")
			h.Response()
			return h
		}},
		{"a Race's handle", func(p *parallel.Parallel) any {
			h := pending.Race(p.Get("http://h/"))
			h.Response()
			return h
		}},
		{"a response", func(p *parallel.Parallel) any {
			resp, _ := p.Get("http://h/").Response()
			return resp
		}},
		{"an upload's response", func(p *parallel.Parallel) any {
			resp, _ := p.Post("http://h/", parallel.Body("", strings.NewReader("body"))).Response()
			return resp
		}},
		{"an error", func(p *parallel.Parallel) any {
			_, err := p.Post("http://h/fails", parallel.Body("", strings.NewReader("body"))).Response()
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var kept any
			var other weak.Pointer[pending.Pending]
			parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
				h := p.Get("http://h/other")
				<-h.Done() // and nobody takes it
				other = weak.Make(h)
				kept = test.keep(p)
				return nil
			})
			runtime.GC()
			if other.Value() != nil {
				t.Error("another request of the block is kept too")
			}
			runtime.KeepAlive(kept)
		})
	}
}

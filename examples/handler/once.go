package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// wanted has what a visitor finds on each kind of page.
var wanted = []struct {
	path   string
	status int
	text   string
}{
	{"/", 200, "Filter papers &lt;size 02&gt;"},
	{"/product/7", 200, "Gooseneck kettle"},
	{"/product/3", 200, "The reviews are late"},
	{"/product/999", 404, "There is no such product"},
	{"/compare", 200, "</svg>"},
	{"/metrics", 200, `shop_requests_total{outcome="done",service="price"}`},
}

// visit fetches and checks the shop's pages, and prints the waterfalls of one.
func visit(ctx context.Context, url string, out io.Writer) error {
	visitor := client.Client{BaseURL: url}
	return visitor.Parallel(ctx, func(p *parallel.Parallel) error {
		waterfalls, err := p.Get("/compare.txt").Bytes() // alone, so that nothing disturbs its times
		if err != nil {
			return err
		}
		if _, err := out.Write(waterfalls); err != nil {
			return err
		}
		pages := make([]*pending.Pending, len(wanted))
		for i, w := range wanted {
			pages[i] = p.Get(w.path)
		}
		for i, w := range wanted {
			resp, wrong := pages[i].Response()
			if wrong == nil {
				body, _ := io.ReadAll(resp.Body) // it is in memory
				if resp.StatusCode != w.status || !strings.Contains(string(body), w.text) {
					wrong = fmt.Errorf("%s: %s, want %d with %q in it:\n%s", w.path, resp.Status, w.status, w.text, body)
				}
			}
			err = errors.Join(err, wrong)
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%d pages are as they should be\n", len(wanted))
		}
		return err
	})
}

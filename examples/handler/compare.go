package main

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// compared is the product whose page is gathered in two ways.
const compared = 7

// A way is one of the ways in which a page was gathered, with its requests.
type way struct {
	Title string
	Took  time.Duration
	rec   waterfall.Recorder
}

// compare gathers a page in both ways, first one, then the other.
func (s *shop) compare(ctx context.Context) ([]*way, error) {
	ways := []*way{{Title: "One after another"}, {Title: "Side by side"}}
	for i, limit := range []int{1, s.client.Limit} {
		c := s.watched(&ways[i].rec)
		c.Limit = limit
		page, err := s.gather(ctx, c, compared)
		if err != nil {
			return nil, err
		}
		ways[i].Took = page.Took
	}
	return ways, nil
}

// watched returns a copy of the shop's client whose requests rec records. The
// metrics still count them.
func (s *shop) watched(rec *waterfall.Recorder) *client.Client {
	c := s.client
	c.Observe = func(r *http.Request) (context.Context, func(pending.Outcome)) {
		_, count := s.metrics.observe(r) // it returns no context
		ctx, draw := rec.Observe(r)
		return ctx, func(o pending.Outcome) {
			count(o)
			draw(o)
		}
	}
	return &c
}

// showCompare shows both ways as a page, or as text for a terminal.
func (s *shop) showCompare(w http.ResponseWriter, r *http.Request) {
	ways, err := s.compare(r.Context())
	if err != nil {
		refuse(w, r, err)
		return
	}
	if r.URL.Path == "/compare" {
		render(w, http.StatusOK, "compare.html", ways)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	for _, way := range ways {
		fmt.Fprintf(w, "%s: %v\n", way.Title, way.Took.Round(time.Millisecond))
		way.rec.Text(w, 100)
		fmt.Fprintln(w)
	}
}

// Picture returns an SVG. The recorder has escaped its texts.
func (w *way) Picture() (template.HTML, error) {
	var svg strings.Builder
	err := w.rec.SVG(&svg)
	return template.HTML(svg.String()), err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"golang.org/x/term"

	"github.com/abreast-go/abreast/pending"
	"github.com/abreast-go/abreast/waterfall"
)

// How many requests a picture has: the last ones of the list.
const (
	drawn    = 40
	archived = 1000
)

// pictures record the requests and are drawn at the end. Without -waterfall and
// -har they cost nothing.
type pictures struct {
	text    *waterfall.Recorder // nil without -waterfall
	archive *waterfall.Recorder // nil without -har
	file    *os.File            // to which archive is written
}

func openPictures(o *options, sources []source) (*pictures, error) {
	p := new(pictures)
	if o.waterfall {
		p.text = &waterfall.Recorder{Max: drawn}
	}
	if o.har == "" {
		return p, nil
	}
	p.archive = &waterfall.Recorder{Max: archived}
	for name := range o.header { // its value may be a key
		p.archive.Redact = append(p.archive.Redact, name)
	}
	var err error
	p.file, err = create("har", o.har, sources)
	return p, err
}

// transport returns next, wrapped for the archive if there is one.
func (p *pictures) transport(next http.RoundTripper) http.RoundTripper {
	if p.archive == nil {
		return next
	}
	return p.archive.Transport(next)
}

// observe tells the recorders of a request. It serves as Client.Observe.
func (p *pictures) observe(r *http.Request) (ctx context.Context, done func(pending.Outcome)) {
	ctx, done = context.Background(), func(pending.Outcome) {}
	for _, rec := range []*waterfall.Recorder{p.text, p.archive} {
		if rec == nil {
			continue
		}
		c, told := rec.Observe(r)
		before := done
		ctx, r = c, r.WithContext(c)
		done = func(o pending.Outcome) { before(o); told(o) }
	}
	return ctx, done
}

// print draws the picture in the width of the terminal, or in 100 columns.
func (p *pictures) print(f *os.File) {
	if p.text == nil {
		return
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width == 0 {
		width = 100
	}
	p.text.Text(f, width)
}

// write writes the archive, if there is one.
func (p *pictures) write() error {
	if p.archive == nil {
		return nil
	}
	if err := errors.Join(p.archive.HAR(p.file), p.file.Close()); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}

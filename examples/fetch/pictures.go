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

// How many requests are in a picture, the last ones of a list.
const (
	drawn    = 40
	archived = 1000
)

// pictures of the requests are drawn and written at the end. Without the flags that
// ask for them there are none, and they cost nothing.
type pictures struct {
	text    *waterfall.Recorder // nil: not asked for
	archive *waterfall.Recorder // nil: not asked for
	file    *os.File            // of archive
}

func openPictures(o options, in *os.File) (*pictures, error) {
	p := new(pictures)
	if o.waterfall {
		p.text = &waterfall.Recorder{Max: drawn}
	}
	if o.har == "" {
		return p, nil
	}
	p.archive = &waterfall.Recorder{Max: archived}
	for name := range o.header { // it may be a key
		p.archive.Redact = append(p.archive.Redact, name)
	}
	var err error
	p.file, err = create("har", o.har, in)
	return p, err
}

// transport is next, for what the archive wants to see of it.
func (p *pictures) transport(next http.RoundTripper) http.RoundTripper {
	if p.archive == nil {
		return next
	}
	return p.archive.Transport(next)
}

// observe is for Client.Observe.
func (p *pictures) observe(r *http.Request) (ctx context.Context, settled func(pending.Outcome)) {
	ctx, settled = context.Background(), func(pending.Outcome) {}
	for _, rec := range []*waterfall.Recorder{p.text, p.archive} {
		if rec == nil {
			continue
		}
		c, told := rec.Observe(r)
		before := settled
		ctx, r = c, r.WithContext(c)
		settled = func(o pending.Outcome) { before(o); told(o) }
	}
	return ctx, settled
}

// print draws the picture on a terminal, or where there is none in 100 columns.
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

// write writes the archive.
func (p *pictures) write() error {
	if p.archive == nil {
		return nil
	}
	if err := errors.Join(p.archive.HAR(p.file), p.file.Close()); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}

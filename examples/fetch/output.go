package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/abreast-go/abreast/examples/internal/lines"
	"github.com/abreast-go/abreast/internal/kind"
	"github.com/abreast-go/abreast/pending"
)

// A record is the result of one line, as it is written.
type record struct {
	Line       int       `json:"line"`
	URL        string    `json:"url"`
	Status     int       `json:"status"`
	Bytes      int64     `json:"bytes"`
	Started    time.Time `json:"started,omitzero"`
	DurationMS float64   `json:"duration_ms"`
	Sent       bool      `json:"sent"`
	Kind       kind.Kind `json:"kind,omitempty"`
	Error      string    `json:"error,omitempty"`
	File       string    `json:"file,omitempty"`
}

// record returns the record of a fetch whose handle is done.
func (it *fetch) record() record {
	r := record{
		Line:    it.line.number,
		URL:     lines.Shown(it.line.text),
		Status:  it.status,
		Bytes:   it.bytes,
		Started: it.started.UTC().Truncate(time.Microsecond),
		Sent:    !errors.Is(it.err, pending.ErrNotSent),
		Kind:    it.kind,
		File:    it.file,
	}
	if it.started.IsZero() {
		r.Started = time.Time{}
	} else {
		r.DurationMS = math.Round(it.ended.Sub(it.started).Seconds()*1e6) / 1e3
	}
	if it.err != nil {
		r.Error = lines.Reason(it.err)
	}
	return r
}

// openOutput opens the file to which records are written. It must not be the
// one from which URLs are read.
func openOutput(name string, in *os.File) (*os.File, error) {
	if name == "" || name == "-" {
		return os.Stdout, nil
	}
	return create("out", name, in)
}

// create creates the file that a flag names, unless it is in.
func create(flag, name string, in *os.File) (*os.File, error) {
	if to, err := os.Stat(name); err == nil {
		if from, err := in.Stat(); err == nil && to.Mode().IsRegular() && os.SameFile(from, to) {
			return nil, fmt.Errorf("-%s %s is the file that the URLs are read from", flag, name)
		}
	}
	return os.Create(name)
}

// recordWriter returns a function that writes a record to w. It does not
// buffer: a reader of a pipe sees each line at once, and no line is lost if the
// program is killed.
func recordWriter(w io.Writer) func(record) error {
	return func(r record) error {
		if err := lines.Write(w, r); err != nil {
			return fmt.Errorf("writing the lines: %w", err)
		}
		return nil
	}
}

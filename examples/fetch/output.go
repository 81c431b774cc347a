package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// A record is what became of one line, as it is written out.
type record struct {
	Line       int       `json:"line"`
	URL        string    `json:"url"`
	Status     int       `json:"status"`
	Bytes      int64     `json:"bytes"`
	Started    time.Time `json:"started,omitzero"`
	DurationMS float64   `json:"duration_ms"`
	Sent       bool      `json:"sent"`
	Kind       string    `json:"kind,omitempty"`
	Error      string    `json:"error,omitempty"`
	File       string    `json:"file,omitempty"`
}

// record is what became of a fetch whose handle is done.
func (it *fetch) record() record {
	r := record{
		Line:    it.line.number,
		URL:     redacted(it.line.text),
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
		err := it.err
		if asked, ok := err.(*url.Error); ok { // the URL stands beside it
			err = asked.Err
		}
		r.Error = err.Error()
	}
	return r
}

// redacted is a line without the password in it, if there is one.
func redacted(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" { // no URL, but maybe meant for one
		start := 0
		if i := strings.Index(text[:at], "//"); i >= 0 {
			start = i + 2
		}
		return text[:start] + "xxxxx" + text[at:]
	}
	if _, has := u.User.Password(); !has {
		return text
	}
	return u.Redacted()
}

// openOutput opens what the lines are written to, which must not be what they are
// read from.
func openOutput(name string, in *os.File) (*os.File, error) {
	if name == "" || name == "-" {
		return os.Stdout, nil
	}
	return create("out", name, in)
}

// create makes the file that a flag names.
func create(flag, name string, in *os.File) (*os.File, error) {
	if to, err := os.Stat(name); err == nil {
		if from, err := in.Stat(); err == nil && to.Mode().IsRegular() && os.SameFile(from, to) {
			return nil, fmt.Errorf("-%s %s is the file that the URLs are read from", flag, name)
		}
	}
	return os.Create(name)
}

// recordWriter returns what writes a record to w, at once: whoever reads along is
// not kept waiting, and nothing is lost if the program is killed.
func recordWriter(w io.Writer) func(record) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(r record) error {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("writing the lines: %w", err)
		}
		return nil
	}
}

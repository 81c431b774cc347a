package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// A contender that delivers a wrong body has no outcome.
func TestDo_noticesWrongBody(t *testing.T) {
	w := work{scenario: scenario{blocks: 1, perBlock: 3, inFlight: 1, size: 200 * kib}}
	good := content(w.size)
	wrong := func(at int) []byte {
		b := bytes.Clone(good)
		b[at]++
		return b
	}
	for name, tt := range map[string]struct {
		body []byte
		says string
	}{
		"right":        {good, ""},
		"short":        {good[:len(good)-1], "3 bodies differ"},
		"long":         {content(w.size + 1), "3 bodies differ"},
		"none":         {nil, "3 bodies differ"},
		"its first":    {wrong(0), "3 bodies differ"},
		"its last":     {wrong(len(good) - 1), "3 bodies differ"},
		"out of place": {content(w.size + 1)[1:], "3 bodies differ"},
	} {
		t.Run(name, func(t *testing.T) {
			c := contender{open: func(w work) block {
				return func(_ context.Context, take func([]byte)) error {
					for range w.perBlock {
						take(tt.body)
					}
					return nil
				}
			}}
			o, err := c.do(t.Context(), w)
			if tt.says == "" {
				if err != nil || o.Bodies != 3 {
					t.Errorf("%d bodies, %v; want 3", o.Bodies, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

func TestDo_returnsContendersError(t *testing.T) {
	refused := errors.New("refused")
	c := contender{open: func(work) block {
		return func(context.Context, func([]byte)) error { return refused }
	}}
	if _, err := c.do(t.Context(), work{scenario: scenario{blocks: 2, perBlock: 1}}); err != refused {
		t.Errorf("%v, want %v", err, refused)
	}
}

// An outcome has every request once and every body once.
func TestCheck_countsMatch(t *testing.T) {
	s := scenario{blocks: 5, perBlock: 2}
	for _, tt := range []struct {
		bodies, requests int64
		says             string
	}{
		{10, 10, ""},
		{9, 10, "got 9 bodies, want 10"},
		{11, 10, "got 11 bodies, want 10"},
		{10, 11, "the upstream got 11 requests, want 10"},
		{10, 9, "the upstream got 9 requests, want 10"},
	} {
		err := outcome{Bodies: tt.bodies, upstream: counts{Requests: tt.requests}}.check(s)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || err.Error() != tt.says) {
			t.Errorf("%d bodies and %d requests of 10: %v, want %q", tt.bodies, tt.requests, err, tt.says)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tt := range []struct {
		of                         scenario
		scale                      float64
		blocks, perBlock, inFlight int
	}{
		{scenario{blocks: 1, perBlock: 1000, inFlight: 100}, 1, 1, 1000, 100},
		{scenario{blocks: 1, perBlock: 1000, inFlight: 100}, 0.5, 1, 500, 100},
		{scenario{blocks: 1, perBlock: 1000, inFlight: 100}, 0.01, 1, 10, 10}, // not more in flight than there are
		{scenario{blocks: 20, perBlock: 20, inFlight: 20}, 0.1, 2, 20, 20},    // the size of a block does not change
		{scenario{blocks: 20, perBlock: 20, inFlight: 20}, 0.0001, 1, 20, 20},
		{scenario{blocks: 1, perBlock: 1000, inFlight: 100}, 0.0001, 1, 1, 1},
	} {
		got := tt.of.scaled(tt.scale)
		if got.blocks != tt.blocks || got.perBlock != tt.perBlock || got.inFlight != tt.inFlight {
			t.Errorf("%+v scaled by %v is %d blocks of %d, %d in flight; want %d of %d, %d",
				tt.of, tt.scale, got.blocks, got.perBlock, got.inFlight, tt.blocks, tt.perBlock, tt.inFlight)
		}
	}
}

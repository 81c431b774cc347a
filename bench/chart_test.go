package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Labels of rows were anchored at the left, and crossed the axis if the font
// was wider than the one in which they were measured.
func TestAnchor(t *testing.T) {
	const svg = `<text x="100" y="-2" style="font-family:Liberation Sans;font-size:10px">abc  </text><path d="M0"/>`
	for _, tt := range []struct {
		right map[string]bool
		want  string
	}{
		{map[string]bool{"abc  ": true}, `<text x="116.12" text-anchor="end" y="-2" style="font-family:Liberation Sans,Arial,Helvetica,sans-serif;font-size:10px">abc</text><path d="M0"/>`},
		{nil, `<text x="108.06" text-anchor="middle" y="-2" style="font-family:Liberation Sans,Arial,Helvetica,sans-serif;font-size:10px">abc</text><path d="M0"/>`},
	} {
		if diff := cmp.Diff(tt.want, string(anchor([]byte(svg), tt.right))); diff != "" {
			t.Errorf("anchor with %v (-want +got):\n%s", tt.right, diff)
		}
	}
}

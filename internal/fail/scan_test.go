package fail

import (
	"strings"
	"testing"
)

// The certificate of a server had 243 kB of names, and the text was searched
// once for each: one request took five seconds of CPU time. Twice the text must
// take twice the work.
func TestScan_linear(t *testing.T) {
	for _, piece := range []string{
		`"//a@" `, "a", "://", "http://", "https://h:1/", "//", "%", "%25", "25", "%253", "%40", "@", `"`, `\`, `\"`, `"\`, "a/", "h:1", " ", ": ", "é", "http", "[::1]/",
	} {
		looked := func(n int) int {
			s := scan{text: strings.Repeat(piece, n)}
			for s.colon() >= 0 { // as if none preceded a password
				s.i++
			}
			return s.looked
		}
		const n = 1000
		few, many := looked(n), looked(2*n)
		if most := 4 * n * len(piece); few > most || many > 2*few+len(piece) {
			t.Errorf("%d times %q: %d bytes are looked at, and %d for twice as many; want at most %d, and twice that", n, piece, few, many, most)
		}
	}
}

// Escapes must not make a text longer than MaxText.
func TestText_bounded(t *testing.T) {
	for _, piece := range []string{`"//a@" `, "\x1b", "\xff", "é", "\u202e", "//u:p@h ", "a:b@"} {
		for _, n := range []int{1000, 10_000, 100_000} {
			if got := Text(strings.Repeat(piece, n)); len(got) > MaxText+100 {
				t.Errorf("%d times %q: Text returns %d bytes", n, piece, len(got))
			}
		}
	}
}

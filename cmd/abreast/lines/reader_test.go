package lines_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

type numbered struct {
	Number int
	Text   string
}

// all reads all lines.
func all(list io.Reader, max int) (got []numbered, err error) {
	for r := lines.NewReader(list, max); ; {
		n, text, err := r.Next()
		if err != nil {
			return got, err
		}
		got = append(got, numbered{n, text})
	}
}

func TestReader(t *testing.T) {
	list := "\ufeff  http://h/ \r\n\n \t \n# no\n  # no\nlast"
	want := []numbered{{1, "http://h/"}, {2, ""}, {3, ""}, {4, ""}, {5, ""}, {6, "last"}}
	got, err := all(strings.NewReader(list), 100)
	if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
		t.Errorf("lines (-want +got):\n%s, then %v; want %v", diff, err, io.EOF)
	}
}

// The part that is cut off may have the "@" that makes the rest a password.
func TestReader_longLines(t *testing.T) {
	const max = 100_000 // more than a buffer
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct{ name, line, want string }{
		{"fits", x(max), x(max)},
		{"too long", x(max + 1), x(max + 1)},
		{"far too long", x(5 * max), x(max + 1)},
		{"@ early", "a@" + x(max), "a@" + x(max-1)},
		{"@ next", x(max) + "@" + x(max), x(max) + "@"},
		{"@ in the buffer", x(max+1) + "@", x(max) + "@"},
		{"@ late", x(3*max) + "@" + x(max), x(max) + "@"},
		{"comment", " #" + x(5*max), ""},
	} {
		for _, end := range []string{"", "\n", "\nnext"} {
			got, err := all(strings.NewReader(tt.line+end), max)
			want := []numbered{{1, tt.want}}
			if end == "\nnext" {
				want = append(want, numbered{2, "next"})
			}
			if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
				t.Errorf("%s, %q after it: %d bytes, then %v; want %d bytes", tt.name, end, len(got[0].Text), err, len(tt.want))
			}
		}
	}
}

// A line that breaks off is not a URL: the rest of it may matter.
func TestReader_failure(t *testing.T) {
	broken := errors.New("broken")
	got, err := all(io.MultiReader(strings.NewReader("http://h/1\nhttp://h/delete?keep="), iotest.ErrReader(broken)), 100)
	if diff := cmp.Diff([]numbered{{1, "http://h/1"}}, got); diff != "" || !errors.Is(err, broken) {
		t.Errorf("lines (-want +got):\n%s, then %v; want %v", diff, err, broken)
	}
}

// Editors and shells of Windows write UTF-16.
func TestReader_encodings(t *testing.T) {
	const list = "http://h/é\r\n\r\n# no\r\n\thttp://h/🙂 "
	want := []numbered{{1, "http://h/é"}, {2, ""}, {3, ""}, {4, "http://h/🙂"}}
	utf16be, utf16le := []byte{0xFE, 0xFF}, []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(list)) {
		utf16be = append(utf16be, byte(u>>8), byte(u))
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	for name, text := range map[string]string{
		"UTF-8": list, "UTF-8 with a mark": "\ufeff" + list, "UTF-16, big endian": string(utf16be), "UTF-16, little endian": string(utf16le),
	} {
		got, err := all(iotest.OneByteReader(strings.NewReader(text)), 100)
		if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
			t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
		}
	}
}

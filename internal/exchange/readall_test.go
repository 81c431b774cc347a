package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

// Promise 15: a body is read to its end, in any pieces. Memory grows with the
// bytes received: neither the declared length, which a server may invent, nor
// the limit decides how much is allocated.
func TestReadAll(t *testing.T) {
	cases := map[string]struct {
		reader  func(io.Reader) io.Reader
		longest int // longest body that is tried
	}{
		"as it is":               {func(r io.Reader) io.Reader { return r }, 200_000},
		"half of what fits":      {iotest.HalfReader, 200_000},
		"the end with data":      {iotest.DataErrReader, 200_000},
		"a byte at a time":       {iotest.OneByteReader, 1100},
		"a byte, with the end":   {func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) }, 1100},
		"empty reads in between": {func(r io.Reader) io.Reader { return &stuttering{r: r} }, 200_000},
	}
	lengths := []int{0, 1, 2, 511, 512, 513, 1023, 1024, 1025, trusted - 1, trusted, trusted + 1, 200_000}
	declared := []int64{0, 1, 511, 512, 513, trusted - 1, trusted, trusted + 1, 200_000, 1 << 40}
	limits := []int64{0, 1, 511, 512, 513, 1024, trusted, 200_000, 1 << 40}
	content := make([]byte, 200_000)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, n := range lengths {
				if n > tc.longest {
					continue
				}
				for _, declared := range declared {
					for _, limit := range limits {
						came := content[:n]
						asked := &asking{r: tc.reader(bytes.NewReader(came))}
						got, err := readAll(asked, declared, limit)
						what := fmt.Sprintf("readAll of %d bytes, declared %d, limit %d", n, declared, limit)
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						if asked.forNothing {
							t.Fatalf("%s: Read was called with an empty buffer, for which some readers wait forever", what)
						}
						switch {
						case limit == 0 || int64(n) <= limit:
							if !bytes.Equal(got, came) {
								t.Fatalf("%s: got %d bytes, or other bytes", what, len(got))
							}
						case int64(len(got)) <= limit:
							t.Fatalf("%s: got %d bytes, want more than the limit", what, len(got))
						case !bytes.HasPrefix(came, got):
							t.Fatalf("%s: got other bytes than the body begins with", what)
						}
						if most := max(trusted, 8*len(got)); cap(got) > most {
							t.Fatalf("%s: the buffer has %d bytes for %d, want at most %d", what, cap(got), len(got), most)
						}
					}
				}
			}
		})
	}
}

func readAll(r io.Reader, declared, limit int64) ([]byte, error) {
	return new(Buffer).readAll(r, declared, limit)
}

// A body longer than a trusted length begins in the Buffer and is copied from
// there. So no two bodies share memory, even if one of them is changed.
func TestReadAll_bodiesShareNoMemory(t *testing.T) {
	const n = 2*growth*trusted + 1 // more than a Buffer keeps
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	cut := errors.New("cut")
	var b Buffer
	var bodies [][]byte
	lengths := []int{n, trusted + 1, growth * trusted, n - 1, growth*trusted + 1, trusted, n}
	for i, length := range lengths {
		came := append([]byte{byte(i)}, content[1:length]...)
		body, err := b.readAll(bytes.NewReader(came), int64(length), 0)
		if err != nil || cap(body) != length {
			t.Errorf("readAll of %d bytes: a buffer of %d, %v; want the declared length", length, cap(body), err)
		}
		bodies = append(bodies, body)
		for _, short := range []int{1, trusted, trusted + 1, length - 1} { // bodies that break off
			short = min(short, length-1)
			if got, err := b.readAll(&failing{make([]byte, short), cut}, int64(length), 0); err != cut || len(got) != short {
				t.Errorf("readAll of %d bytes of %d: %d bytes, %v; want %v", short, length, len(got), err, cut)
			}
		}
	}
	for i, body := range bodies {
		if want := append([]byte{byte(i)}, content[1:lengths[i]]...); !bytes.Equal(body, want) {
			t.Errorf("body %d of %d bytes has other bytes than were read", i, lengths[i])
		}
	}
	if most := growth * trusted; cap(b.buf) > most {
		t.Errorf("the Buffer has %d bytes, want at most %d", cap(b.buf), most)
	}
}

// An asking reader records whether Read was called with an empty buffer.
type asking struct {
	r          io.Reader
	forNothing bool
}

func (a *asking) Read(p []byte) (int, error) {
	if len(p) == 0 {
		a.forNothing = true
		return 0, nil
	}
	return a.r.Read(p)
}

// A stuttering reader returns nothing at every other Read.
type stuttering struct {
	r    io.Reader
	rest bool
}

func (s *stuttering) Read(p []byte) (int, error) {
	if s.rest = !s.rest; s.rest {
		return 0, nil
	}
	return s.r.Read(p)
}

func TestReadAll_trustsSmallLength(t *testing.T) {
	content := make([]byte, trusted)
	got, err := readAll(bytes.NewReader(content), trusted, 0)
	if err != nil || len(got) != trusted || cap(got) != trusted {
		t.Errorf("readAll of %d bytes, as declared: %d bytes in a buffer of %d, %v; want both to be the declared length", trusted, len(got), cap(got), err)
	}
}

// Reading an endless body stops soon after the limit.
func TestReadAll_stopsAtLimit(t *testing.T) {
	for _, declared := range []int64{0, 10, 1000, 1 << 40} {
		for _, limit := range []int64{1, 1000, trusted, 1 << 20} {
			got, err := readAll(endless{}, declared, limit)
			if most := max(2*limit, trusted) + unknown; err != nil || int64(len(got)) <= limit || int64(len(got)) > most {
				t.Errorf("readAll without an end, declared %d, limit %d: %d bytes, %v; want more than the limit and %d at most",
					declared, limit, len(got), err, most)
			}
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The data that was read before an error is returned with it, because an
// Outcome counts it.
func TestReadAll_returnsDataBeforeError(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 511, 512, 513, 5000} {
		content := bytes.Repeat([]byte("x"), n)
		for name, r := range map[string]io.Reader{
			"after the data": io.MultiReader(bytes.NewReader(content), iotest.ErrReader(broken)),
			"with the data":  &failing{content, broken},
		} {
			got, err := readAll(r, 0, 0)
			if err != broken || !bytes.Equal(got, content) {
				t.Errorf("readAll of %d bytes and an error %s: %d bytes, %v; want all bytes and the error", n, name, len(got), err)
			}
		}
	}
}

// A failing reader returns its error together with the last of its data.
type failing struct {
	data []byte
	err  error
}

func (f *failing) Read(p []byte) (n int, err error) {
	n = copy(p, f.data)
	if f.data = f.data[n:]; len(f.data) == 0 {
		err = f.err
	}
	return n, err
}

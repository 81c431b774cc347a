package pending_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/pending"
)

// chain makes a race of two handles, a race of that and a third, and so on,
// with n leaves.
func chain(b *block, n int) (leaves []*pending.Pending, outermost *pending.Pending) {
	outermost = b.request("/0")
	leaves = append(leaves, outermost)
	for i := 1; i < n; i++ {
		leaf := b.request(fmt.Sprint("/", i))
		leaves = append(leaves, leaf)
		outermost = pending.Race(outermost, leaf)
	}
	return leaves, outermost
}

// A countingError counts the calls of its methods.
type countingError struct{ texts, matches *int }

func (e *countingError) Error() string    { *e.texts++; return "failed" }
func (e *countingError) Is(e2 error) bool { *e.matches++; return false }

// Each race in a chain copied the text of those before it, and tested their
// errors for ErrNotSent: 2,000 racers cost two million tests.
func TestRace_chainIsLinear(t *testing.T) {
	const n = 2000
	var b block
	var texts, matches int
	leaves, race := chain(&b, n)
	for _, h := range leaves {
		b.Complete(h, ask.Answer{Err: &countingError{&texts, &matches}})
	}
	_, err := race.Response()
	if matches != 0 || texts != 0 {
		t.Errorf("deciding the race called Is %d times and Error %d times, want 0", matches, texts)
	}
	if got, want := len(err.Error()), n*len("failed\n")-1; got != want {
		t.Errorf("the text has %d bytes, want %d", got, want)
	}
	if texts != n {
		t.Errorf("Error was called %d times, want %d", texts, n)
	}
	errors.Is(err, http.ErrAbortHandler)
	if matches != n {
		t.Errorf("Is was called %d times, want %d", matches, n)
	}
}

// If each race was two racers of the next, each race doubled the text.
func TestRace_sameRacerTwiceListedOnce(t *testing.T) {
	var b block
	first, second := b.request("/1"), b.request("/2")
	race := pending.Race(first, second)
	for range 100 {
		race = pending.Race(race, race)
	}
	b.fail(first, errBroken)
	b.fail(second, errors.New("torn"))
	_, err := race.Response()
	if got, want := fmt.Sprint(err), "broken\ntorn"; got != want {
		t.Errorf("Response() error = %q, want %q", got, want)
	}
	for range 100 {
		race = pending.Race(race, race)
	}
	race.Cancel()
}

// Deciding, ending and canceling a chain of races were recursive.
func TestRace_chainNeedsNoStack(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(256 << 10))
	const n = 20_000
	for name, end := range map[string]func(b *block, leaves []*pending.Pending, race *pending.Pending){
		"won": func(b *block, leaves []*pending.Pending, _ *pending.Pending) { b.respond(leaves[0], 200, "") },
		"lost": func(b *block, leaves []*pending.Pending, _ *pending.Pending) {
			for _, h := range leaves {
				b.fail(h, errBroken)
			}
		},
		"canceled": func(_ *block, _ []*pending.Pending, race *pending.Pending) { race.Cancel() },
		"ended":    func(b *block, _ []*pending.Pending, _ *pending.Pending) { b.End(errBroken) },
	} {
		t.Run(name, func(t *testing.T) {
			var b block
			leaves, race := chain(&b, n)
			end(&b, leaves, race)
			_, err := race.Response()
			if (err == nil) != (name == "won") {
				t.Errorf("Response() error = %v", err)
			}
			if err != nil {
				if text := err.Error(); len(text) < len("broken") {
					t.Errorf("Error() = %q, want a text", text)
				}
				errors.Is(err, http.ErrAbortHandler)
			}
			if open := len(leaves) - countDone(leaves); open != 0 && name != "lost" {
				t.Errorf("%d racers are not done; want all canceled", open)
			}
		})
	}
}

func countDone(hs []*pending.Pending) (n int) {
	for _, h := range hs {
		if isDone(h) {
			n++
		}
	}
	return n
}

// A caller that waited for a Race could see it done before its losers were
// canceled.
func TestRace_cancelsLosersBeforeDone(t *testing.T) {
	for name, nest := range map[string]func(hs ...*pending.Pending) *pending.Pending{
		"one race": pending.Race,
		"a race in a race": func(hs ...*pending.Pending) *pending.Pending {
			return pending.Race(pending.Race(hs[0], hs[1]), hs[2])
		},
		"a racer in two races": func(hs ...*pending.Pending) *pending.Pending {
			pending.Race(hs[0], hs[1])
			return pending.Race(hs[0], hs[2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			var a block
			var race *pending.Pending
			var late []string
			loser := func(name string) (h *pending.Pending) {
				return a.Make(nil, func() {
					if race != nil && isDone(race) {
						late = append(late, name)
					}
				})
			}
			winner := a.Make(nil, nil)
			race = nest(winner, loser("second"), loser("third"))
			a.Complete(winner, ask.Answer{Response: &http.Response{StatusCode: http.StatusOK}})
			if !isDone(race) {
				t.Error("the race is not done")
			}
			if len(late) > 0 {
				t.Errorf("canceled after the race was done: %s", strings.Join(late, " and "))
			}
		})
	}
}

// Decide cancels the losers before any handle is done: the winner gives its
// slot back only after that.
func TestRace_decidedBeforeWinnerIsDone(t *testing.T) {
	var here, there block
	winner, loser, outer := here.request("/winner"), there.request("/loser"), there.request("/outer")
	inner := pending.Race(winner, loser)
	race := pending.Race(outer, inner)
	answer := ask.Answer{Response: &http.Response{StatusCode: http.StatusOK}, Body: []byte("body")}
	here.Decide(winner, answer)
	there.wantCanceled(t, "/loser", "/outer")
	here.wantCanceled(t)
	if isDone(winner) || isDone(inner) || isDone(race) {
		t.Error("a handle is done before it was completed")
	}
	there.End(errBroken) // race has a winner, so it completes with that
	wantBody(t, race, "body")
	here.Complete(winner, answer)
	wantBody(t, inner, "body")
	here.wantCanceled(t)
}

// Two callers that appended to the bytes of one handle wrote to the same
// memory.
func TestBytes_noSpareCapacity(t *testing.T) {
	var b block
	for name, h := range map[string]*pending.Pending{
		"a handle": b.request("/"),
		"a race":   pending.Race(b.request("/other"), b.responded("/", 404, "")),
	} {
		b.Complete(h, ask.Answer{Response: &http.Response{StatusCode: http.StatusOK}, Body: append(make([]byte, 0, 100), "body"...)})
		one, _ := h.Bytes()
		if len(one) != cap(one) {
			t.Errorf("%s: Bytes() has a spare capacity of %d, want 0", name, cap(one)-len(one))
		}
		resp, _ := h.Response()
		resp.Body.(io.WriterTo).WriteTo(capWriter(func(p []byte) {
			if len(p) != cap(p) {
				t.Errorf("%s: WriteTo wrote %d bytes with a spare capacity of %d, want 0", name, len(p), cap(p)-len(p))
			}
		}))
	}
}

type capWriter func(p []byte)

func (f capWriter) Write(p []byte) (int, error) { f(p); return len(p), nil }

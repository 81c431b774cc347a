package pending_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 11: the first racer with a 2xx status wins, and the others are
// canceled.
func TestRace_firstSuccessWins(t *testing.T) {
	var b block
	one, two, three, four := b.request("/1"), b.request("/2"), b.request("/3"), b.request("/4")
	race := pending.Race(one, two, three, four)
	b.respond(two, 404, "not here")
	b.fail(one, errBroken)
	if isDone(race) {
		t.Fatal("a 404 and a failure completed the race")
	}
	b.wantCanceled(t)
	b.respond(three, 204, "the winner's")
	wantBody(t, race, "the winner's")
	b.wantCanceled(t, "/4")
	wantBody(t, three, "the winner's")
}

// Promise 11: a race without a winner completes with all errors, in the order
// of the arguments.
func TestRace_noWinnerJoinsErrors(t *testing.T) {
	var b block
	one, two, three := b.request("/1"), b.request("/2"), b.request("/3")
	race := pending.Race(one, two, three)
	b.respond(three, 503, "sorry")
	b.fail(one, errBroken)
	if isDone(race) {
		t.Fatal("the race was completed while a racer was running")
	}
	b.fail(two, context.DeadlineExceeded)

	_, err := race.Response()
	var se *pending.StatusError
	if !errors.Is(err, errBroken) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &se) {
		t.Fatalf("Response() error = %v, want the errors of all three", err)
	}
	if body := read(se.Response); se.Response.StatusCode != 503 || body != "sorry" {
		t.Errorf("the *StatusError has status %d and body %q, want 503 and %q", se.Response.StatusCode, body, "sorry")
	}
	want := "broken\ncontext deadline exceeded\nGet \"https://h/3\": 503 Service Unavailable: \"sorry\""
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	b.wantCanceled(t)
}

// Promise 11: of the racers that were done before the call, the first argument
// wins, not the first to complete.
func TestRace_doneBeforeTheCall(t *testing.T) {
	var b block
	two := b.responded("/2", 200, "two")
	one := b.responded("/1", 200, "one")
	missing := b.responded("/0", 404, "")
	open := b.request("/open")
	wantBody(t, pending.Race(open, missing, one, two), "one")
	b.wantCanceled(t, "/open")
}

// Promise 11: the race replaces its racers.
func TestNext_yieldsRaceOnce(t *testing.T) {
	var b block
	one, two, other := b.request("/1"), b.request("/2"), b.request("/other")
	race := pending.Race(one, two)
	b.respond(other, 200, "")
	if h := b.Next(); h != other {
		t.Errorf("Next() = %p, want %p, which completed first", h, other)
	}
	if !b.Has() {
		t.Error("Has() = false with an open race, want true")
	}
	b.respond(two, 200, "two")
	if h := b.Next(); h != race {
		t.Errorf("Next() = %p, want the race, %p", h, race)
	}
	if h := b.Next(); h != nil || b.Has() {
		t.Errorf("Next() = %p, want nil, since the racers are claimed", h)
	}
	wantBody(t, race, "two")
}

// Promise 11: a race can be a racer in another race.
func TestRace_ofRaces(t *testing.T) {
	var b block
	one, two, three, four := b.request("/1"), b.request("/2"), b.request("/3"), b.request("/4")
	left, right := pending.Race(one, two), pending.Race(three, four)
	final := pending.Race(left, right)
	b.fail(one, errBroken)
	b.fail(two, context.DeadlineExceeded)
	if isDone(final) || !isDone(left) {
		t.Error("two failures did not complete their race, and only that")
	}
	b.respond(three, 200, "three")
	if h := b.Next(); h != final || b.Has() {
		t.Errorf("Next() = %p, want only the final race, %p", h, final)
	}
	wantBody(t, final, "three")
	b.wantCanceled(t, "/4")

	lost, won := pending.Race(b.request("/5"), b.request("/6")), b.request("/7")
	final = pending.Race(lost, won)
	b.respond(won, 200, "seven")
	wantBody(t, final, "seven")
	b.wantCanceled(t, "/4", "/5", "/6")
}

// Promise 11: Cancel of a race cancels every racer.
func TestRace_cancelCancelsEveryRacer(t *testing.T) {
	var b, other block
	race := pending.Race(b.request("/1"), other.request("/2"), b.request("/3"))
	race.Cancel()
	b.wantCanceled(t, "/1", "/3")
	other.wantCanceled(t, "/2")
	if h := b.Next(); h != race {
		t.Errorf("Next() = %p, want the canceled race, %p", h, race)
	}
	if _, err := race.Response(); !errors.Is(err, context.Canceled) {
		t.Errorf("Response() = %v, want context.Canceled", err)
	}
	race.Cancel()
	b.wantCanceled(t, "/1", "/3")
}

// Promise 11: a race belongs to the block of its first racer.
func TestRace_racersOfDifferentBlocks(t *testing.T) {
	var home, away block
	mine, theirs := home.request("/home"), away.request("/away")
	race := pending.Race(mine, theirs)
	if away.Has() || !home.Has() {
		t.Errorf("Has() = %t away and %t at home; want false and true", away.Has(), home.Has())
	}
	away.respond(theirs, 200, "from elsewhere")
	wantBody(t, race, "from elsewhere")
	home.wantCanceled(t, "/home")
	away.wantCanceled(t)
}

// Promises 4 and 11: a race ends with its block.
func TestRace_endsWithItsBlock(t *testing.T) {
	var home, away block
	mine, theirs := home.request("/home"), away.request("/away")
	race, decided := pending.Race(mine, theirs), pending.Race(home.responded("/", 200, "won"), away.request("/2"))
	home.fail(mine, context.DeadlineExceeded)
	if isDone(race) {
		t.Fatal("the race was completed while a racer was running")
	}
	home.End(errBroken)
	if !isDone(race) {
		t.Fatal("a race is open after its block has ended")
	}
	if _, err := race.Response(); err != errBroken {
		t.Errorf("Response() = %v, want %v", err, errBroken)
	}
	away.wantCanceled(t, "/2", "/away")
	wantBody(t, decided, "won")

	late := pending.Race(mine, away.request("/late"))
	if !isDone(late) {
		t.Fatal("a race made after the end is open")
	}
	if _, err := late.Response(); err != errBroken {
		t.Errorf("Response() of a race made after the end = %v, want %v", err, errBroken)
	}
	away.wantCanceled(t, "/2", "/away", "/late")
	wantBody(t, pending.Race(home.responded("/", 200, "had it"), away.request("/3")), "had it")

	// The end of another racer's block does not end the race.
	guest := pending.Race(away.request("/4"), home.request("/5"))
	home.End(errBroken)
	if isDone(guest) {
		t.Error("a race was completed by the end of a block that it does not belong to")
	}
}

func TestRace_noHandles(t *testing.T) {
	race := pending.Race()
	if !isDone(race) {
		t.Fatal("the race is not done")
	}
	if _, err := race.Response(); err == nil || !strings.Contains(err.Error(), "no handles") {
		t.Errorf("Response() error = %v, want one with \"no handles\"", err)
	}
	race.Cancel()
	if r := race.Request(); r != nil {
		t.Errorf("Request() = %v, want nil", r)
	}
}

func TestRace_nilHandles(t *testing.T) {
	var b block
	open := b.request("/")
	race := pending.Race(nil, open, new(pending.Pending))
	if isDone(race) {
		t.Fatal("a nil handle completed the race")
	}
	b.respond(open, 200, "the one that was")
	wantBody(t, race, "the one that was")

	_, err := pending.Race(nil, nil).Response()
	if err == nil || strings.Count(err.Error(), "nil or zero") != 2 {
		t.Errorf("Response() of a race of two nil handles = %v, want the error of each", err)
	}
}

func TestRace_duplicates(t *testing.T) {
	var b block
	h := b.request("/")
	race := pending.Race(h, h)
	b.respond(h, 200, "against itself")
	wantBody(t, race, "against itself")
	b.wantCanceled(t)

	failing := b.request("/")
	race = pending.Race(failing, failing)
	b.fail(failing, errBroken)
	if _, err := race.Response(); err == nil || err.Error() != "broken\nbroken" {
		t.Errorf("Response() = %v, want the error of each place", err)
	}
}

// Promise 11: Request and errors refer to the first racer, even if another
// racer won.
func TestRace_requestOfFirstRacer(t *testing.T) {
	var b block
	race := pending.Race(b.request("/first"), b.responded("/second", 200, "not JSON"))
	if r := race.Request(); r == nil || r.URL.Path != "/first" {
		t.Errorf("Request() = %v, want the request for /first", r)
	}
	if err := race.JSON(new(any)); err == nil || !strings.Contains(err.Error(), `Get "https://h/first"`) {
		t.Errorf("JSON() = %v, want an error that names the first racer", err)
	}
}

// Promise 10, for a race: each call returns its own response, with its own
// body.
func TestRace_resultIsRepeatable(t *testing.T) {
	var b block
	race := pending.Race(b.responded("/", 200, "winner"))
	wantBody(t, race, "winner")
	wantBody(t, race, "winner")

	race = pending.Race(b.responded("/", 404, "loser"))
	for range 2 {
		_, err := race.Bytes()
		var se *pending.StatusError
		if !errors.As(err, &se) {
			t.Fatalf("Bytes() = %v, want a *StatusError", err)
		}
	}
}

// Promise 11: a race is decided even if nobody requests its result, and the
// losers are canceled at that moment.
func TestRace_decidedUnclaimed(t *testing.T) {
	var canceled atomic.Int64 // Unix time in nanoseconds
	handler := func(w http.ResponseWriter, r *http.Request) {
		slow(w, r)
		if r.Context().Err() != nil {
			canceled.Store(time.Now().UnixNano())
		}
	}
	inBlock(t, client.Client{}, handler, func(t *testing.T, p *parallel.Parallel) {
		start := time.Now()
		race := pending.Race(p.Get("/slow/1h"), p.Get("/fast/300ms"))
		<-time.After(2 * time.Second)
		if d := time.Unix(0, canceled.Load()).Sub(start); d != 300*time.Millisecond {
			t.Errorf("the loser was canceled after %v, want 300ms", d)
		}
		wantBody(t, race, "/fast/300ms")
	})
}

// Promise 11: a hedge that is not needed is never sent.
func TestHedge_notSentIfFirstIsInTime(t *testing.T) {
	var sent atomic.Int32
	handler := func(w http.ResponseWriter, r *http.Request) { sent.Add(1); slow(w, r) }
	inBlock(t, client.Client{}, handler, func(t *testing.T, p *parallel.Parallel) {
		start := time.Now()
		hedge := p.Get("/20ms", parallel.After(50*time.Millisecond))
		race := pending.Race(p.Get("/20ms"), hedge)
		if _, err := race.Response(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 20*time.Millisecond {
			t.Errorf("the race took %v, want 20ms", d)
		}
		<-hedge.Done()
		if d := time.Since(start); d != 20*time.Millisecond {
			t.Errorf("the hedge was done after %v, want 20ms", d)
		}
		if _, err := hedge.Response(); !errors.Is(err, pending.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("Response() of the hedge = %v, want ErrNotSent and context.Canceled", err)
		}
		<-time.After(time.Second)
		if n := sent.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})
}

func TestHedge_winsOverSlowRequest(t *testing.T) {
	inBlock(t, client.Client{}, slow, func(t *testing.T, p *parallel.Parallel) {
		start := time.Now()
		first := p.Get("/1h")
		race := pending.Race(first, p.Get("/20ms", parallel.After(50*time.Millisecond)))
		body, err := race.Bytes()
		if d := time.Since(start); d != 70*time.Millisecond || string(body) != "/20ms" {
			t.Errorf("Bytes() = %q, %v after %v; want the hedge's body after 70ms", body, err, d)
		}
		if _, err := first.Response(); !errors.Is(err, context.Canceled) {
			t.Errorf("Response() of the first request = %v, want context.Canceled", err)
		}
		if d := time.Since(start); d != 70*time.Millisecond {
			t.Errorf("the loser was done after %v, want 70ms", d)
		}
	})
}

// Promise 11: the delay starts when the request is made. If the queue is full,
// both requests wait, and are then sent together.
func TestHedge_waitsInFullQueue(t *testing.T) {
	sent := make(chan time.Time, 2)
	handler := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/race") {
			sent <- time.Now()
		}
		slow(w, r)
	}
	inBlock(t, client.Client{Limit: 2}, handler, func(t *testing.T, p *parallel.Parallel) {
		start := time.Now()
		p.Get("/100ms")
		p.Get("/100ms")
		race := pending.Race(p.Get("/race/10ms"), p.Get("/race/10ms", parallel.After(50*time.Millisecond)))
		race.Response()
		if d := time.Since(start); d != 110*time.Millisecond {
			t.Errorf("the race took %v, want 110ms", d)
		}
		if len(sent) != 2 {
			t.Fatalf("%d racers were sent, want both", len(sent))
		}
		for range 2 {
			if d := (<-sent).Sub(start); d != 100*time.Millisecond {
				t.Errorf("a racer was sent after %v, want 100ms", d)
			}
		}
	})
}

// Promise 11: a status outside 2xx does not win over a later success.
func TestRace_statusOutside2xxDoesNotWin(t *testing.T) {
	inBlock(t, client.Client{}, slow, func(t *testing.T, p *parallel.Parallel) {
		body, err := pending.Race(p.Get("/10ms?500"), p.Get("/30ms"), p.Get("/20ms?404")).Bytes()
		if string(body) != "/30ms" || err != nil {
			t.Errorf("Bytes() = %q, %v; want %q", body, err, "/30ms")
		}
	})
}

// Promise 11: the end of its block ends a race and cancels its racers in other
// blocks.
func TestRace_endsWithFirstRacersBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := client.Client{BaseURL: "http://h", HTTP: testnet.New(t, http.HandlerFunc(slow)).Client()}
		err := api.Parallel(t.Context(), func(outer *parallel.Parallel) error {
			elsewhere := outer.Get("/1h")
			var race *pending.Pending
			start := time.Now()
			err := api.Parallel(t.Context(), func(p *parallel.Parallel) error {
				race = pending.Race(p.Get("/300ms?500"), elsewhere)
				if outer.HasPending() || !p.HasPending() {
					t.Error("the race does not belong to the block of its first racer")
				}
				<-time.After(time.Second)
				return nil
			})
			if !isDone(race) {
				t.Fatal("the race is open after its block has ended")
			}
			if _, err := race.Response(); !errors.Is(err, parallel.ErrEnded) {
				t.Errorf("Response() = %v, want ErrEnded", err)
			}
			if _, err := elsewhere.Response(); !errors.Is(err, context.Canceled) {
				t.Errorf("Response() of the racer of the other block = %v, want context.Canceled", err)
			}
			if d := time.Since(start); d != time.Second {
				t.Errorf("the inner block ended after %v, want 1s", d)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Promise 10: completing the handle is the last step of a request, canceled or
// not. Once Done is closed, no Read of the request's body and no Write to its
// To begins.
func TestCancel_doneIsTheLastStep(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(http.ResponseWriter, *http.Request)
	}{
		{"in the upload", func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }},
		{"in the download", func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			for r.Context().Err() == nil {
				w.Write(make([]byte, 1000))
				w.(http.Flusher).Flush()
				select {
				case <-time.After(time.Millisecond):
				case <-r.Context().Done():
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBlock(t, client.Client{MaxBody: -1}, test.handle, func(t *testing.T, p *parallel.Parallel) {
				io := &watched{t: t, made: make(chan struct{})}
				h := p.Post("/", parallel.Body("", io), parallel.To(io))
				io.handle = h
				close(io.made)
				for _, cancel := range []time.Duration{50 * time.Millisecond, 0} {
					<-time.After(cancel)
					h.Cancel()
				}
				<-h.Done()
				before := io.uses.Load()
				<-time.After(time.Second)
				if n := io.uses.Load(); n != before || n == 0 {
					t.Errorf("the body and To were used %d times, %d of them before Done was closed; want all, and some", n, before)
				}
			})
		})
	}
}

// A watched is a slow reader and writer, which reports each use after the
// handle is done.
type watched struct {
	t      *testing.T
	made   chan struct{} // closed once handle is set
	handle *pending.Pending
	uses   atomic.Int64
}

func (w *watched) Read(p []byte) (int, error) {
	w.use("a Read began")
	if isDone(w.handle) {
		w.t.Error("a Read was running after Done was closed")
	}
	return min(len(p), 100), nil
}

func (w *watched) Write(p []byte) (int, error) {
	w.use("a Write began")
	if isDone(w.handle) {
		w.t.Error("a Write was running after Done was closed")
	}
	return len(p), nil
}

func (w *watched) use(what string) {
	w.uses.Add(1)
	<-w.made
	if isDone(w.handle) {
		w.t.Errorf("%s after Done was closed", what)
	}
	<-time.After(7 * time.Millisecond)
}

// Promises 11 and 21: the error of a Race without a winner matches ErrNotSent
// only if no racer was sent. errors.Is finds the other errors in either case.
func TestRace_notSentIfNoRacerWas(t *testing.T) {
	refused, reset := errors.New("refused"), errors.New("reset")
	for name, tc := range map[string]struct {
		errs []error
		want bool
	}{
		"none sent":       {[]error{fail.NotSent(refused), fail.NotSent(reset)}, true},
		"the first sent":  {[]error{reset, fail.NotSent(refused)}, false},
		"the second sent": {[]error{fail.NotSent(refused), reset}, false},
		"both sent":       {[]error{refused, reset}, false},
	} {
		var b block
		a, z := b.request("/a"), b.request("/z")
		race := pending.Race(a, z)
		b.fail(a, tc.errs[0])
		b.fail(z, tc.errs[1])
		_, err := race.Response()
		if errors.Is(err, pending.ErrNotSent) != tc.want || !errors.Is(err, refused) || !errors.Is(err, reset) {
			t.Errorf("%s: Response() error = %v; want both errors, and ErrNotSent: %v", name, err, tc.want)
		}
	}
}

// Promise 11: if the block of the first racer has ended, the Race completes
// with the error of that end, even after the block was garbage collected.
func TestRace_blockGarbageCollected(t *testing.T) {
	ended, refused := errors.New("ended"), errors.New("refused")
	var first *pending.Pending
	func() {
		gone := new(block)
		first = gone.Make(nil, nil)
		gone.Complete(first, ask.Answer{Err: refused})
		first.Response()
		gone.End(ended)
	}()
	runtime.GC()

	var here block
	open := here.Make(nil, func() {})
	if _, err := pending.Race(first, open).Response(); err != ended {
		t.Errorf("Response() error = %v, want %v", err, ended)
	}
}

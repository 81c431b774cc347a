package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// These tests run random programs in fake time, and check that each of them
// keeps the promises: see check, and the calls of problem. Two kinds of program
// are never made, because they wait forever, as documented: a Go function that
// waits for its own handle or drains the outer block's arrivals, and code that
// holds a slot and waits for a request of the same block.

var (
	programs = flag.Int("programs", 700, "TestModel_randomPrograms: how many")
	seed     = flag.Uint64("seed", 1, "TestModel_randomPrograms: of the first")
)

func TestModel_randomPrograms(t *testing.T) {
	for i := range *programs {
		rnd := rand.New(rand.NewPCG(*seed+uint64(i), 0))
		b := make([]byte, 20+rnd.IntN(180))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		if runProgram(t, b); t.Failed() {
			return
		}
	}
}

func FuzzBlock(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 400 {
			return // several shorter programs find the same
		}
		runProgram(t, b)
	})
}

// runProgram runs the program that is decoded from b, and reports each broken
// promise.
func runProgram(t *testing.T, b []byte) {
	t.Helper()
	pr := decode(b)
	var problems []string
	synctest.Test(t, func(t *testing.T) {
		w := &world{program: pr, blocks: make(map[*parallel.Parallel]*block)}
		w.client = &client.Client{
			HTTP: &http.Client{Transport: w.transport(t)}, Limit: pr.limit, HostLimit: pr.hostLimit,
			Timeout: pr.timeout, Observe: w.observe, Ahead: pr.ahead,
		}
		if pr.waits {
			w.client.Wait = w.wait
		}
		if pr.retries {
			w.client.Retry = w.retry
		}
		if pr.shares != nil {
			w.share()
		}
		w.tokens = &client.Client{HTTP: &http.Client{Transport: roundTrip(w.token)}, Shared: w.shared, Limit: 2}
		over := make(chan struct{})
		go func() {
			defer close(over)
			for range pr.runs {
				w.spawned.Go(func() { w.open(context.Background(), pr.main) })
			}
			w.spawned.Wait()
		}()
		select {
		case <-over:
		case <-time.After(30 * time.Minute): // no program takes that long: something waits forever
			stacks := make([]byte, 1<<20)
			panic(fmt.Sprintf("after half an hour of fake time the program is still running:\n%v\n%s", pr, stacks[:runtime.Stack(stacks, true)]))
		}
		synctest.Wait()
		w.check()
		problems = w.problems
	})
	if len(problems) > 0 {
		slices.Sort(problems)
		t.Errorf("%s\n\n%v", strings.Join(slices.Compact(problems), "\n"), pr)
	}
}

// A world is one run of a program.
type world struct {
	program *program
	client  *client.Client
	tokens  *client.Client   // for blocks that Wait opens
	shared  *parallel.Limits // nil without them
	spawned sync.WaitGroup

	mu sync.Mutex

	// Guarded by mu, like the fields of blocks and records that are set more
	// than once.
	clock    int // orders events of one moment
	problems []string
	blocks   map[*parallel.Parallel]*block
	order    []*block
	records  []*record

	held, most, mostOf int // slots of shared; the highest limits that it had, 0 means none
	hosts              map[string]int
	tokenRequests      int
}

// A block is a Parallel of the run.
type block struct {
	w      *world
	p      *parallel.Parallel
	outer  *block // the block around that of a Go function
	root   *block // of the client.Parallel around it
	shared bool   // several goroutines may claim its handles
	cancel context.CancelCauseFunc

	handles  []*record
	open     map[*record]bool // unclaimed handles; not kept if shared
	endedAt  time.Time        // when its context ended
	panicked []any            // values that must be raised on its owner
	order    [][]*record      // the handles that each consumer of its arrivals got

	// Only of a root:
	held   int // slots
	hosts  map[string]int
	pauses map[string]*hostPause
}

// A hostPause is what Laters have done to a host.
type hostPause struct{ since, until time.Time }

// A record is a handle of the run.
type record struct {
	n       int
	b       *block
	what    string // request, Go, race
	spec    spec
	made    time.Time
	upload  bool
	refused bool
	racers  []*record
	inner   *block // of a Go function
	value   bool   // the Go function returns the record as its value

	h *pending.Pending

	observed, told    int
	outcome           pending.Outcome
	completed         time.Time // also of Go and Race
	host              string    // at which it holds a place
	redirected        bool      // by its first host
	waited            string    // the host for which Wait was last called
	entered, left     int       // RoundTrips of the last hop
	came              int       // times that the server received it
	bodies            int       // number of open bodies
	closes            int       // of the upload
	enteredAt, slotAt time.Time
	slot              bool
	canceledAt        time.Time // when it was certainly canceled
	mayCancel         bool      // a Race or a loop may have canceled it
	claimed           int       // clock time of the claim; 0 if none is known
	yields            int       // known yields by Next and Arrivals
	result            error     // the error of the Go function, or how it ended
	panicked          bool
	how               ending // how the Go function ended

	slots       int       // taken, and not given back for a Later
	began       int       // attempts that came to the transport
	current     bool      // the last attempt came to the transport
	transmitted bool      // one of them was, as far as the transport knows
	responded   bool      // by a redirect
	paused      bool      // it gave back its slot, for another attempt or a Later
	notBefore   time.Time // end of the pause
	laters      int       // Laters that Wait returned
	took        int       // the last attempt in which Take was called
	written     []byte    // to the writer of Take, in the last attempt, or of To
}

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problemLocked(format, args...)
}

func (w *world) problemLocked(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (r *record) String() string { return fmt.Sprintf("%s %d (%v)", r.what, r.n, r.spec) }

// of returns the record of a request, which has its number in its URL.
func (w *world) of(req *http.Request) *record { return w.numbered(req.URL.Query().Get("n")) }

func (w *world) numbered(n string) *record {
	i, err := strconv.Atoi(n)
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records[i]
}

// The client calls these functions.

func (w *world) observe(req *http.Request) (context.Context, func(pending.Outcome)) {
	r := w.of(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.observed++
	return nil, func(o pending.Outcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		r.told++
		r.outcome, r.completed = o, o.Done
		if !o.Done.Equal(time.Now()) {
			w.problemLocked("%v was done at %v by its outcome, at %v by the clock", r, o.Done, time.Now())
		}
		if r.h != nil && isDone(r.h) {
			w.problemLocked("%v was done before the function of Observe was called", r)
		}
		if r.bodies != 0 || r.entered != r.left {
			w.problemLocked("%v is done while it is inside the client: %d of %d RoundTrips returned, %d bodies open", r, r.left, r.entered, r.bodies)
		}
		w.releaseLocked(r)
	}
}

// share gives the client shared Limits, and changes them as the program says.
func (w *world) share() {
	w.hosts = make(map[string]int)
	first := w.program.shares[0]
	w.shared = parallel.NewLimits(first.total, first.perHost)
	w.client.Shared = w.shared
	w.most, w.mostOf = first.total, first.perHost
	atMost := func(l, other int) int {
		if l == 0 || other == 0 {
			return 0
		}
		return max(l, other)
	}
	w.spawned.Go(func() {
		for _, s := range w.program.shares[1:] {
			<-time.After(s.after)
			w.mu.Lock()
			w.most, w.mostOf = atMost(w.most, s.total), atMost(w.mostOf, s.perHost)
			w.mu.Unlock()
			w.shared.Set(s.total, s.perHost)
		}
	})
}

// token sends a request for w.tokens, as its transport.
func (w *world) token(req *http.Request) (*http.Response, error) {
	if err := pause(req.Context(), 2*time.Millisecond, 0); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// fetchToken opens a block with the context of a request that holds a slot.
func (w *world) fetchToken(req *http.Request) error {
	return w.tokens.Parallel(req.Context(), func(p *parallel.Parallel) error {
		w.mu.Lock()
		w.tokenRequests += 2
		w.mu.Unlock()
		_, err := pending.All(p.Get("http://a/"), p.Get("http://b/"))
		return err
	})
}

// releaseLocked records that r no longer holds a slot.
func (w *world) releaseLocked(r *record) {
	if r.slot {
		r.slot = false
		r.b.root.held--
		w.held--
		w.leaveHostLocked(r)
	}
}

// planned returns the spec of r with the result of the attempt that is under
// way.
func (w *world) planned(r *record) spec {
	w.mu.Lock()
	defer w.mu.Unlock()
	return r.plannedLocked()
}

func (r *record) plannedLocked() spec {
	s := r.spec
	if r.began <= s.fails {
		s.result = s.failure
	}
	return s
}

// beginLocked records that an attempt of r has come to the transport.
func (w *world) beginLocked(r *record) {
	r.began++
	r.current, r.enteredAt = true, time.Now()
	if r.enteredAt.Before(r.notBefore) {
		w.problemLocked("%v was sent %v before the end of its pause", r, r.notBefore.Sub(r.enteredAt))
	}
}

func (w *world) retry(a parallel.Attempt) (time.Duration, bool) {
	r := w.of(a.Request)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	s := r.plannedLocked()
	bad := func(format string, args ...any) {
		w.problemLocked("Retry was called for %v: "+format, append([]any{r}, args...)...)
	}
	switch {
	case a.N != r.slots || a.N != r.began || (a.Err == nil) == (a.Response == nil):
		bad("%+v, and it was sent %d times", a, r.began)
	case !a.Done.Equal(now) || a.Sent.After(r.enteredAt) || a.Sent.Before(r.notBefore):
		bad("sent %v, done %v; it was entered at %v, paused until %v, and now is %v", a.Sent, a.Done, r.enteredAt, r.notBefore, now)
	case r.upload || r.refused || r.panicked || !r.retried():
		bad("it can't be sent again")
	case !r.canceledAt.IsZero() && now.After(r.canceledAt) || !r.b.endedAt.IsZero() && now.After(r.b.endedAt):
		bad("it was canceled at %v, and its block ended at %v", r.canceledAt, r.b.endedAt)
	case r.entered != r.left || r.bodies != 0 || !r.slot:
		bad("%d of %d RoundTrips returned, %d bodies open, holding a slot: %v", r.left, r.entered, r.bodies, r.slot)
	case a.Response != nil && a.Response.StatusCode != s.status():
		bad("status %d", a.Response.StatusCode)
	case a.Err != nil && errors.Is(a.Err, pending.ErrNotSent) && s.result != undialed && !w.program.network:
		bad("%v", a.Err)
	}
	w.checkTimeLocked(r, now)
	if s.panics {
		v := r.panicLocked()
		w.releaseLocked(r)
		panic(v)
	}
	if a.N > min(s.fails, s.again) {
		return s.pause, false
	}
	if deadline, ok := r.b.p.Context().Deadline(); !ok || !now.Add(max(s.pause, 0)).After(deadline) {
		w.releaseLocked(r)
		r.paused, r.current, r.redirected, r.notBefore = true, false, false, now.Add(s.pause)
	}
	return s.pause, true
}

// checkTimeLocked checks the time of an attempt that has ended.
func (w *world) checkTimeLocked(r *record, ended time.Time) {
	limit, s := r.timeout(), r.plannedLocked()
	if s.stall > 0 && s.result == stalls && s.hop == "" {
		limit = min(limit, s.stall)
	}
	if d := ended.Sub(r.enteredAt); d > limit+s.lag {
		w.problemLocked("%v took %v, of a Timeout or Stall of %v and %v more", r, d, limit, s.lag)
	}
}

func (r *record) timeout() time.Duration {
	if r.spec.timeout == 0 {
		return r.b.w.program.timeout
	}
	return r.spec.timeout
}

// takeSlotLocked records that req, a hop of r, holds a slot and a place at its
// host.
func (w *world) takeSlotLocked(r *record, req *http.Request) {
	root := r.b.root
	if !r.slot {
		r.slot, r.paused = true, false
		r.slots++
		if r.slots == 1 {
			r.slotAt = time.Now()
		}
		root.held++
		w.held++
	}
	if r.host == "" {
		r.host = req.URL.Host
		root.hosts[r.host]++
		if w.shared != nil {
			w.hosts[r.host]++
		}
	}
	if w.shared != nil && (w.most > 0 && w.held > w.most || w.mostOf > 0 && w.hosts[r.host] > w.mostOf) {
		w.problemLocked("%d requests in flight, %d to %s; the shared limits are at most %d and %d", w.held, w.hosts[r.host], r.host, w.most, w.mostOf)
	}
	if l := w.program.limit; l > 0 && root.held > l {
		w.problemLocked("%d requests in flight, of a Limit of %d", root.held, l)
	}
	if l := w.program.hostLimit; l > 0 && root.hosts[r.host] > l {
		w.problemLocked("%d requests to %s in flight, of a HostLimit of %d", root.hosts[r.host], r.host, l)
	}
}

func (w *world) leaveHostLocked(r *record) {
	if r.host != "" {
		r.b.root.hosts[r.host]--
		if w.shared != nil {
			w.hosts[r.host]--
		}
		r.host = ""
	}
}

func (w *world) wait(req *http.Request) error {
	r := w.of(req)
	w.mu.Lock()
	w.takeSlotLocked(r, req)
	r.waited = req.URL.Host
	hop := r.redirected
	if p := r.b.root.pauses[req.URL.Host]; p != nil && time.Now().After(p.since) && time.Now().Before(p.until) {
		w.problemLocked("%v: Wait was called for %s, which was set aside until %v", r, req.URL.Host, p.until)
	}
	later := r.laters < r.spec.laters && req.Context().Err() == nil
	if later {
		r.laters++
		w.setAsideLocked(r, req.URL.Host)
	}
	w.mu.Unlock()
	if later {
		return fmt.Errorf("wrapped: %w", parallel.Later(r.spec.later))
	}
	if r.spec.tokens {
		if err := w.fetchToken(req); err != nil {
			return err
		}
	}
	if hop {
		return pause(req.Context(), r.spec.waits, 0)
	}
	if r.spec.wait != stalls {
		if err := pause(req.Context(), r.spec.waits, 0); err != nil {
			return err
		}
	}
	switch r.spec.wait {
	case stalls:
		<-time.After(r.spec.waits)
	case broken:
		return errWait
	case panics_:
		w.panics(r)
	}
	return nil
}

// setAsideLocked records that Wait returns Later for r.
func (w *world) setAsideLocked(r *record, host string) {
	now := time.Now()
	p := r.b.root.pauses[host]
	if p == nil || !now.Before(p.until) {
		p = &hostPause{since: now}
		r.b.root.pauses[host] = p
	}
	if until := now.Add(r.spec.later); until.After(p.until) {
		p.until = until
	}
	if r.redirected { // a hop keeps its slot
		w.leaveHostLocked(r)
		return
	}
	w.releaseLocked(r)
	r.slots--
	r.paused = true
	if r.slots == 0 {
		r.slotAt = time.Time{}
	}
}

// panics panics in the code that r runs.
func (w *world) panics(r *record) {
	w.mu.Lock()
	v := r.panicLocked()
	w.mu.Unlock()
	panic(v)
}

func (r *record) panicLocked() string {
	v := fmt.Sprint("panic ", r.n)
	r.panicked = true
	r.b.panicked = append(r.b.panicked, v)
	return v
}

func (w *world) enter(r *record, req *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeSlotLocked(r, req)
	r.entered++
	if !r.redirected {
		w.beginLocked(r)
	}
	if w.client.Wait != nil && r.waited != req.URL.Host {
		w.problemLocked("%v was sent to %s, and Wait was last called for %q", r, req.URL.Host, r.waited)
	}
	for _, end := range []struct {
		what string
		at   time.Time
	}{{"its block ended", r.b.endedAt}, {"it was canceled", r.canceledAt}} {
		if !end.at.IsZero() && time.Now().After(end.at) {
			w.problemLocked("%v was sent %v after %s", r, time.Since(end.at), end.what)
		}
	}
	if early := r.made.Add(r.spec.after).Sub(r.enteredAt); early > 0 {
		w.problemLocked("%v was sent %v before its After was over", r, early)
	}
}

func (w *world) exit(r *record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.left++
}

func (w *world) opened(r *record, d int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.bodies += d
}

// Blocks.

// open runs s in a block of the client, on its own goroutine, which a Goexit
// may end.
func (w *world) open(ctx context.Context, s scope) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	switch s.caller {
	case callerDeadline:
		c, stop := context.WithTimeout(ctx, s.callerAt)
		defer stop()
		ctx = c
	case callerCancels, callerCancelsWithCause:
		var cause error
		if s.caller == callerCancelsWithCause {
			cause = errCause
		}
		timer := time.AfterFunc(s.callerAt, func() { cancel(cause) })
		defer timer.Stop()
	}
	var b *block
	var want error
	left := s.end
	d := depart(func() error {
		return w.client.Parallel(ctx, func(p *parallel.Parallel) error {
			b = w.block(p, nil, s)
			b.cancel = cancel
			left = b.run(s)
			switch left {
			case byError:
				want = errFn
				return errFn
			case byPanic:
				panic("fn")
			case byGoexit:
				runtime.Goexit()
			}
			want = nil
			return nil
		})
	})
	w.joined(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	raised := d.raised
	if r, ok := raised.(*panics.Recovered); ok {
		raised = r.Value
	}
	switch {
	case left == byPanic:
		if d.raised != any("fn") {
			w.problemLocked("fn panicked, and %v was raised", d.raised)
		}
	case left == byGoexit:
		if d.returned || d.raised != nil {
			w.problemLocked("fn called Goexit, and the block returned %v, %v", d.err, d.raised)
		}
	case len(w.raisableLocked(b)) > 0:
		if all := w.raisableLocked(b); !slices.Contains(all, raised) {
			w.problemLocked("%v panicked in the block, and %v was raised", all, d.raised)
		}
	default:
		if !d.returned || d.err != want {
			w.problemLocked("fn returned %v, and the block %v (raised: %v)", want, d.err, d.raised)
		}
	}
}

// raisableLocked returns the panics of which one must be raised on the owner of
// b.
func (w *world) raisableLocked(b *block) []any {
	all := slices.Clone(b.panicked)
	for _, r := range w.records {
		if r.b == b && r.inner != nil && (r.how == byReturn || r.how == byError) {
			all = append(all, w.raisableLocked(r.inner)...)
		}
	}
	return all
}

var (
	errFn    = errors.New("fn's own error")
	errCause = errors.New("the caller's cause")
)

func (w *world) block(p *parallel.Parallel, outer *block, s scope) *block {
	b := &block{w: w, p: p, outer: outer, shared: s.sharesHandles(), open: make(map[*record]bool)}
	b.root = b
	if outer != nil {
		b.root = outer.root
		b.cancel = outer.cancel
	}
	b.hosts, b.pauses = make(map[string]int), make(map[string]*hostPause)
	w.mu.Lock()
	w.blocks[p] = b
	w.order = append(w.order, b)
	w.mu.Unlock()
	context.AfterFunc(p.Context(), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		b.endedAt = time.Now()
	})
	return b
}

// within reports whether b is other, or a block that Go opened in it.
func (b *block) within(other *block) bool {
	for ; b != nil; b = b.outer {
		if b == other {
			return true
		}
	}
	return false
}

// joined checks that nothing of b is pending. b has just ended.
func (w *world) joined(b *block) {
	stats := b.p.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	if stats.Queued != 0 || stats.InFlight != 0 {
		w.problemLocked("the block ended with %+v", stats)
	}
	for _, r := range w.records {
		if !r.b.within(b) {
			continue
		}
		if r.h != nil && !isDone(r.h) {
			w.problemLocked("%v is pending after its block ended", r)
		}
		if r.entered != r.left || r.bodies != 0 {
			w.problemLocked("%v is inside the client after its block ended", r)
		}
	}
}

// record returns the record of a handle that is about to be made.
func (b *block) record(what string, s spec) *record {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &record{n: len(w.records), b: b, what: what, spec: s, made: time.Now()}
	w.records = append(w.records, r)
	return r
}

func (b *block) add(r *record, h *pending.Pending) *record {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	r.h = h
	b.handles = append(b.handles, r)
	b.open[r] = true
	if r.what == "Go" || r.what == "race" {
		b.w.spawned.Go(func() {
			<-h.Done()
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			r.completed = time.Now()
		})
	}
	return r
}

func isDone(h *pending.Pending) bool {
	select {
	case <-h.Done():
		return true
	default:
		return false
	}
}

// claim records that rs are claimed. The claim is certain once the caller
// continues.
func (b *block) claim(rs ...*record) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for _, r := range rs {
		b.w.clock++
		if r.claimed == 0 {
			r.claimed = b.w.clock
		}
		delete(r.b.open, r)
	}
}

func (b *block) now() int {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.clock++
	return b.w.clock
}

// canceled records that rs are being canceled.
func (b *block) canceled(certain bool, rs ...*record) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.canceledLocked(certain, rs...)
}

func (b *block) canceledLocked(certain bool, rs ...*record) {
	for _, r := range rs {
		r.mayCancel = true
		if certain && r.canceledAt.IsZero() {
			r.canceledAt = time.Now()
		}
		b.canceledLocked(certain, r.racers...)
	}
}

func (b *block) pick(n int) *record {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if len(b.handles) == 0 {
		return nil
	}
	return b.handles[n%len(b.handles)]
}

// run does what s says, on the calling goroutine, and returns how the function
// must end.
func (b *block) run(s scope) ending {
	for _, o := range s.ops {
		if o.code == opLeave {
			return o.leave
		}
		b.do(o)
	}
	return s.end
}

func (b *block) do(o op) {
	w, p := b.w, b.p
	switch o.code {
	case opGet:
		b.get(o.reqs[0])
	case opDo:
		b.request(o)
	case opPost:
		r := b.record("request", o.reqs[0])
		r.upload = true
		b.add(r, p.Post(r.url(), r.options(parallel.Body("", &modelUpload{w, r, strings.NewReader("to be sent")}))...))
	case opRefused:
		r := b.record("request", o.reqs[0])
		r.refused = true
		b.add(r, p.Get(r.url(), r.options(func(*parallel.Request) error { return errOption })...))
	case opGo:
		b.function(o)
	case opSpawn:
		w.spawned.Go(func() { b.run(o.sub) })
	case opBlock:
		w.open(p.Context(), o.sub)
	case opResponse, opBytes:
		if r := b.pick(o.picks[0]); r != nil {
			b.ask(r, o.code == opBytes)
		}
	case opOuter:
		for outer := b.outer; outer != nil; outer = outer.outer {
			if r := outer.pick(o.picks[0]); r != nil && r.what == "request" {
				b.ask(r, false)
			}
		}
	case opNext:
		b.next()
	case opDrain:
		for p.HasPending() {
			b.next()
		}
		if !b.shared {
			b.look()
		}
	case opArrivals:
		b.arrivals(o.n)
	case opEach, opOrdered:
		b.loop(o)
	case opAll:
		var rs []*record
		var hs []*pending.Pending
		for _, n := range o.picks {
			if r := b.pick(n); r != nil {
				rs, hs = append(rs, r), append(hs, r.h)
			}
		}
		resps, err := pending.All(hs...)
		b.claim(rs...)
		if len(resps) != len(hs) {
			w.problem("All of %d handles returned %d responses", len(hs), len(resps))
		}
		for i, resp := range resps {
			if err == nil && resp == nil {
				w.problem("All returned no error, and no response of %v", rs[i])
			}
		}
	case opRace:
		b.race(o.picks...)
	case opCancel:
		if r := b.pick(o.picks[0]); r != nil {
			done := isDone(r.h)
			r.h.Cancel()
			if !done {
				b.canceled(true, r)
			}
		}
	case opDone:
		if r := b.pick(o.picks[0]); r != nil {
			select {
			case <-r.h.Done():
			case <-time.After(o.pause):
			}
		}
	case opLook:
		b.look()
	case opPause:
		<-time.After(o.pause)
	case opCancelCaller:
		b.cancel(errCause)
	}
}

// look compares the Stats and HasPending of the block with the model.
func (b *block) look() {
	stats := b.p.Stats()
	if l := b.w.program.limit; l > 0 && stats.InFlight > l {
		b.w.problem("%+v with a Limit of %d", stats, l)
	}
	if stats.Queued < 0 || stats.InFlight < 0 || stats.Failed > stats.Done {
		b.w.problem("%+v", stats)
	}
	if b.shared {
		return
	}
	b.w.mu.Lock()
	open := len(b.open)
	b.w.mu.Unlock()
	if got := b.p.HasPending(); got != (open > 0) {
		b.w.problem("HasPending() = %v, and %d handles are unclaimed", got, open)
	}
}

func (r *record) url() string { return fmt.Sprintf("http://%s/?n=%d", r.spec.host, r.n) }

func (r *record) options(more ...parallel.Option) []parallel.Option {
	return append(more, parallel.After(r.spec.after), parallel.Timeout(r.spec.timeout), parallel.Stall(r.spec.stall), r.takes())
}

func (b *block) get(s spec) *record {
	r := b.record("request", s)
	return b.add(r, b.p.Get(r.url(), r.options()...))
}

// request makes a request with Do, with its own context.
func (b *block) request(o op) {
	r := b.record("request", o.reqs[0])
	ctx := context.Background()
	if r.spec.own != 0 {
		c, cancel := context.WithCancel(ctx)
		time.AfterFunc(r.spec.own, cancel)
		ctx = c
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url(), strings.NewReader("again"))
	if err != nil {
		panic(err)
	}
	b.add(r, b.p.Do(req, r.options()...))
}

// function starts a function with Go.
func (b *block) function(o op) *record {
	r := b.record("Go", spec{})
	r.value = o.returnsValue()
	fn := func(p *parallel.Parallel) (*http.Response, error) {
		inner := b.w.block(p, b, o.sub)
		var resp *http.Response
		var err error
		left := byGoexit
		defer func() {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			r.inner, r.result, r.how = inner, err, left
			switch left {
			case byPanic:
				r.panicked = true
				r.b.panicked = append(r.b.panicked, fmt.Sprint("panic ", r.n))
			}
		}()
		how := inner.run(o.sub)
		if of := inner.pick(o.n); how == byReturn && of != nil && o.returnsResponse() {
			resp, err = inner.ask(of, false)
		}
		left = how
		switch how {
		case byError:
			resp, err = nil, errFn
		case byPanic:
			panic(fmt.Sprint("panic ", r.n))
		case byGoexit:
			runtime.Goexit()
		}
		return resp, err
	}
	if r.value {
		return b.add(r, parallel.Go(b.p, func(p *parallel.Parallel) (*record, error) {
			_, err := fn(p)
			return r, err
		}))
	}
	return b.add(r, b.p.Go(fn))
}

// ask waits for r.
func (b *block) ask(r *record, body bool) (*http.Response, error) {
	var resp *http.Response
	var err error
	switch {
	case body && r.value:
		var v *record
		if v, err = pending.As[*record](r.h); err == nil && v != r {
			b.w.problem("As of %v returned %v", r, v)
		}
	case body:
		_, err = r.h.Bytes()
	default:
		resp, err = r.h.Response()
	}
	b.claim(r)
	if !isDone(r.h) {
		b.w.problem("%v returned a result, and is not done", r)
	}
	return resp, err
}

func (b *block) race(picks ...int) *record {
	var hs []*pending.Pending
	r := b.record("race", spec{})
	for _, n := range picks {
		if racer := b.pick(n); racer != nil {
			r.racers, hs = append(r.racers, racer), append(hs, racer.h)
		}
	}
	if len(hs) == 0 { // a handle of no block
		if _, err := pending.Race().Response(); err == nil {
			b.w.problem("a Race of no handles has a winner")
		}
		r.what = "nothing"
		return nil
	}
	b.canceled(false, r.racers...)
	h := pending.Race(hs...)
	b.claim(r.racers...)
	return b.add(r, h)
}

// next claims one response with Next.
func (b *block) next() {
	b.w.mu.Lock()
	open := len(b.open)
	b.w.mu.Unlock()
	since := b.now()
	resp, err := b.p.Next()
	switch none := err == parallel.ErrNonePending; {
	case b.shared:
		// It is not known who claims which handle.
	case none != (open == 0):
		b.w.problem("Next() = %v, %v, and %d handles were unclaimed", resp, err, open)
		b.shared = true
	case !none:
		// It is one of the handles that are open and done. The response of a
		// function or a race does not tell which.
		if r := b.w.origin(resp, err); r != nil && b.took(r, since) {
			return
		}
		b.w.mu.Lock()
		var done []*record
		for r := range b.open {
			if r.what != "request" && isDone(r.h) {
				done = append(done, r)
			}
		}
		if len(done) == 1 {
			delete(b.open, done[0])
			done[0].yields++
		} else {
			b.shared = true
		}
		b.w.mu.Unlock()
	}
}

// origin returns the record of the request with this result, or nil if it is
// not known.
func (w *world) origin(resp *http.Response, err error) *record {
	if resp != nil {
		return w.numbered(resp.Header.Get("N"))
	}
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		if u, err := url.Parse(ue.URL); err == nil {
			return w.numbered(u.Query().Get("n"))
		}
	}
	return nil
}

// took records that r, if it was open, was one of the block's arrivals.
func (b *block) took(r *record, since int) bool {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if !b.open[r] {
		return false
	}
	delete(b.open, r)
	r.yields++
	return true
}

// arrivals claims up to n handles with Arrivals.
func (b *block) arrivals(n int) {
	w := b.w
	byHandle := func(h *pending.Pending) *record {
		for _, r := range b.handles {
			if r.h == h {
				return r
			}
		}
		return nil
	}
	var order []*record
	since := b.now()
	for h := range b.p.Arrivals() {
		if !isDone(h) {
			w.problem("Arrivals yielded a handle that is not done")
		}
		w.mu.Lock()
		r := byHandle(h)
		switch {
		case r == nil: // being made by another goroutine
			if !b.shared {
				w.problemLocked("Arrivals yielded a handle that was not made")
			}
		case r.claimed != 0 && r.claimed < since:
			w.problemLocked("Arrivals yielded %v, which was claimed", r)
		case !b.shared && !b.open[r]:
			w.problemLocked("Arrivals yielded %v a second time", r)
		}
		if r != nil {
			r.yields++
			w.clock++
			r.claimed = w.clock
			delete(b.open, r)
			order = append(order, r)
		}
		w.mu.Unlock()
		if n--; n == 0 {
			break
		}
		since = b.now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.order = append(b.order, order)
	if n > 0 && !b.shared && len(b.open) > 0 {
		w.problemLocked("Arrivals ended with %d handles unclaimed", len(b.open))
	}
}

// loop ranges over Each or Ordered.
func (b *block) loop(o op) {
	w := b.w
	each, name := parallel.Each[int, starts[int]], "Each"
	if o.code == opOrdered {
		each, name = parallel.Ordered[int, starts[int]], "Ordered"
	}
	window := 200
	if l := w.program.limit; l > 0 {
		window = 2 * l
	}
	if w.program.ahead > 0 {
		window = w.program.ahead
	}
	pulled, yielded := 0, 0
	made := make([]*record, len(o.reqs))
	begun := make([]time.Time, len(o.reqs))
	seen := make([]bool, len(o.reqs))
	items := func(yield func(int) bool) {
		for i := range o.reqs {
			if pulled++; pulled-yielded > window {
				w.problem("%s pulled %d items and yielded %d: more than %d ahead", name, pulled, yielded, window)
			}
			if !yield(i) {
				return
			}
		}
	}
	start := func(i int) *pending.Pending {
		begun[i] = time.Now()
		switch s := o.reqs[i]; {
		case s.by == byGo:
			made[i] = b.function(op{n: 1, sub: scope{ops: []op{{code: opGet, reqs: []spec{s}}}}})
		case s.by == byRace:
			b.get(s)
			s.after += 20 * time.Millisecond
			b.get(s)
			n := len(b.snapshot())
			made[i] = b.race(n-2, n-1)
		case s.by == byTheOneBefore && i > 0:
			made[i] = made[i-1]
		default:
			made[i] = b.get(s)
		}
		if !b.shared { // otherwise another goroutine may get it before the loop
			b.claim(made[i])
		}
		return made[i].h
	}
	var order []int
	for i, h := range each(b.p, items, start) {
		yielded++
		switch {
		case made[i] == nil || made[i].h != h:
			w.problem("%s yielded item %d with the handle of another", name, i)
		case seen[i]:
			w.problem("%s yielded item %d twice", name, i)
		case !isDone(h):
			w.problem("%s yielded item %d before it was done", name, i)
		}
		seen[i] = true
		b.claim(made[i])
		order = append(order, i)
		if yielded == o.n {
			for i, r := range made {
				if r != nil && !seen[i] && !isDone(r.h) {
					b.canceled(true, r)
				}
			}
			break
		}
		<-time.After(o.pause)
	}
	if o.n != yielded && yielded != len(o.reqs) {
		w.problem("%s ended after %d items of %d", name, yielded, len(o.reqs))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last := time.Time{}
	for _, i := range order {
		if name == "Ordered" && !slices.IsSorted(order) {
			w.problemLocked("Ordered yielded %v", order)
		}
		at := begun[i]
		if made[i].what == "request" && made[i].completed.After(at) {
			at = made[i].completed
		}
		if made[i].what == "request" && name == "Each" {
			if at.Before(last) {
				w.problemLocked("Each yielded item %d after one that arrived later (%v)", i, order)
			}
			last = at
		}
	}
}

func (b *block) snapshot() []*record {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	return slices.Clone(b.handles)
}

// check compares what the program did, now that it has ended, with the
// promises.
func (w *world) check() {
	if i := slices.IndexFunc(w.records, func(r *record) bool { return r.h != nil && !isDone(r.h) }); i >= 0 {
		w.problem("%v is pending at the end", w.records[i])
		return // the checks below might wait for it
	}
	for _, b := range w.order {
		w.checkArrivals(b) // before handles are claimed
	}
	made := make(map[*block]parallel.Stats)
	var delivered, failed, canceled, requests int
	for _, r := range w.records {
		if r.h == nil {
			continue // a Race of no handles
		}
		if r.what == "request" {
			requests++
			err := w.checkRequest(r)
			switch {
			case err == nil:
				delivered++
			case errors.Is(err, context.Canceled):
				canceled++
			default:
				failed++
			}
			for b := r.b; b != nil; b = b.outer {
				s := made[b]
				s.Done++
				if err != nil {
					s.Failed++
				}
				made[b] = s
			}
		}
	}
	if requests != delivered+failed+canceled {
		w.problem("%d requests were made, %d delivered, %d failed, %d canceled", requests, delivered, failed, canceled)
	}
	if w.shared != nil {
		s := w.shared.Stats()
		if s.Queued != 0 || s.InFlight != 0 || s.Done != requests+w.tokenRequests || w.held != 0 {
			w.problem("at the end the shared Stats are %+v, of %d requests and %d tokens; %d slots are held", s, requests, w.tokenRequests, w.held)
		}
	}
	for _, b := range w.order {
		if got, want := b.p.Stats(), made[b]; got != want {
			w.problem("at the end Stats are %+v, want %+v", got, want)
		}
		if b.root.held != 0 {
			w.problem("%d slots are held at the end", b.root.held)
		}
	}
	for _, r := range w.records {
		if r.h == nil {
			continue
		}
		switch r.what {
		case "race":
			w.checkRace(r)
		case "Go":
			w.checkFunction(r)
		}
	}
}

// checkArrivals checks the order of the arrivals, and that none is lost.
func (w *world) checkArrivals(b *block) {
	for _, order := range b.order {
		if !slices.IsSortedFunc(order, func(r, s *record) int { return r.completed.Compare(s.completed) }) {
			w.problem("Arrivals yielded in the wrong order: %v", order)
		}
	}
	for h := range b.p.Arrivals() {
		i := slices.IndexFunc(w.records, func(r *record) bool { return r.h == h })
		r := w.records[i]
		if r.b != b && r.what != "race" {
			w.problem("%v was yielded by another block", r)
		}
		if r.claimed != 0 || !b.shared && !b.open[r] {
			w.problem("%v was claimed, and yielded at the end", r)
		}
		r.yields++
		delete(b.open, r)
	}
	if _, err := b.p.Next(); err != parallel.ErrNonePending || b.p.HasPending() {
		w.problem("after the last arrival, Next() = %v and HasPending() = %v", err, b.p.HasPending())
	}
	if !b.shared && len(b.open) > 0 {
		w.problem("%d handles were neither claimed nor yielded", len(b.open))
	}
	for _, r := range b.handles {
		if r.yields > 1 {
			w.problem("%v was yielded %d times", r, r.yields)
		}
	}
}

// checkRequest returns the error of r.
func (w *world) checkRequest(r *record) error {
	bad := func(format string, args ...any) { w.problem("%v: "+format, append([]any{r}, args...)...) }
	resp, err := r.h.Response()
	if _, again := r.h.Response(); again != err {
		bad("Response() = %v, and %v the second time", err, again)
	}
	if r.observed != 1 || r.told != 1 {
		bad("observed %d times when it was made, and %d times when it was done", r.observed, r.told)
	}
	if r.outcome.Err != err || (r.outcome.Response == nil) != (err != nil) {
		bad("its Outcome has %v, %v, and Response() = %v, %v", r.outcome.Response, r.outcome.Err, resp, err)
	}
	if r.slot || r.bodies != 0 || r.entered != r.left || r.entered > r.began {
		bad("%d RoundTrips of which %d returned, %d bodies open, holding a slot: %v", r.entered, r.left, r.bodies, r.slot)
	}
	if r.upload && r.closes != 1 {
		bad("its body was closed %d times", r.closes)
	}
	if r.came > 0 && r.entered == 0 || !w.program.network && r.came > 0 {
		bad("the server received it %d times, and it was sent %d times", r.came, r.entered)
	}
	if r.slotAt.IsZero() != r.outcome.Sent.IsZero() && w.client.Wait == nil && r.entered > 0 {
		bad("it was sent at %v, and its outcome says %v", r.slotAt, r.outcome.Sent)
	}

	// The attempts.
	if r.began > 0 && !r.outcome.Sent.Equal(r.slotAt) {
		bad("it was sent at %v, and its outcome says %v", r.slotAt, r.outcome.Sent)
	}
	switch extra := r.outcome.Attempts - r.slots; {
	case extra < 0 || extra > 1 || r.began > r.outcome.Attempts || err == nil && r.began != r.outcome.Attempts:
		bad("it was sent %d times, had a slot %d times, and its outcome says %d attempts", r.began, r.slots, r.outcome.Attempts)
	case r.outcome.Attempts > 1 && !w.program.retries:
		bad("%d attempts without a Retry", r.outcome.Attempts)
	}
	byOwn := r.spec.own != 0 && !r.completed.Before(r.made.Add(r.spec.own))
	if _, deadline := r.b.p.Context().Deadline(); err == nil && !deadline && !r.mayCancel && !byOwn && !w.program.network && w.program.retries &&
		(r.b.endedAt.IsZero() || r.completed.Before(r.b.endedAt)) && !r.upload && r.began != 1+min(r.spec.fails, r.spec.again) {
		bad("it was sent %d times", r.began)
	}

	// The times.
	timeout := r.timeout()
	if r.current {
		w.mu.Lock()
		w.checkTimeLocked(r, r.completed)
		w.mu.Unlock()
	}
	ended := r.b.endedAt
	for _, end := range []time.Time{ended, r.canceledAt} {
		if (r.paused || r.slotAt.IsZero() && r.outcome.Sent.IsZero()) && !end.IsZero() && r.completed.After(end) && r.completed.After(r.made) {
			bad("it was done %v after its end, while it waited", r.completed.Sub(end))
		}
		if r.current && !end.IsZero() && r.completed.Sub(end) > r.spec.lag && r.completed.After(r.made) {
			bad("it was done %v after its end, of which %v are the transport's", r.completed.Sub(end), r.spec.lag)
		}
	}

	// ErrNotSent.
	notSent := errors.Is(err, pending.ErrNotSent)
	switch {
	case w.program.network && notSent && r.came > 0:
		bad("ErrNotSent, and the server received it: %v", err)
	case notSent && r.responded:
		bad("ErrNotSent, and its first host responded: %v", err)
	case !w.program.network && notSent && r.transmitted:
		bad("ErrNotSent, and the transport got it: %v", err)
	case err != nil && !notSent && !r.transmitted && !r.panicked && (r.began == 0 || errors.Is(err, syscall.ECONNREFUSED)):
		bad("never sent, and the error does not match ErrNotSent: %v", err)
	}

	if err == nil {
		got, e := io.ReadAll(resp.Body)
		switch {
		case e != nil || !bytes.Equal(got, r.kept()) || !bytes.Equal(r.written, r.received()):
			bad("body = %q, %v, and its writer has %q", got, e, r.written)
		case resp.StatusCode != r.plannedLocked().status() || resp.Header.Get("N") != strconv.Itoa(r.n):
			bad("status %d, header %v", resp.StatusCode, resp.Header)
		case r.entered < 1 || w.program.network && r.came < 1:
			bad("it has a response, and was sent %d times, received %d times", r.entered, r.came)
		case r.refused || r.fails() != nil && !w.program.network:
			bad("it succeeded")
		case r.spec.stall > 0 && r.spec.hop == "" && r.spec.latency > r.spec.stall:
			bad("it succeeded, and had no response for %v, of a Stall of %v", r.spec.latency, r.spec.stall)
		}
		return nil
	}

	if ue := (*url.Error)(nil); !errors.As(err, &ue) || !strings.Contains(ue.URL, fmt.Sprintf("n=%d", r.n)) {
		bad("the error does not name the request: %v", err)
	}
	byBlock := !ended.IsZero() && !r.completed.Before(ended)
	switch {
	case errors.Is(err, context.Canceled):
		if !byBlock && !byOwn && !r.mayCancel {
			bad("it was not canceled: %v", err)
		}
		late := errors.Is(err, parallel.ErrEnded) && !r.made.Before(ended) // made on a block that had ended
		if byBlock && !byOwn && !r.mayCancel && !late && !errors.Is(err, context.Cause(r.b.p.Context())) {
			bad("its block ended with %v, and it with %v", context.Cause(r.b.p.Context()), err)
		}
	case errors.Is(err, context.DeadlineExceeded):
		late := !r.enteredAt.IsZero() && (r.completed.Sub(r.enteredAt) >= timeout || r.spec.stall > 0 && r.completed.Sub(r.enteredAt) >= r.spec.stall)
		if !late && !(byBlock && errors.Is(r.b.p.Context().Err(), context.DeadlineExceeded)) {
			bad("no time ran out: %v", err)
		}
		if te, ok := err.(interface{ Timeout() bool }); !ok || !te.Timeout() {
			bad("Timeout() = false of %v", err)
		}
	case r.refused:
		if !errors.Is(err, errOption) {
			bad("an option refused it, and its error is %v", err)
		}
	case errors.Is(err, errWait):
		if w.client.Wait == nil || r.spec.wait != broken || !notSent {
			bad("%v", err)
		}
	case r.panicked:
		if !strings.Contains(err.Error(), fmt.Sprint("panic ", r.n)) {
			bad("it panicked, and its error is %v", err)
		}
	default:
		if want := r.fails(); want == nil || !w.program.network && want != errAny && !errors.Is(err, want) {
			bad("it failed with %v, want %v", err, want)
		}
	}
	return err
}

var errAny = errors.New("an error")

// fails returns the error with which r fails by itself, or nil if it gets a
// response.
func (r *record) fails() error {
	s := r.plannedLocked()
	if s.take == takesError && s.comes() {
		return errTake
	}
	switch s.result {
	case undialed:
		return syscall.ECONNREFUSED
	case broken:
		return errTransport
	case short:
		return io.ErrUnexpectedEOF
	case cutOff:
		return errBody
	case nothing, goexits, panics_, panicsIn:
		return errAny
	case stalls:
		return context.DeadlineExceeded
	}
	return nil
}

// checkRace checks that a Race has a winner with a 2xx status, or the errors of
// all racers.
func (w *world) checkRace(r *record) {
	resp, err := r.h.Response()
	if err == nil && resp.StatusCode/100 != 2 {
		w.problem("%v was won by a status of %d", r, resp.StatusCode)
	}
	notSent := true
	for _, racer := range r.racers {
		other, e := racer.h.Response()
		notSent = notSent && errors.Is(e, pending.ErrNotSent)
		if e == nil && other.StatusCode/100 == 2 && err != nil && racer.completed.Before(r.completed) {
			w.problem("%v has no winner, although %v succeeded: %v", r, racer, err)
		}
		if err == nil && racer.entered > 0 && racer.enteredAt.After(r.completed) {
			w.problem("%v was decided, and %v sent %v later", r, racer, racer.enteredAt.Sub(r.completed))
		}
	}
	leaves := r.leaves()
	switch v, e := pending.As[*record](r.h); {
	case err != nil && e != err:
		w.problem("%v failed with %v, and As with %v", r, err, e)
	case err == nil && e == nil && (!v.value || !slices.Contains(leaves, v)):
		w.problem("As of %v returned %v, which is no value of a racer", r, v)
	case err == nil && e != nil && resp.Header.Get("N") == "" &&
		!slices.ContainsFunc(leaves, func(l *record) bool { return l.what == "Go" && !l.value }):
		w.problem("%v was won by a value, and As failed with %v", r, e)
	}
	if errors.Is(err, pending.ErrNotSent) && !notSent && !r.b.endedAt.IsZero() && r.completed.Before(r.b.endedAt) {
		w.problem("%v matches ErrNotSent, and not all of its racers do: %v", r, err)
	}
}

// leaves returns the racers of a Race that are not Races, and those of the
// Races among them.
func (r *record) leaves() (all []*record) {
	seen := make(map[*record]bool)
	todo := []*record{r}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if r.what != "race" {
			all = append(all, r)
		}
		for _, racer := range r.racers {
			if !seen[racer] {
				seen[racer] = true
				todo = append(todo, racer)
			}
		}
	}
	return all
}

// checkFunction checks that the result of a function is unchanged.
func (w *world) checkFunction(r *record) {
	_, err := r.h.Response()
	switch {
	case r.inner == nil:
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
			w.problem("%v was never called, and its error is %v", r, err)
		}
	case r.how == byPanic:
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint("panic ", r.n)) {
			w.problem("%v panicked, and its error is %v", r, err)
		}
	case r.how == byGoexit:
		if err == nil {
			w.problem("%v called Goexit and has no error", r)
		}
	case len(w.raisableLocked(r.inner)) > 0:
		if err == nil {
			w.problem("%v panicked and has no error", r)
		}
	case err != r.result:
		w.problem("%v returned %v, and its error is %v", r, r.result, err)
	}
	if !r.value {
		return
	}
	switch v, e := pending.As[*record](r.h); {
	case e != err:
		w.problem("%v failed with %v, and As with %v", r, err, e)
	case err == nil && v != r:
		w.problem("As of %v returned %v", r, v)
	case err != nil && v != nil:
		w.problem("%v failed, and As returned %v", r, v)
	}
}

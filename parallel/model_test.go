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
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Random programs are run in fake time, and what they did is held against what the
// promises say of all programs: see check, and where problem is called. Two programs
// are not made, since they wait for ever as documented: a Go function that waits for
// its own handle or drains the outer block's arrivals, and what runs in a slot and waits
// for a request of the same block.

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
			return // it doesn't say more than several shorter ones
		}
		runProgram(t, b)
	})
}

// runProgram runs the program that b stands for, and says where it broke a promise.
func runProgram(t *testing.T, b []byte) {
	t.Helper()
	pr := decode(b)
	var problems []string
	synctest.Test(t, func(t *testing.T) {
		w := &world{program: pr, blocks: make(map[*parallel.Parallel]*block)}
		w.client = &client.Client{
			HTTP: &http.Client{Transport: w.transport(t)}, Limit: pr.limit, HostLimit: pr.hostLimit,
			Timeout: pr.timeout, Observe: w.observe,
		}
		if pr.waits {
			w.client.Wait = w.wait
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			w.open(context.Background(), pr.main)
			w.spawned.Wait()
		}()
		select {
		case <-over:
		case <-time.After(30 * time.Minute): // no program takes that long: something waits for ever
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
	spawned sync.WaitGroup

	mu sync.Mutex

	// Guarded by mu, as is all of blocks and records that is not set once.
	clock    int // orders what happens at one moment
	problems []string
	blocks   map[*parallel.Parallel]*block
	order    []*block
	records  []*record
}

// A block is a Parallel of the run.
type block struct {
	w      *world
	p      *parallel.Parallel
	outer  *block // of a Go
	root   *block // that of the client.Parallel around it
	shared bool   // several goroutines may claim its handles
	cancel context.CancelCauseFunc

	handles  []*record
	open     map[*record]bool // nobody claimed them; kept unless shared
	endedAt  time.Time        // when its context did
	panicked []any            // values that are to be raised on its owner
	order    [][]*record      // what each consumer of its arrivals took

	// Of a root:
	held  int // slots
	hosts map[string]int
}

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
	inner   *block // of a Go

	h *pending.Pending

	observed, told    int
	outcome           pending.Outcome
	settled           time.Time // also of Go and Race
	host              string    // where it holds a place
	redirected        bool      // by its first host
	waited            string    // the host that Wait was last called for
	entered, left     int       // RoundTrips of the last hop
	came              int       // to the server
	bodies            int       // open
	closes            int       // of the upload
	enteredAt, slotAt time.Time
	slot              bool
	canceledAt        time.Time // certainly
	mayCancel         bool      // a Race or a loop may have
	claimed           int       // on the clock, 0: not known to be
	yields            int       // known, of Next and Arrivals
	result            error     // what the Go function returned, or how it ended
	panicked          bool
	how               leaving // the Go function was left
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

// of is the record of a request, which has its number in its URL.
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

// What the client calls.

func (w *world) observe(req *http.Request) (context.Context, func(pending.Outcome)) {
	r := w.of(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.observed++
	return nil, func(o pending.Outcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		r.told++
		r.outcome, r.settled = o, o.Done
		if !o.Done.Equal(time.Now()) {
			w.problemLocked("%v settled at %v by its outcome, at %v by the clock", r, o.Done, time.Now())
		}
		if r.h != nil && isDone(r.h) {
			w.problemLocked("%v was done before its observer was told", r)
		}
		if r.bodies != 0 || r.entered != r.left {
			w.problemLocked("%v settles while it is inside the client: %d of %d RoundTrips returned, %d bodies open", r, r.left, r.entered, r.bodies)
		}
		if r.slot {
			r.slot = false
			r.b.root.held--
			w.leaveHostLocked(r)
		}
	}
}

// takeSlotLocked is called where req, a hop of r, holds a slot and a place at its host.
func (w *world) takeSlotLocked(r *record, req *http.Request) {
	root := r.b.root
	if !r.slot {
		r.slot, r.slotAt = true, time.Now()
		root.held++
	}
	if r.host == "" {
		r.host = req.URL.Host
		root.hosts[r.host]++
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
		r.host = ""
	}
}

func (w *world) wait(req *http.Request) error {
	r := w.of(req)
	w.mu.Lock()
	w.takeSlotLocked(r, req)
	r.waited = req.URL.Host
	hop := r.redirected
	w.mu.Unlock()
	if hop {
		return heeding(req.Context(), r.spec.waits, 0)
	}
	if r.spec.wait != stalls {
		if err := heeding(req.Context(), r.spec.waits, 0); err != nil {
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

// panics panics in what r runs.
func (w *world) panics(r *record) {
	v := fmt.Sprint("panic ", r.n)
	w.mu.Lock()
	r.panicked = true
	r.b.panicked = append(r.b.panicked, v)
	w.mu.Unlock()
	panic(v)
}

func (w *world) enter(r *record, req *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeSlotLocked(r, req)
	r.entered++
	if !r.redirected {
		r.enteredAt = time.Now()
	}
	if w.client.Wait != nil && r.waited != req.URL.Host {
		w.problemLocked("%v was sent to %s, and Wait was last called for %q", r, req.URL.Host, r.waited)
	}
	for _, end := range []struct {
		what string
		at   time.Time
	}{{"its block had ended", r.b.endedAt}, {"it was canceled", r.canceledAt}} {
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

// open runs s in a block of the client's, on a goroutine that a Goexit may end.
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
	left := s.leave
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

// raisableLocked are the panics of which one is to be raised on the owner of b.
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
	b.hosts = make(map[string]int)
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

// joined checks that nothing of b is left: it was left just now.
func (w *world) joined(b *block) {
	stats := b.p.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	if stats.Queued != 0 || stats.InFlight != 0 {
		w.problemLocked("the block was left with %+v", stats)
	}
	for _, r := range w.records {
		if !r.b.within(b) {
			continue
		}
		if r.h != nil && !isDone(r.h) {
			w.problemLocked("%v is pending, and its block was left", r)
		}
		if r.entered != r.left || r.bodies != 0 {
			w.problemLocked("%v is inside the client, and its block was left", r)
		}
	}
}

// record is that of a handle which is about to be made.
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
			r.settled = time.Now()
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

// claim notes that r is claimed; certainly so once the caller goes on.
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

// canceled notes that rs are being canceled.
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

// run does what s says, on the goroutine that calls it, and returns how the function
// is to be left.
func (b *block) run(s scope) leaving {
	for _, o := range s.ops {
		if o.code == opLeave {
			return o.leave
		}
		b.do(o)
	}
	return s.leave
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
			w.problem("All of %d returned %d responses", len(hs), len(resps))
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

// look compares what the block says of itself with the model.
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
	return append(more, parallel.After(r.spec.after), parallel.Timeout(r.spec.timeout))
}

func (b *block) get(s spec) *record {
	r := b.record("request", s)
	return b.add(r, b.p.Get(r.url(), r.options()...))
}

// request makes a request by Do, with a context of its own.
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
	return b.add(r, b.p.Go(func(p *parallel.Parallel) (*http.Response, error) {
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
		if of := inner.pick(o.n); how == byReturn && of != nil && o.n%2 == 1 {
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
	}))
}

// ask waits for r.
func (b *block) ask(r *record, body bool) (*http.Response, error) {
	var resp *http.Response
	var err error
	if body {
		_, err = r.h.Bytes()
	} else {
		resp, err = r.h.Response()
	}
	b.claim(r)
	if !isDone(r.h) {
		b.w.problem("%v gave an answer, and is not done", r)
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
			b.w.problem("a Race of none has a winner")
		}
		r.what = "nothing"
		return nil
	}
	b.canceled(false, r.racers...)
	h := pending.Race(hs...)
	b.claim(r.racers...)
	return b.add(r, h)
}

// next takes one response with Next.
func (b *block) next() {
	b.w.mu.Lock()
	open := len(b.open)
	b.w.mu.Unlock()
	since := b.now()
	resp, err := b.p.Next()
	switch none := err == parallel.ErrNonePending; {
	case b.shared:
		// Who claims what is not known.
	case none != (open == 0):
		b.w.problem("Next() = %v, %v, and %d handles were unclaimed", resp, err, open)
		b.shared = true
	case !none:
		// It is one of those that are open and done; which, a response doesn't say if
		// it is that of a function or a race.
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

// origin is the request that was answered thus, if that can be told.
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

// took notes that r, if it was open, came out of the block's arrivals.
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

// arrivals takes up to n handles from Arrivals.
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
		w.problemLocked("Arrivals ended, and %d handles are unclaimed", len(b.open))
	}
}

// loop ranges over Each or Ordered.
func (b *block) loop(o op) {
	w := b.w
	each, name := parallel.Each[int], "Each"
	if o.code == opOrdered {
		each, name = parallel.Ordered[int], "Ordered"
	}
	window := 200
	if l := w.program.limit; l > 0 {
		window = 2 * l
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
		if !b.shared { // else somebody may get it before the loop does
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
		if made[i].what == "request" && made[i].settled.After(at) {
			at = made[i].settled
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

// check holds what the program did, now that it is over, against what is promised of
// all programs.
func (w *world) check() {
	if i := slices.IndexFunc(w.records, func(r *record) bool { return r.h != nil && !isDone(r.h) }); i >= 0 {
		w.problem("%v is pending at the end", w.records[i])
		return // what is asked below might wait for it
	}
	for _, b := range w.order {
		w.checkArrivals(b) // before what claims
	}
	made := make(map[*block]parallel.Stats)
	var delivered, failed, canceled, requests int
	for _, r := range w.records {
		if r.h == nil {
			continue // a Race of none
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

// checkArrivals: order, and nothing lost.
func (w *world) checkArrivals(b *block) {
	for _, order := range b.order {
		if !slices.IsSortedFunc(order, func(r, s *record) int { return r.settled.Compare(s.settled) }) {
			w.problem("Arrivals yielded, out of their order: %v", order)
		}
	}
	for h := range b.p.Arrivals() {
		i := slices.IndexFunc(w.records, func(r *record) bool { return r.h == h })
		r := w.records[i]
		if r.b != b && r.what != "race" {
			w.problem("%v came out of another block", r)
		}
		if r.claimed != 0 || !b.shared && !b.open[r] {
			w.problem("%v was claimed, and yielded at the end", r)
		}
		r.yields++
		delete(b.open, r)
	}
	if _, err := b.p.Next(); err != parallel.ErrNonePending || b.p.HasPending() {
		w.problem("after the last, Next() = %v and HasPending() = %v", err, b.p.HasPending())
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

// checkRequest returns the error that r settled with.
func (w *world) checkRequest(r *record) error {
	bad := func(format string, args ...any) { w.problem("%v: "+format, append([]any{r}, args...)...) }
	resp, err := r.h.Response()
	if _, again := r.h.Response(); again != err {
		bad("Response() = %v, and then %v", err, again)
	}
	if r.observed != 1 || r.told != 1 {
		bad("observed %d times as it was made, and %d times as it settled", r.observed, r.told)
	}
	if r.outcome.Err != err || (r.outcome.Response == nil) != (err != nil) {
		bad("its observer was told %v, %v, and Response() = %v, %v", r.outcome.Response, r.outcome.Err, resp, err)
	}
	if r.slot || r.bodies != 0 || r.entered != r.left || r.entered > 1 {
		bad("%d RoundTrips of which %d returned, %d bodies open, holding a slot: %v", r.entered, r.left, r.bodies, r.slot)
	}
	if r.upload && r.closes != 1 {
		bad("its body was closed %d times", r.closes)
	}
	if r.came > 0 && r.entered == 0 || !w.program.network && r.came > 0 {
		bad("%d of it came to the server, and %d were sent", r.came, r.entered)
	}
	if r.slotAt.IsZero() != r.outcome.Sent.IsZero() && w.client.Wait == nil && r.entered > 0 {
		bad("it was sent at %v, and its outcome says %v", r.slotAt, r.outcome.Sent)
	}

	// In time.
	timeout := r.spec.timeout
	if timeout == 0 {
		timeout = w.program.timeout
	}
	if r.entered > 0 {
		if d := r.settled.Sub(r.enteredAt); d > timeout+r.spec.lag {
			bad("it took %v, of a Timeout of %v and %v more", d, timeout, r.spec.lag)
		}
	}
	ended := r.b.endedAt
	for _, end := range []time.Time{ended, r.canceledAt} {
		if r.slotAt.IsZero() && r.outcome.Sent.IsZero() && !end.IsZero() && r.settled.After(end) && r.settled.After(r.made) {
			bad("it waited for %v after it was ended, without having been sent", r.settled.Sub(end))
		}
		if r.entered > 0 && !end.IsZero() && r.settled.Sub(end) > r.spec.lag && r.settled.After(r.made) {
			bad("it took %v to heed its end, of which %v are the transport's", r.settled.Sub(end), r.spec.lag)
		}
	}

	// Proof.
	notSent := errors.Is(err, pending.ErrNotSent)
	switch {
	case w.program.network && notSent && r.came > 0:
		bad("ErrNotSent, and the server had it: %v", err)
	case notSent && r.redirected:
		bad("ErrNotSent, and its first host had answered: %v", err)
	case !w.program.network && notSent && r.entered > 0:
		bad("ErrNotSent, and the transport had it: %v", err)
	case err != nil && !notSent && r.enteredAt.IsZero() && !r.panicked:
		bad("it was never sent, and this doesn't say so: %v", err)
	}

	if err == nil {
		got, e := io.ReadAll(resp.Body)
		switch {
		case e != nil || !bytes.Equal(got, r.text()):
			bad("its body is %q, %v", got, e)
		case resp.StatusCode != r.spec.status() || resp.Header.Get("N") != strconv.Itoa(r.n):
			bad("it was answered %d, %v", resp.StatusCode, resp.Header)
		case r.entered != 1 || w.program.network && r.came < 1:
			bad("it was answered, and sent %d times, received %d times", r.entered, r.came)
		case r.refused || r.fails() != nil && !w.program.network:
			bad("it succeeded")
		}
		return nil
	}

	if ue := (*url.Error)(nil); !errors.As(err, &ue) || !strings.Contains(ue.URL, fmt.Sprintf("n=%d", r.n)) {
		bad("the error does not name it: %v", err)
	}
	byBlock := !ended.IsZero() && !r.settled.Before(ended)
	byOwn := r.spec.own != 0 && !r.settled.Before(r.made.Add(r.spec.own))
	switch {
	case errors.Is(err, context.Canceled):
		if !byBlock && !byOwn && !r.mayCancel {
			bad("nobody canceled it: %v", err)
		}
		late := errors.Is(err, parallel.ErrEnded) && !r.made.Before(ended) // made on a block that was left
		if byBlock && !byOwn && !r.mayCancel && !late && !errors.Is(err, context.Cause(r.b.p.Context())) {
			bad("its block ended with %v, and it with %v", context.Cause(r.b.p.Context()), err)
		}
	case errors.Is(err, context.DeadlineExceeded):
		late := !r.enteredAt.IsZero() && r.settled.Sub(r.enteredAt) >= timeout
		if !late && !(byBlock && errors.Is(r.b.p.Context().Err(), context.DeadlineExceeded)) {
			bad("its time was not up: %v", err)
		}
		if te, ok := err.(interface{ Timeout() bool }); !ok || !te.Timeout() {
			bad("Timeout() is not true of %v", err)
		}
	case r.refused:
		if !errors.Is(err, errOption) {
			bad("an option refused it, and the error is %v", err)
		}
	case errors.Is(err, errWait):
		if w.client.Wait == nil || r.spec.wait != broken || !notSent {
			bad("%v", err)
		}
	case r.panicked:
		if !strings.Contains(err.Error(), fmt.Sprint("panic ", r.n)) {
			bad("it panicked, and the error is %v", err)
		}
	default:
		if want := r.fails(); want == nil || !w.program.network && want != errAny && !errors.Is(err, want) {
			bad("it failed with %v, want %v", err, want)
		}
	}
	return err
}

var errAny = errors.New("an error")

// fails is what becomes of r by itself, nil if it is answered.
func (r *record) fails() error {
	switch r.spec.result {
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

// checkRace: a Race has a winner of status 2xx, or the errors of all.
func (w *world) checkRace(r *record) {
	resp, err := r.h.Response()
	if err == nil && resp.StatusCode/100 != 2 {
		w.problem("%v was won by a status of %d", r, resp.StatusCode)
	}
	notSent := true
	for _, racer := range r.racers {
		other, e := racer.h.Response()
		notSent = notSent && errors.Is(e, pending.ErrNotSent)
		if e == nil && other.StatusCode/100 == 2 && err != nil && racer.settled.Before(r.settled) {
			w.problem("%v has no winner, and %v was one: %v", r, racer, err)
		}
		if err == nil && racer.entered > 0 && racer.enteredAt.After(r.settled) {
			w.problem("%v was decided, and %v sent %v later", r, racer, racer.enteredAt.Sub(r.settled))
		}
	}
	if errors.Is(err, pending.ErrNotSent) && !notSent && !r.b.endedAt.IsZero() && r.settled.Before(r.b.endedAt) {
		w.problem("%v is ErrNotSent, and not all of its racers: %v", r, err)
	}
}

// checkFunction: what a function returned comes out unchanged.
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
			w.problem("%v called Goexit, and has no error", r)
		}
	case len(w.raisableLocked(r.inner)) > 0:
		if err == nil {
			w.problem("there was a panic in %v, and it has no error", r)
		}
	case err != r.result:
		w.problem("%v returned %v, and its error is %v", r, r.result, err)
	}
}

package parallel_test

import (
	"fmt"
	"strings"
	"time"
)

// A program is a random use of a block, decoded from bytes. Any bytes are a
// program, so it can be fuzzed. It prints as something like Go.
type program struct {
	bytes []byte

	limit, hostLimit int
	timeout          time.Duration
	waits            bool // there is a Wait
	network          bool // net/http and a server, in place of the test's own transport
	ahead            int  // of the client; 0 means the default
	retries          bool // there is a Retry
	takes            bool // there are options Take and To
	shares           []shares
	runs             int // how many goroutines open main
	main             scope
}

// A shares holds arguments of NewLimits and then of Set, which is called after
// a time.
type shares struct {
	after          time.Duration
	total, perHost int
}

// A scope holds what the function of one block does.
type scope struct {
	caller   callerEnd
	callerAt time.Duration
	ops      []op
	end      ending // after ops
}

// A callerEnd is the way in which the context of a block's caller ends, if it
// does.
type callerEnd int

const (
	callerStays callerEnd = iota
	callerCancels
	callerCancelsWithCause
	callerDeadline
)

// An ending is the way in which a function ends.
type ending int

const (
	byReturn ending = iota
	byError
	byPanic
	byGoexit
)

func (l ending) String() string {
	return [...]string{"return nil", "return err", `panic("fn")`, "runtime.Goexit()"}[l]
}

// A code is the kind of an op.
type code int

const (
	opEnd code = iota // the end of a list of ops
	opGet
	opDo
	opPost
	opRefused
	opGo
	opResponse
	opBytes
	opNext
	opDrain
	opArrivals
	opEach
	opOrdered
	opAll
	opRace
	opCancel
	opDone
	opLook
	opPause
	opCancelCaller
	opSpawn
	opBlock
	opOuter
	opLeave
)

// codes maps the byte of an op to its code.
var codes = []code{
	opEnd, opGet, opGet, opGet, opGet, opGet, opDo, opDo, opPost, opRefused, opGo, opGo, opResponse, opBytes, opNext, opNext,
	opDrain, opArrivals, opArrivals, opEach, opEach, opOrdered, opAll, opRace, opRace, opCancel, opDone, opLook, opLook,
	opPause, opPause, opCancelCaller, opSpawn, opBlock, opOuter, opLeave,
}

type op struct {
	code  code
	reqs  []spec // for requests: one, or one for each item
	picks []int  // handles, by number modulo the number of handles
	n     int
	pause time.Duration
	sub   scope
	leave ending
}

// returnsResponse reports whether a function started with Go returns the
// response of one of its handles.
func (o op) returnsResponse() bool { return o.n%2 == 1 }

// returnsValue reports whether a function started with Go returns a value.
func (o op) returnsValue() bool { return o.n%4 == 2 }

// A spec says how one request ends, unless something else ends it first.
type spec struct {
	host    string
	hop     string // the host to which host redirects a GET; "" means none
	result  result
	latency time.Duration // until the header
	body    time.Duration // from the header to the body
	lag     time.Duration // from the end of the context to the transport's return
	after   time.Duration
	timeout time.Duration // 0 means the client's
	stall   time.Duration // 0 means none
	wait    result        // of the client's Wait: ok, broken, panics_, or stalls, which ignores its context
	waits   time.Duration
	own     time.Duration // for Do: when its context ends; 0 means never
	by      way           // for Each

	// With a Retry:
	fails   int           // attempts that fail, before one has the result
	failure result        // of these
	again   int           // how often Retry returns true
	pause   time.Duration // that it returns
	panics  bool          // Retry panics

	// With a Wait:
	laters int           // how often it returns Later
	later  time.Duration // for how long
	tokens bool          // it opens a block with its request's context

	take  picking
	takes time.Duration // how long Take takes
}

type result int

const (
	ok result = iota
	notFound
	unavailable
	broken   // an error of the transport
	stalls   // until its context ends
	short    // a body shorter than declared
	cutOff   // a body whose Read fails
	nothing  // a nil response and a nil error
	panics_  // in the transport
	goexits  // in the transport
	panicsIn // in the body's Read
	undialed // nothing is sent: the dial fails
)

func (r result) String() string {
	return [...]string{"200", "404", "503", "error", "stalls", "short", "cut", "nil", "panic", "goexit", "panic-in-body", "not dialed"}[r]
}

var results = []result{
	ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok,
	notFound, notFound, unavailable, broken, broken, stalls, stalls, short, cutOff, nothing, panics_, goexits, panicsIn,
}

// A way is a way in which the start function of an Each makes its handle.
type way int

const (
	byGet way = iota
	byGo
	byRace
	byTheOneBefore
)

// A decoder decodes a program from bytes. After the last byte it reads zeros.
type decoder struct {
	left []byte
	ops  int

	retries, laters, takes bool
}

func (d *decoder) next() int {
	if len(d.left) == 0 {
		return 0
	}
	b := d.left[0]
	d.left = d.left[1:]
	return int(b)
}

// ms returns one of 0, step, 2*step, ..., with n values in all.
func (d *decoder) ms(n, step int) time.Duration {
	return time.Duration(d.next()%n*step) * time.Millisecond
}

// seldom is like ms, but returns 0 most of the time.
func (d *decoder) seldom(n, step int) time.Duration {
	if b := d.next(); b%4 == 3 {
		return time.Duration((1+b/4%n)*step) * time.Millisecond
	}
	return 0
}

func decode(b []byte) *program {
	d := &decoder{left: b}
	flags := d.next()
	pr := &program{
		bytes:     b,
		limit:     []int{-1, 1, 2, 3, 3, 5, 8, 100}[d.next()%8],
		hostLimit: []int{0, 0, 1, 2}[d.next()%4],
		timeout:   200*time.Millisecond + d.ms(4, 100),
		waits:     flags&1 != 0,
		network:   flags&6 == 6,
	}
	pr.runs = 1
	pr.retries, d.retries = flags&8 != 0, flags&8 != 0
	d.laters = pr.waits && flags&16 != 0
	pr.takes, d.takes = flags&128 != 0, flags&128 != 0
	if flags&32 != 0 {
		pr.ahead = []int{1, 2, 7, 1000}[d.next()%4]
	}
	if flags&64 != 0 {
		pr.runs += d.next() % 3
		for range 1 + d.next()%3 {
			b := d.next()
			pr.shares = append(pr.shares, shares{d.ms(8, 40), []int{1, 1, 2, 3, 0, 5}[b%6], []int{0, 1, 2}[b/6%3]})
		}
	}
	pr.main = d.scope(0, true)
	return pr
}

func (d *decoder) scope(depth int, caller bool) (s scope) {
	b := d.next()
	s.end = []ending{byReturn, byReturn, byReturn, byReturn, byError, byError, byPanic, byGoexit}[b%8]
	if caller && b/8%4 == 3 {
		s.caller = callerCancels + callerEnd(b/32%3)
		s.callerAt = d.ms(32, 10)
	}
	s.ops = d.list(depth)
	return s
}

func (d *decoder) list(depth int) (ops []op) {
	for len(d.left) > 0 && d.ops < 60 {
		o := op{code: codes[d.next()%len(codes)]}
		d.ops++
		if o.code == opEnd {
			break
		}
		switch o.code {
		case opGo, opSpawn, opBlock:
			if depth == 3 {
				continue
			}
			o.n = d.next()
			o.sub = d.scope(depth+1, o.code == opBlock)
		case opGet, opDo, opPost, opRefused:
			o.reqs = []spec{d.spec()}
		case opEach, opOrdered:
			for range d.next() % 9 {
				o.reqs = append(o.reqs, d.spec())
			}
			b := d.next()
			o.n = b % 12 // items before the break; 0 means all
			o.pause = time.Duration(b/12%4*25) * time.Millisecond
		case opAll, opRace:
			for range d.next() % 5 {
				o.picks = append(o.picks, d.next())
			}
		case opResponse, opBytes, opCancel, opOuter:
			o.picks = []int{d.next()}
		case opDone:
			o.picks = []int{d.next()}
			o.pause = d.ms(8, 10)
		case opArrivals:
			o.n = 1 + d.next()%8
		case opPause:
			o.pause = d.ms(16, 10)
		case opLeave:
			o.leave = ending(d.next() % 4)
		}
		ops = append(ops, o)
		if o.code == opLeave {
			break
		}
	}
	return ops
}

func (d *decoder) spec() spec {
	b, c, hop := d.next(), d.next(), d.next()
	s := spec{
		result:  results[b%len(results)],
		host:    []string{"a", "b", "a", "c"}[b/len(results)%4],
		hop:     []string{"", "", "", "", "a", "b", "c", "c"}[hop%8],
		latency: time.Duration(c%16*10) * time.Millisecond,
		body:    time.Duration(c/16%4*7) * time.Millisecond,
		lag:     time.Duration(c/64*25) * time.Millisecond,
		after:   d.seldom(4, 35),
		timeout: d.seldom(4, 45),
		stall:   []time.Duration{0, 0, 0, 0, 0, 25 * time.Millisecond, 60 * time.Millisecond, time.Hour}[hop/8%8],
		wait:    []result{ok, ok, ok, stalls, ok, stalls, broken, panics_}[c/5%8],
		waits:   time.Duration(b%3*15) * time.Millisecond,
		own:     d.seldom(4, 30),
		by:      []way{byGet, byGet, byGet, byGet, byGet, byGo, byRace, byTheOneBefore}[c/3%8],
	}
	if d.retries {
		b, c := d.next(), d.next()
		s.fails, s.again = []int{0, 0, 1, 1, 2, 3}[b%6], []int{5, 5, 5, 1}[b/6%4]
		s.failure = []result{unavailable, unavailable, broken, stalls, short, undialed, nothing, notFound}[c%8]
		s.pause = []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, 75 * time.Millisecond, 3 * time.Second, -time.Second}[c/8%7]
		s.panics = b > 250
	}
	if d.laters {
		b := d.next()
		s.laters, s.tokens = []int{0, 0, 0, 1, 1, 4}[b%6], b/6%4 == 3
		s.later = []time.Duration{time.Nanosecond, 10 * time.Millisecond, 33 * time.Millisecond, time.Second}[b/24%4]
	}
	if d.takes {
		d.takeSpec(&s)
	}
	return s
}

// sharesHandles reports whether goroutines other than the function's may claim
// handles of its block.
func (s scope) sharesHandles() bool {
	for _, o := range s.ops {
		if o.code == opSpawn || o.code == opGo && o.sub.asksOuter() {
			return true
		}
	}
	return false
}

func (s scope) asksOuter() bool {
	for _, o := range s.ops {
		if o.code == opOuter || (o.code == opSpawn || o.code == opGo) && o.sub.asksOuter() {
			return true
		}
	}
	return false
}

// String returns the program as text, and the bytes to replay it.
func (pr *program) String() string {
	var b strings.Builder
	transport := "transport"
	if pr.network {
		transport = "net/http"
	}
	fmt.Fprintf(&b, "c := client.Client{HTTP: %s, Limit: %d, HostLimit: %d, Timeout: %v", transport, pr.limit, pr.hostLimit, pr.timeout)
	if pr.waits {
		b.WriteString(", Wait: wait")
	}
	if pr.ahead != 0 {
		fmt.Fprintf(&b, ", Ahead: %d", pr.ahead)
	}
	if pr.retries {
		b.WriteString(", Retry: retry")
	}
	if pr.shares != nil {
		fmt.Fprintf(&b, ", Shared: %v", pr.shares)
	}
	if pr.runs > 1 {
		fmt.Fprintf(&b, ", opened by %d goroutines", pr.runs)
	}
	b.WriteString("}\n")
	pr.main.print(&b, "", blockCall)
	fmt.Fprintf(&b, "\nto replay, as a file of testdata/fuzz/FuzzBlock:\ngo test fuzz v1\n[]byte(%q)\n", pr.bytes)
	return b.String()
}

const blockCall = "c.Parallel("

func (s scope) print(b *strings.Builder, indent, call string) {
	caller := [...]string{"ctx", "canceled(%v)", "canceledWithCause(%v)", "deadline(%v)"}[s.caller]
	if s.caller != callerStays {
		caller = fmt.Sprintf(caller, s.callerAt)
	}
	if call != blockCall {
		caller = ""
	} else {
		caller += ", func(p)"
	}
	fmt.Fprintf(b, "%s%s%s {\n", indent, call, caller)
	for _, o := range s.ops {
		o.print(b, indent+"\t")
	}
	fmt.Fprintf(b, "%s\t%v\n%s}\n", indent, s.end, indent)
}

func (o op) print(b *strings.Builder, indent string) {
	line := func(format string, args ...any) { fmt.Fprintf(b, indent+format+"\n", args...) }
	switch o.code {
	case opGet:
		line("p.Get(%v)", o.reqs[0])
	case opDo:
		line("p.Do(%v)", o.reqs[0])
	case opPost:
		line("p.Post(%v, body)", o.reqs[0])
	case opRefused:
		line("p.Get(%v, refuse)", o.reqs[0])
	case opGo:
		call := "p.Go(func(p)"
		switch {
		case o.returnsValue():
			call = "parallel.Go(p, func(p)"
		case o.returnsResponse():
			call = fmt.Sprintf("p.Go(func(p), returning h[%d].Response()", o.n)
		}
		o.sub.print(b, indent, call)
	case opSpawn:
		o.sub.print(b, indent, "go func()")
	case opBlock:
		o.sub.print(b, indent, blockCall)
	case opResponse:
		line("h[%d].Response()", o.picks[0])
	case opBytes:
		line("h[%d].Bytes()", o.picks[0])
	case opOuter:
		line("outer h[%d].Response()", o.picks[0])
	case opCancel:
		line("h[%d].Cancel()", o.picks[0])
	case opDone:
		line("select { case <-h[%d].Done(): case <-time.After(%v): }", o.picks[0], o.pause)
	case opNext:
		line("p.Next()")
	case opDrain:
		line("for p.HasPending() { p.Next() }")
	case opArrivals:
		line("for range p.Arrivals() { ... } // %d of them", o.n)
	case opEach, opOrdered:
		line("for range parallel.%s(p, items, start) { // takes %v for each; breaks after %d, 0 means never", map[code]string{opEach: "Each", opOrdered: "Ordered"}[o.code], o.pause, o.n)
		for _, s := range o.reqs {
			line("\t%s %v", [...]string{"p.Get", "p.Go", "pending.Race of two", "the one before, or p.Get"}[s.by], s)
		}
		line("}")
	case opAll:
		line("pending.All(h%v...)", o.picks)
	case opRace:
		line("pending.Race(h%v...)", o.picks)
	case opLook:
		line("p.HasPending(); p.Stats()")
	case opPause:
		line("<-time.After(%v)", o.pause)
	case opCancelCaller:
		line("cancelCaller(cause)")
	case opLeave:
		line("%v", o.leave)
	}
}

func (s spec) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v after %v+%v", s.host, s.result, s.latency, s.body)
	if s.hop != "" {
		fmt.Fprintf(&b, ", behind a redirect to %s", s.hop)
	}
	for _, part := range []struct {
		name string
		d    time.Duration
	}{{"lag", s.lag}, {"After", s.after}, {"Timeout", s.timeout}, {"Stall", s.stall}, {"own context", s.own}} {
		if part.d != 0 {
			fmt.Fprintf(&b, ", %s %v", part.name, part.d)
		}
	}
	if s.wait != ok || s.waits != 0 {
		fmt.Fprintf(&b, " (Wait: %v after %v)", s.wait, s.waits)
	}
	if s.fails > 0 || s.panics {
		fmt.Fprintf(&b, " (before: %d times %v; Retry returns %v, %d times, panics: %v)", s.fails, s.failure, s.pause, s.again, s.panics)
	}
	if s.take != takesNot {
		fmt.Fprintf(&b, " (Take: %v after %v)", s.take, s.takes)
	}
	if s.laters > 0 || s.tokens {
		fmt.Fprintf(&b, " (Wait: %d times Later(%v), token: %v)", s.laters, s.later, s.tokens)
	}
	return b.String()
}

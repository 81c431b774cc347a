package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/cmd/abreast/upstream"
)

// The demo's limits, some of which its upstream exceeds.
const (
	demoURLs    = 1000
	demoTimeout = 2 * time.Second
	demoRetries = 1
	demoMaxBody = 64 << 10
)

// A demo is an upstream with a list of URLs and the results that they should
// have.
type demo struct {
	upstream *upstream.Upstream
	plants   []planted
	wrong    []string // the first differences
	differ   int      // number of differences
}

// A planted is the result that one URL should have.
type planted struct {
	url     string
	latency time.Duration // of the answer
	status  int
	bytes   int64
	kind    lines.Kind // of the failure
	sent    bool
	came    int // lines of output for it
}

// startDemo starts an upstream for the demo's URLs.
func startDemo(o *options) (*demo, error) {
	for _, own := range []string{"timeout", "max-body", "retries"} {
		if o.given(own) {
			return nil, fmt.Errorf("-demo has a -%s of its own", own)
		}
	}
	o.timeout, o.maxBody, o.retries = seconds(demoTimeout), demoMaxBody, demoRetries
	d := &demo{plants: plant()}
	items := make([]upstream.Item, len(d.plants))
	for i, p := range d.plants {
		items[i] = p.item()
	}
	var err error
	if d.upstream, err = upstream.Start("127.0.0.1:0", items); err != nil {
		return nil, fmt.Errorf("the demo's upstream: %w", err)
	}
	closed, err := closedAddress()
	if err != nil {
		return nil, fmt.Errorf("the demo's upstream: %w", err)
	}
	for i := range d.plants {
		p := &d.plants[i]
		p.url = d.upstream.URL(i)
		if p.kind == lines.Refused {
			p.url = fmt.Sprintf("http://%s/item/%d", closed, i)
		}
	}
	fmt.Fprintf(os.Stderr, "demo         %s URLs of an upstream on %s, %d of them faulty; answers take up to 300ms\n",
		grouped(len(d.plants)), d.upstream.Address, d.faulty())
	return d, nil
}

func (d *demo) faulty() (n int) {
	for _, p := range d.plants {
		if p.kind != "" {
			n++
		}
	}
	return n
}

// plant returns the same plan every time. Most URLs succeed, after 1 to 300 ms.
func plant() []planted {
	rng := rand.New(rand.NewPCG(1, 300))
	plants := make([]planted, demoURLs)
	for i := range plants {
		plants[i] = planted{
			latency: time.Duration(1+rng.IntN(300)) * time.Millisecond,
			status:  200,
			bytes:   rng.Int64N(32 << 10),
			sent:    true,
		}
	}
	// The faults are early in the list, so that the demo does not end with a
	// timeout.
	places := rng.Perm(demoURLs / 4)
	faulty := func(n int, fault func(*planted)) {
		for _, i := range places[:n] {
			fault(&plants[i])
		}
		places = places[n:]
	}
	faulty(8, func(p *planted) { p.status, p.kind = 404, lines.Status })
	faulty(6, func(p *planted) { p.status, p.kind = 500, lines.Status })
	faulty(5, func(p *planted) { p.status, p.bytes, p.kind, p.sent = 0, 0, lines.Refused, false })
	faulty(5, func(p *planted) { p.bytes, p.kind = 16<<10, lines.Reset })
	faulty(4, func(p *planted) { p.status, p.bytes, p.kind = 0, 0, lines.Timeout })
	faulty(4, func(p *planted) { p.bytes, p.kind = demoMaxBody, lines.TooLarge })
	return plants
}

// item returns how the upstream answers.
func (p planted) item() upstream.Item {
	item := upstream.Item{Latency: p.latency, Status: p.status, Bytes: p.bytes}
	switch p.kind {
	case lines.Timeout:
		item.Fault = upstream.Silence
	case lines.Reset:
		item.Fault = upstream.Reset
	case lines.TooLarge:
		item.Fault, item.Bytes = upstream.Undeclared, 2*p.bytes
	}
	return item
}

// closedAddress returns an address on loopback where nobody listens.
func closedAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (d *demo) close()       { d.upstream.Close() }
func (d *demo) total() int64 { return int64(len(d.plants)) }

// list returns the URLs, one on each line.
func (d *demo) list() *input {
	sources := make([]source, len(d.plants))
	for i, p := range d.plants {
		sources[i].url = p.url
	}
	return readInput(sources)
}

// check compares a line of output with what was planted.
func (d *demo) check(r *lines.Result) {
	if r.Line < 1 || r.Line > len(d.plants) {
		d.differs("line %d: there is no such line", r.Line)
		return
	}
	p := &d.plants[r.Line-1]
	p.came++
	got := planted{url: r.URL, status: r.Status, bytes: r.Bytes, kind: r.Kind, sent: r.Sent}
	want := planted{url: p.url, status: p.status, bytes: p.bytes, kind: p.kind, sent: p.sent}
	if p.kind == lines.Reset {
		want.bytes = min(p.bytes, r.Bytes) // a reset may discard bytes in flight
	}
	if got != want {
		d.differs("line %d, %s:\n  planted  %v\n  came     %v (%s)", r.Line, p.url, want, got, r.Error)
	}
}

func (p planted) String() string {
	return fmt.Sprintf("status %d, %d bytes, failure %q, sent %t", p.status, p.bytes, p.kind, p.sent)
}

func (d *demo) differs(format string, args ...any) {
	d.differ++
	if len(d.wrong) < 10 {
		d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
	}
}

// verdict prints whether all results are as planted, and returns the exit
// status.
func (d *demo) verdict(w io.Writer) int {
	for i, p := range d.plants {
		if p.came != 1 {
			d.differs("line %d, %s: it has %d lines of output, not one", i+1, p.url, p.came)
		}
	}
	if d.differ == 0 {
		fmt.Fprintf(w, "demo         all %s results are as expected, faults included\n", grouped(len(d.plants)))
		return exitGood
	}
	for _, s := range d.wrong {
		fmt.Fprintln(w, s)
	}
	fmt.Fprintf(w, "demo         %s of %s results are not as expected\n", grouped(d.differ), grouped(len(d.plants)))
	return exitFailed
}

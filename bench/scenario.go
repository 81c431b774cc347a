package main

import (
	"fmt"
	"iter"
	"math"
	"net/url"
	"strconv"
	"time"
)

// A scenario is work that every contender does: a series of blocks, each with
// requests that are sent concurrently.
type scenario struct {
	name     string
	title    string
	blocks   int
	perBlock int           // requests
	inFlight int           // at most, in one block
	size     int           // of a body, in bytes
	late     time.Duration // the delay of a response
	post     bool          // POSTs of an order in JSON instead of GETs
	tls      bool          // TLS and HTTP/2, without a connection at the start
	untuned  bool          // each contender has its defaults
	only     []string      // the contenders that do it; nil means all
	latency  bool          // the report shows the time of a block
	memory   bool          // a second chart shows the memory during a run
	bars     []bar
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

var scenarios = []scenario{
	{
		name: "S1", title: "20,000 blocks of 3 GETs of 1 KiB, one caller (a request handler)",
		blocks: 20_000, perBlock: 3, inFlight: 3, size: kib, latency: true,
		bars: []bar{atMost("abreast", wall, 1.10), atMost("abreast", cpu, 1.12)},
	},
	{
		name: "S2", title: "10,000 GETs of 1 KiB, 100 in flight",
		blocks: 1, perBlock: 10_000, inFlight: 100, size: kib,
		bars: []bar{
			atMost("abreast", wall, 1.05), atMost("abreast", cpu, 1.12),
			overBaseline("abreast", allocs, 16), overBaseline("abreast", bytesAllocated, 1.75*kib),
			noSlowerThanPeers("abreast"),
		},
	},
	{
		name: "S3", title: "1,000 GETs of 20 ms, 100 in flight",
		blocks: 1, perBlock: 1_000, inFlight: 100, size: kib, late: 20 * time.Millisecond,
		bars: []bar{atMost("abreast", wall, 1.02), atMost("abreast", cpu, 1.12)},
	},
	{
		name: "S4", title: "10,000 GETs of 100 ms, 500 in flight",
		blocks: 1, perBlock: 10_000, inFlight: 500, size: kib, late: 100 * time.Millisecond,
		bars: []bar{atMost("abreast", wall, 1.01), atMost("abreast", cpu, 1.12)},
	},
	{
		name: "S5", title: "200 GETs of 4 MiB, 8 in flight, dropped as they come",
		blocks: 1, perBlock: 200, inFlight: 8, size: 4 * mib,
		bars: []bar{atMost("abreast", wall, 1.05), atMost("abreast", cpu, 1.05), atMost("abreast", rss, 1.1)},
	},
	{
		name: "S6", title: "100,000 GETs of 1 KiB made at once, 100 in flight, dropped as they come",
		blocks: 1, perBlock: 100_000, inFlight: 100, size: kib,
		bars: []bar{
			atMost("abreast", wall, 1.05), atMost("abreast", cpu, 1.12), atMost("abreast", rss, 1.2),
			atMost("abreast-get", wall, 1.05), atMost("abreast-get", cpu, 1.12), ofItsOwn("abreast-get", queued, kib),
		},
	},
	{
		name: "S7", title: "all defaults, nothing tuned: 20 rounds of 20 parallel GETs",
		blocks: 20, perBlock: 20, inFlight: 20, size: kib, untuned: true,
		bars: []bar{atMost("abreast", wall, 1.10), atMost("abreast", cpu, 1.12), ofItsOwn("abreast", connections, 20)},
	},
	{
		name: "S8", title: "TLS and HTTP/2, cold start, 2,000 GETs, 100 in flight, the default client",
		blocks: 1, perBlock: 2_000, inFlight: 100, size: kib, tls: true, untuned: true,
		bars: []bar{atMost("abreast", wall, 1.10), atMost("abreast", cpu, 1.12), ofItsOwn("abreast", connections, 2)},
	},
	{
		name: "S9", title: "20,000 POSTs of 100 bytes of JSON, 50 in flight",
		blocks: 1, perBlock: 20_000, inFlight: 50, size: 100, post: true,
		bars: []bar{atMost("abreast", wall, 1.10), atMost("abreast", cpu, 1.10)},
		only: []string{handtuned.name, abreast.name},
	},
	{
		name: "10k", title: "10,000 GETs of 2 s, all in flight at once",
		blocks: 1, perBlock: 10_000, inFlight: 10_000, size: kib, late: 2 * time.Second,
	},
	{
		name: "million", title: "1,000,000 GETs of 1 KiB, 100 in flight",
		blocks: 1, perBlock: 1_000_000, inFlight: 100, size: kib, memory: true,
		only: []string{handtuned.name, abreast.name},
	},
}

// scenarioNamed returns the scenario called name.
func scenarioNamed(name string) (scenario, error) {
	for _, s := range scenarios {
		if s.name == name {
			return s, nil
		}
	}
	return scenario{}, fmt.Errorf("no scenario %q", name)
}

// scaled returns the scenario with a part of its requests.
func (s scenario) scaled(scale float64) scenario {
	part := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
	if s.blocks > 1 {
		s.blocks = part(s.blocks)
	} else {
		s.perBlock = part(s.perBlock)
	}
	s.inFlight = min(s.inFlight, s.perBlock)
	return s
}

// requests returns the number of requests in all blocks.
func (s scenario) requests() int { return s.blocks * s.perBlock }

// url returns the URL to request from an upstream.
func (s scenario) url(of addresses) string {
	base, path, query := of.Plain, "/b", url.Values{"size": {strconv.Itoa(s.size)}}
	if s.tls {
		base = of.TLS
	}
	if s.late > 0 {
		path = "/d"
		query.Set("ms", strconv.FormatInt(s.late.Milliseconds(), 10))
	}
	return base + path + "?" + query.Encode()
}

// An order is the body of a POST. Its JSON has 100 bytes.
type order struct {
	ID       int      `json:"id"`
	Customer string   `json:"customer"`
	Items    []string `json:"items"`
}

var anOrder = order{ID: 10_000_000, Customer: "customer@example.org", Items: []string{"tea", "coffee", "a pound of sugar", "milk"}}

// each yields the URL once for every request of a block.
func (w work) each() iter.Seq[string] {
	return func(yield func(string) bool) {
		for range w.perBlock {
			if !yield(w.url) {
				return
			}
		}
	}
}

package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var approx = cmpopts.EquateApprox(0, 1e-9)

// walls returns outcomes with these wall times.
func walls(ns ...int64) (os []outcome) {
	for _, n := range ns {
		os = append(os, outcome{WallNS: n, CPUNS: 1})
	}
	return os
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   summary
	}{
		{[]float64{7}, summary{7, 7, 7}},
		{[]float64{3, 1, 2}, summary{2, 1, 3}},
		{[]float64{9, 1, 100, 2, 3}, summary{3, 1, 100}},
	} {
		if diff := cmp.Diff(tt.want, summarize(tt.values), cmp.AllowUnexported(summary{})); diff != "" {
			t.Errorf("summarize(%v) (-want +got):\n%s", tt.values, diff)
		}
	}
}

// A ratio compares with the baseline of the same round, so that a slow minute
// affects both.
func TestAgainst_baselineOfSameRound(t *testing.T) {
	rs := rounds{
		handtuned.name: walls(100, 1000, 90),
		again:          walls(100, 1200, 110),
		"x":            walls(150, 1650, 50),
	}
	if diff := cmp.Diff([]float64{1.5, 1.5, 0.5}, rs.against("x", wall, quotient), approx); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{50, 550, -50}, rs.against("x", wall, difference), approx); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{1, 1.2, 110. / 90}, rs.against(again, wall, quotient), approx); diff != "" {
		t.Errorf("ratios of the baseline's second run to its first (-want +got):\n%s", diff)
	}
	if got := rs.against("x", rss, quotient); got != nil {
		t.Errorf("ratios of a measure that is unknown: %v", got)
	}
}

func TestSpread_ofBaseline(t *testing.T) {
	for _, tt := range []struct {
		first, second []outcome
		want          float64
		noisy         bool
	}{
		{walls(100), walls(100), 0, false},
		{walls(100, 100, 100), walls(104, 97, 100), 0.03, false},
		{walls(100, 100, 100), walls(300, 97, 100), 0.03, false}, // one outlier does not count
		{walls(100, 100, 100), walls(94, 107, 100), 0.06, true},
		{walls(100, 100), walls(100, 100), 0, true}, // an even number has no middle
	} {
		rs := rounds{handtuned.name: tt.first, again: tt.second}
		if got := rs.spread(wall, quotient); math.Abs(got-tt.want) > 1e-9 || rs.noisy() != tt.noisy {
			t.Errorf("%v and %v: spread %v, noisy %t; want %v, %t", tt.first, tt.second, got, rs.noisy(), tt.want, tt.noisy)
		}
	}
}

func TestVerdicts(t *testing.T) {
	connected := func(n ...int64) (os []outcome) {
		for _, n := range n {
			os = append(os, outcome{WallNS: 1, upstream: counts{Connections: n}})
		}
		return os
	}
	withAllocs := func(n ...int64) (os []outcome) {
		for _, n := range n {
			os = append(os, outcome{Bodies: 10, Mallocs: n})
		}
		return os
	}
	baseline, twoPercentOff := walls(100, 100, 100), walls(102, 98, 102)
	for _, tt := range []struct {
		name string
		bar  bar
		rs   rounds
		want []string // the cells of the table, without the name of the bar
	}{
		{"below", atMost("abreast", wall, 1.05), rounds{handtuned.name: baseline, again: baseline, "abreast": walls(90, 104, 300)},
			[]string{"≤ 1.05", "1.04 (0.90 to 3.00)", "0.00", "met"}},
		{"above", atMost("abreast", wall, 1.05), rounds{handtuned.name: baseline, again: baseline, "abreast": walls(90, 106, 300)},
			[]string{"≤ 1.05", "1.06 (0.90 to 3.00)", "0.00", "**missed**"}},
		{"above, by less than the spread", atMost("abreast", wall, 1.05), rounds{handtuned.name: baseline, again: twoPercentOff, "abreast": walls(107, 107, 107)},
			[]string{"≤ 1.05", "1.06 (1.06 to 1.08)", "0.02", "met, within the spread"}},
		{"above, by more than the spread", atMost("abreast", wall, 1.05), rounds{handtuned.name: baseline, again: twoPercentOff, "abreast": walls(109, 109, 109)},
			[]string{"≤ 1.05", "1.08 (1.08 to 1.10)", "0.02", "**missed**"}},
		{"over the baseline", overBaseline("abreast", allocs, 16), rounds{handtuned.name: withAllocs(400, 400, 400), again: withAllocs(402, 402, 402), "abreast": withAllocs(562, 562, 562)},
			[]string{"≤ 16.0", "16.1", "0.2", "met, within the spread"}},
		{"too far over the baseline", overBaseline("abreast", allocs, 16), rounds{handtuned.name: withAllocs(400, 400, 400), again: withAllocs(400, 400, 400), "abreast": withAllocs(563, 563, 563)},
			[]string{"≤ 16.0", "16.3", "0.0", "**missed**"}},
		{"its own", ofItsOwn("abreast", connections, 2), rounds{"abreast": connected(1, 2, 3)},
			[]string{"≤ 2", "2 (1 to 3)", "", "met"}},
		{"too many of its own", ofItsOwn("abreast", connections, 2), rounds{"abreast": connected(1, 3, 3)},
			[]string{"≤ 2", "3 (1 to 3)", "", "**missed**"}},
		{"as fast as the fastest", noSlowerThanPeers("abreast"),
			rounds{handtuned.name: baseline, again: baseline, "abreast": walls(110, 110, 110), "resty": walls(110, 110, 110), "errgroup, tuned": walls(120, 120, 120), "fasthttp": walls(50, 50, 50)},
			[]string{"≤ 1.10, the fastest peer's (resty)", "1.10", "0.00", "met"}},
		{"slower than one", noSlowerThanPeers("abreast"),
			rounds{handtuned.name: baseline, again: baseline, "abreast": walls(115, 115, 115), "resty": walls(120, 120, 120), "errgroup, tuned": walls(110, 110, 110)},
			[]string{"≤ 1.10, the fastest peer's (errgroup, tuned)", "1.15", "0.00", "**missed**"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, ok := tt.bar.judge(tt.rs)
			if !ok {
				t.Fatal("no verdict")
			}
			if diff := cmp.Diff(tt.want, v.cells()[1:]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if v, ok := noSlowerThanPeers("abreast").judge(rounds{handtuned.name: baseline, again: baseline, "abreast": baseline}); ok {
		t.Errorf("judge without a peer returned a verdict: %v", v.cells())
	}
	for _, b := range []bar{atMost("abreast", wall, 1), ofItsOwn("abreast", connections, 1), noSlowerThanPeers("abreast")} {
		if v, ok := b.judge(rounds{handtuned.name: baseline, again: baseline}); ok {
			t.Errorf("judge of a contender that did not run returned a verdict: %v", v.cells())
		}
	}
}

func TestBetween_replacesReport(t *testing.T) {
	const marked = "a\n<!-- S1 -->\nold\n<!-- end of S1 -->\nb\n<!-- S10 -->\n<!-- end of S10 -->\n"
	const want = "a\n<!-- S1 -->\nnew\n<!-- end of S1 -->\nb\n<!-- S10 -->\n<!-- end of S10 -->\n"
	got := between(marked, "S1", "new\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, between(got, "S1", "new\n")); diff != "" {
		t.Errorf("the second time (-want +got):\n%s", diff)
	}
	added := between("a\n", "S1", "new\n")
	if diff := cmp.Diff("a\n\n<!-- S1 -->\nnew\n<!-- end of S1 -->\n", added); diff != "" {
		t.Errorf("without marks (-want +got):\n%s", diff)
	}
}

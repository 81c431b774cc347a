package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// again is the name of the baseline's second run in each round.
const again = "handtuned again"

// rounds has the outcomes of a scenario: for each contender, one per round.
type rounds map[string][]outcome

// A summary describes one number of all rounds.
type summary struct{ median, min, max float64 }

// summarize returns the summary of an odd number of values. The median is one
// of them.
func summarize(values []float64) summary {
	sorted := slices.Sorted(slices.Values(values))
	return summary{
		median: stat.Quantile(0.5, stat.Empirical, sorted, nil),
		min:    sorted[0],
		max:    sorted[len(sorted)-1],
	}
}

// values returns a contender's own numbers, one per round, or nil if this
// measure is unknown.
func (rs rounds) values(of string, m measure) []float64 {
	var vs []float64
	for _, o := range rs[of] {
		v := m.of(o)
		if v == 0 {
			return nil
		}
		vs = append(vs, v)
	}
	return vs
}

// against compares a contender with the mean of the baseline's two runs in the
// same round, so that a slow minute affects both. It compares the baseline's
// second run with its first.
func (rs rounds) against(of string, m measure, compare func(value, baseline float64) float64) []float64 {
	first, second := rs.values(handtuned.name, m), rs.values(again, m)
	vs := rs.values(of, m)
	if len(first) == 0 || len(second) == 0 {
		return nil
	}
	for i := range vs {
		baseline := first[i]
		if of != again {
			baseline = (first[i] + second[i]) / 2
		}
		vs[i] = compare(vs[i], baseline)
	}
	return vs
}

func quotient(a, b float64) float64   { return a / b }
func difference(a, b float64) float64 { return a - b }

// spread returns the median difference between the two runs of the baseline.
func (rs rounds) spread(m measure, compare func(value, baseline float64) float64) float64 {
	same := compare(1, 1)
	off := rs.against(again, m, compare)
	if len(off) == 0 {
		return 0
	}
	for i, v := range off {
		off[i] = math.Abs(v - same)
	}
	return summarize(off).median
}

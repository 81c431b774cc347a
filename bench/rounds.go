package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// again is the baseline's second run in each round.
const again = "handtuned again"

// rounds are the outcomes of a scenario: for each contender one a round.
type rounds map[string][]outcome

// A summary is that of one number a round.
type summary struct{ median, min, max float64 }

// summarise takes the middle one of an odd number of values.
func summarise(values []float64) summary {
	sorted := slices.Sorted(slices.Values(values))
	return summary{
		median: stat.Quantile(0.5, stat.Empirical, sorted, nil),
		min:    sorted[0],
		max:    sorted[len(sorted)-1],
	}
}

// values are a contender's own, one a round; none if it doesn't have this measure.
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

// against compares a contender in each round with the mean of the baseline's two runs
// in the same round, so that what slows the machine down for a minute slows both. The
// baseline's second run is compared with its first.
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

// spread is how far the baseline is from itself: in half of the rounds its second run
// differed from its first by no more.
func (rs rounds) spread(m measure, compare func(value, baseline float64) float64) float64 {
	same := compare(1, 1)
	off := rs.against(again, m, compare)
	if len(off) == 0 {
		return 0
	}
	for i, v := range off {
		off[i] = math.Abs(v - same)
	}
	return summarise(off).median
}

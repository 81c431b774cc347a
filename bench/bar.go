package main

// A bar is a requirement for one measure of one contender.
type bar struct {
	contender string
	measure   measure
	limit     float64
	kind      barKind
}

type barKind int

const (
	isRatio    barKind = iota // the ratio of the contender to the baseline
	isOver                    // the excess over the baseline
	isAbsolute                // the contender's own number
	isFastest                 // the ratio, limited by that of the fastest peer
)

func atMost(contender string, m measure, limit float64) bar {
	return bar{contender, m, limit, isRatio}
}

func overBaseline(contender string, m measure, limit float64) bar {
	return bar{contender, m, limit, isOver}
}

func ofItsOwn(contender string, m measure, limit float64) bar {
	return bar{contender, m, limit, isAbsolute}
}

func noSlowerThanPeers(contender string) bar {
	return bar{contender: contender, measure: wall, kind: isFastest}
}

// A verdict compares the results of the rounds with a bar.
type verdict struct {
	bar
	limit  float64
	peer   string // for isFastest, the fastest peer
	values []float64
	spread float64
}

// value returns the median of the results.
func (v verdict) value() float64 { return summarize(v.values).median }

// met reports whether the value exceeds the limit by at most the spread of the
// baseline.
func (v verdict) met() bool { return v.value() <= v.limit+v.spread }

// judge returns the verdict on b. It returns false if the rounds lack the
// contender.
func (b bar) judge(rs rounds) (v verdict, ok bool) {
	v = verdict{bar: b, limit: b.limit}
	switch b.kind {
	case isAbsolute:
		v.values = rs.values(b.contender, b.measure)
	case isOver:
		v.values, v.spread = rs.against(b.contender, b.measure, difference), rs.spread(b.measure, difference)
	case isFastest:
		v.limit, v.peer = rs.fastestPeer(b)
		if v.peer == "" {
			return v, false
		}
		fallthrough
	case isRatio:
		v.values, v.spread = rs.against(b.contender, b.measure, quotient), rs.spread(b.measure, quotient)
	}
	return v, len(v.values) > 0
}

// fastestPeer returns the smallest ratio among the peers, and whose it is.
func (rs rounds) fastestPeer(b bar) (ratio float64, peer string) {
	for _, c := range contenders {
		if !c.peer || len(rs[c.name]) == 0 {
			continue
		}
		if m := summarize(rs.against(c.name, b.measure, quotient)).median; peer == "" || m < ratio {
			ratio, peer = m, c.name
		}
	}
	return ratio, peer
}

// cells returns the row of the verdict in a table.
func (v verdict) cells() []string {
	what, text := v.contender+": "+v.measure.name, ratio
	if v.kind == isOver || v.kind == isAbsolute {
		text = v.measure.text
	}
	limit, spread := text(v.limit), text(v.spread)
	switch v.kind {
	case isOver:
		what += " over the baseline's"
	case isAbsolute:
		spread = ""
	case isFastest:
		limit += ", the fastest peer's (" + v.peer + ")"
	}
	says := "met"
	switch {
	case !v.met():
		says = "**missed**"
	case v.value() > v.limit:
		says = "met, within the spread"
	}
	return []string{what, "≤ " + limit, cell(v.values, text), spread, says}
}

package main

// A bar is what must come out for a contender.
type bar struct {
	contender string
	measure   measure
	limit     float64
	kind      barKind
}

type barKind int

const (
	isRatio    barKind = iota // of the contender to the baseline
	isOver                    // by how much it exceeds the baseline's
	isAbsolute                // its own
	isFastest                 // a ratio; the limit is that of the fastest peer
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

// A verdict is what came of a bar.
type verdict struct {
	bar
	limit  float64
	peer   string // of isFastest: which
	values []float64
	spread float64
}

func (v verdict) value() float64 { return summarise(v.values).median }

// met is false where the value exceeds the limit by more than the baseline's spread
// against itself.
func (v verdict) met() bool { return v.value() <= v.limit+v.spread }

// judge is not ok where the rounds have no such contender.
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

// fastestPeer is the least ratio of a peer.
func (rs rounds) fastestPeer(b bar) (ratio float64, peer string) {
	for _, c := range contenders {
		if !c.peer || len(rs[c.name]) == 0 {
			continue
		}
		if m := summarise(rs.against(c.name, b.measure, quotient)).median; peer == "" || m < ratio {
			ratio, peer = m, c.name
		}
	}
	return ratio, peer
}

// cells are the verdict as it stands in a table.
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

package waterfall

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A picture is what Text and SVG draw.
type picture struct {
	entries []entry
	start   time.Time     // of the first
	span    time.Duration // to the end of the last; never 0
	origin  string        // of all URLs, if they have one in common
}

func (rec *Recorder) picture() picture {
	p := picture{entries: rec.entries(), span: 1}
	var origins []string
	for i := range p.entries {
		e := &p.entries[i]
		if i == 0 {
			p.start = e.made
		}
		p.span = max(p.span, p.since(e)+e.took)
		if origin := originOf(e.url); origin != "" { // or it is no URL
			origins = append(origins, origin)
		}
	}
	slices.Sort(origins)
	if origins = slices.Compact(origins); len(origins) == 1 {
		p.origin = origins[0]
	}
	return p
}

// since is when e was made.
func (p *picture) since(e *entry) time.Duration { return e.made.Sub(p.start) }

// label names a request: by its path, if all are of one origin.
func (p *picture) label(e *entry) string {
	where := e.url
	if p.origin != "" && originOf(e.url) == p.origin {
		where = strings.TrimPrefix(where, p.origin)
	} else if _, after, ok := strings.Cut(where, "://"); ok {
		where = after
	}
	if where == "" {
		where = "/"
	}
	return e.method + " " + where
}

// title says what there is to be seen, and how long it took.
func (p *picture) title(origin string) string {
	if len(p.entries) == 0 {
		return "no requests"
	}
	title := fmt.Sprintf("%d requests in %s", len(p.entries), short(p.span))
	if len(p.entries) == 1 {
		title = "1 request in " + short(p.span)
	}
	if origin != "" {
		title += ", " + origin
	}
	return title
}

// legend yields the phases that are to be seen, and what they mean.
func (p *picture) legend() iter.Seq2[phase, string] {
	var seen [phases]bool
	for i := range p.entries {
		for _, s := range p.entries[i].spans() {
			seen[s.phase] = true
		}
	}
	return func(yield func(phase, string) bool) {
		for n, name := range phaseNames {
			if phase(n) == waiting {
				name += " for the first byte"
			}
			if seen[n] && !yield(phase(n), name) {
				return
			}
		}
	}
}

// anyBroken reports whether a request ended without a response.
func (p *picture) anyBroken() bool {
	return slices.ContainsFunc(p.entries, func(e entry) bool { return e.broken() })
}

// ticks are round times on the axis, at most n of them and 0.
func (p *picture) ticks(n int) (ticks []time.Duration) {
	step := stepFor(p.span, n)
	for t := time.Duration(0); t <= p.span; t += step {
		ticks = append(ticks, t)
	}
	return ticks
}

// stepFor is a round time that goes n times into span at most.
func stepFor(span time.Duration, n int) time.Duration {
	const day = 24 * time.Hour
	for unit, next := time.Duration(1), time.Duration(0); ; unit = next {
		digits := []time.Duration{1, 2, 5}
		switch next = 10 * unit; unit {
		case time.Second, time.Minute:
			next, digits = 60*unit, []time.Duration{1, 2, 5, 10, 30}
		case time.Hour:
			next, digits = day, []time.Duration{1, 2, 6, 12}
		}
		for _, d := range digits {
			if span/(d*unit) <= time.Duration(n) {
				return d * unit
			}
		}
	}
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// shorten is s in at most n characters: what is left out is left out in the middle,
// where URLs say least.
func shorten(s string, n int, gap string) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes, room := []rune(s), max(0, n-utf8.RuneCountInString(gap))
	return string(runes[:room-room/2]) + gap + string(runes[len(runes)-room/2:])
}

// short is d in about three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	switch {
	case d >= time.Hour:
		unit = time.Minute
	case d >= time.Minute:
		unit = time.Second
	default:
		for d/unit >= 1000 {
			unit *= 10
		}
	}
	s := d.Round(unit).String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, none) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// size is a number of bytes.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

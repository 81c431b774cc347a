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

// A picture is the input of Text and SVG.
type picture struct {
	entries []entry
	start   time.Time     // when the first request was made
	span    time.Duration // from start to the last end; never 0
	origin  string        // the origin of all URLs, if they have the same
}

// picture returns a picture of what is known now.
func (rec *Recorder) picture() picture {
	p := picture{entries: rec.entries(), span: 1}
	var origins []string
	for i := range p.entries {
		e := &p.entries[i]
		if i == 0 {
			p.start = e.made
		}
		p.span = max(p.span, p.since(e)+e.took)
		if origin := originOf(e.url); origin != "" { // "" if e.url is not a URL
			origins = append(origins, origin)
		}
	}
	slices.Sort(origins)
	if origins = slices.Compact(origins); len(origins) == 1 {
		p.origin = origins[0]
	}
	return p
}

// since returns when e was made, measured from the start of the picture.
func (p *picture) since(e *entry) time.Duration { return e.made.Sub(p.start) }

// label returns the method of a request and its URL, or only its path if all
// requests have one origin.
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

// title returns the number of requests and how long they took.
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

// legend yields the phases in the picture with their meanings.
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

// ticks returns 0 and at most n round times for the axis.
func (p *picture) ticks(n int) (ticks []time.Duration) {
	step := stepFor(p.span, n)
	for t := time.Duration(0); t <= p.span; t += step {
		ticks = append(ticks, t)
	}
	return ticks
}

// stepFor returns a round time that fits into span at most n times.
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

// originOf returns the scheme and the host of address, or "" if it has no host.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// shorten returns s in at most n characters, with gap in place of its middle.
// The middle of a URL says least.
func shorten(s string, n int, gap string) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes, room := []rune(s), max(0, n-utf8.RuneCountInString(gap))
	return string(runes[:room-room/2]) + gap + string(runes[len(runes)-room/2:])
}

// short returns d with about three digits.
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

// size returns n bytes as text.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

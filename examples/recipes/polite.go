package recipes

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

// A Polite pauses a host when the host asks for it, for all requests of the
// process that have not been sent. All clients share one Polite, and each has
// both of its functions:
//
//	var polite recipes.Polite
//	c := client.Client{Wait: polite.Wait, Retry: polite.Retry(parallel.Retries(4))}
//
// A response pauses its host if it has
//
//   - status 429 or 503 and Retry-After, in seconds or as a date;
//   - a RateLimit-Remaining or X-RateLimit-Remaining of 0, and RateLimit-Reset
//     or X-RateLimit-Reset, in seconds or as a Unix time;
//   - a RateLimit header of the IETF's draft with r=0 and t, in seconds, such
//     as "default";r=0;t=30.
//
// If it asks for several pauses, the longest counts. The host is the origin of
// the last hop, as in pace.go, which this recipe needs. A server that counts by
// path or by user is paused as a whole. Retry is not called for a request that
// can't be sent again, for example because its body can be read only once. The
// headers of such a response are not seen.
//
// When the pause ends, the requests go on at once, as many as fit in flight.
// Set a HostLimit, or pace them as well. This Wait does both:
//
//	func(r *http.Request) error {
//		if err := polite.Wait(r); err != nil {
//			return err
//		}
//		return pace(r) // from PerHost
//	}
//
// The zero Polite is ready to use. It must not be copied after its first use.
type Polite struct {
	// Longest is the longest pause. If a server asks for more, its host is
	// paused for Longest. 0 means a minute.
	Longest time.Duration

	mu     sync.Mutex           // guards the fields below
	paused map[string]time.Time // the end of an origin's pause, which may be over
	sweep  int                  // at this size, paused is cleared of what is over
}

// Wait returns parallel.Later if the host of r is paused. It is for
// Client.Wait.
func (p *Polite) Wait(r *http.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.paused) == 0 {
		return nil
	}
	return parallel.Later(time.Until(p.paused[origin(r.URL)]))
}

// Retry returns a function for Client.Retry that notes the pause that a
// response asks for, and calls decide, which says whether the request is sent
// again.
func (p *Polite) Retry(decide func(parallel.Attempt) (time.Duration, bool)) func(parallel.Attempt) (time.Duration, bool) {
	return func(a parallel.Attempt) (time.Duration, bool) {
		if a.Response != nil {
			p.note(a)
		}
		return decide(a)
	}
}

// note pauses the host that has responded in a, if the response asks for it.
func (p *Polite) note(a parallel.Attempt) {
	longest := p.Longest
	if longest <= 0 {
		longest = time.Minute
	}
	now := a.Done
	pause := min(askedPause(a.Response, now), longest)
	if pause <= 0 {
		return
	}
	asker := a.Request
	if a.Response.Request != nil { // of the last hop; some transports leave it out
		asker = a.Response.Request
	}
	key, until := origin(asker.URL), now.Add(pause)

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.paused) >= p.sweep { // rarely: a sweep looks at all
		maps.DeleteFunc(p.paused, func(_ string, end time.Time) bool { return !end.After(now) })
		p.sweep = max(100, 2*len(p.paused))
	}
	if p.paused == nil {
		p.paused = make(map[string]time.Time)
	}
	if until.After(p.paused[key]) {
		p.paused[key] = until
	}
}

// askedPause returns the pause that resp asks for, which came at now. Zero or
// less means none.
func askedPause(resp *http.Response, now time.Time) time.Duration {
	var longest time.Duration
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		after := resp.Header.Get("Retry-After")
		longest = seconds(after)
		if date, err := http.ParseTime(after); err == nil {
			longest = date.Sub(now)
		}
	}
	for _, prefix := range []string{"RateLimit-", "X-RateLimit-"} {
		if strings.TrimSpace(resp.Header.Get(prefix+"Remaining")) == "0" {
			longest = max(longest, untilReset(resp.Header.Get(prefix+"Reset"), now))
		}
	}
	for _, line := range resp.Header.Values("RateLimit") {
		longest = max(longest, rateLimit(line))
	}
	return longest
}

// untilReset returns the time from now to a reset. The text has it in seconds
// from now, or as a Unix time if that would be more than a year.
func untilReset(text string, now time.Time) time.Duration {
	d := seconds(text)
	if d > 365*24*time.Hour {
		return time.Unix(0, 0).Add(d).Sub(now)
	}
	return d
}

// seconds returns the duration that text has in seconds, perhaps with a
// fraction. It returns 0 if text is not a number or is negative, and at most
// 290 years, which is about the longest Duration.
func seconds(text string) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64) // infinite if it is out of range
	if err != nil && !errors.Is(err, strconv.ErrRange) || !(n > 0) {
		return 0
	}
	whole, part := math.Modf(min(n, 290*365*24*60*60))
	return time.Duration(whole)*time.Second + time.Duration(part*float64(time.Second))
}

// rateLimit returns the longest t of the items of a RateLimit header that have
// an r of 0 (draft-ietf-httpapi-ratelimit-headers).
func rateLimit(line string) (longest time.Duration) {
	for _, item := range split(line, ',') {
		var remaining, reset string
		for _, param := range split(item, ';') {
			switch name, value, _ := strings.Cut(strings.TrimSpace(param), "="); name {
			case "r":
				remaining = value
			case "t":
				reset = value
			}
		}
		if remaining == "0" {
			longest = max(longest, seconds(reset))
		}
	}
	return longest
}

// split returns the parts of s between separators. A separator within quotes is
// none.
func split(s string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++ // what follows is part of the text
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

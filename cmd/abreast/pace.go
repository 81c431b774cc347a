package main

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/parallel"
)

// A pace says when a request may be sent: at a rate of requests, at a rate of
// their costs, and not to a host that has asked for a pause.
type pace struct {
	mu       sync.Mutex           // guards the fields below
	requests *rate.Limiter        // nil: no limit
	costs    *rate.Limiter        // nil: no limit
	paused   map[string]time.Time // by host: the end of a pause, which may be over
}

func newPace(requests, costs rate.Limit) *pace {
	p := &pace{paused: make(map[string]time.Time)}
	if requests > 0 {
		p.requests = rate.NewLimiter(requests, 1)
	}
	if costs > 0 {
		p.costs = rate.NewLimiter(costs, 1)
	}
	return p
}

// wait waits for the turn of a request to host that costs cost. It fails when
// ctx or stop is done. If host is paused, it returns a parallel.Later.
func (p *pace) wait(ctx context.Context, stop context.Context, host string, cost int) error {
	if stop.Err() != nil {
		return context.Cause(stop)
	}
	now := time.Now()
	turn, later := p.reserve(now, host, cost)
	if later != nil || !turn.After(now) {
		return later
	}
	timer := time.NewTimer(turn.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stop.Done():
		return context.Cause(stop)
	}
	// The host may have asked for a pause meanwhile. The turn is then wasted: that
	// delays nothing on this host, and others by one turn.
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pausedLocked(host)
}

// reserve returns the time of the next turn, unless host is paused.
func (p *pace) reserve(now time.Time, host string, cost int) (turn time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.pausedLocked(host); err != nil {
		return now, err
	}
	var delay time.Duration
	if p.requests != nil {
		delay = p.requests.ReserveN(now, 1).DelayFrom(now)
	}
	if p.costs != nil && cost > 0 {
		if cost > p.costs.Burst() { // a limiter refuses more than its burst
			p.costs.SetBurstAt(now, cost)
		}
		delay = max(delay, p.costs.ReserveN(now, cost).DelayFrom(now))
	}
	return now.Add(delay), nil
}

// pausedLocked returns a parallel.Later if host is paused.
func (p *pace) pausedLocked(host string) error {
	if len(p.paused) == 0 {
		return nil
	}
	return parallel.Later(time.Until(p.paused[host]))
}

// pause pauses a host until end, unless it is paused for longer, and reports
// whether it was not paused.
func (p *pace) pause(host string, end time.Time) (begins bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweepLocked()
	before, there := p.paused[host]
	if end.After(before) {
		p.paused[host] = end
	}
	return !there
}

// sweepLocked forgets the pauses that are over.
func (p *pace) sweepLocked() {
	now := time.Now()
	maps.DeleteFunc(p.paused, func(_ string, end time.Time) bool { return !end.After(now) })
}

// holdsBack reports whether a host is paused.
func (p *pace) holdsBack() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for host, end := range p.paused {
		if end.After(now) {
			return true
		}
		delete(p.paused, host) // so that it is not looked at again
	}
	return false
}

// pauses returns the hosts that are paused, and until when.
func (p *pace) pauses() map[string]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweepLocked()
	return maps.Clone(p.paused)
}

// askedPause returns the pause that a response asks for with Retry-After, and
// whether it asks for one (RFC 9110, section 10.2.3).
func askedPause(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	text := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 { // some servers send a fraction
		return time.Duration(min(n, 1e6) * float64(time.Second)), true
	}
	date, err := http.ParseTime(text)
	return max(date.Sub(now), 0), err == nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// turns returns when n requests that wait at once have their turns.
func turns(t *testing.T, p *pace, costs ...int) (all []time.Duration) {
	t.Helper()
	start := time.Now()
	for _, cost := range costs {
		if err := p.wait(t.Context(), t.Context(), "h", cost); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(start))
	}
	return all
}

func TestPace_rates(t *testing.T) {
	for _, tt := range []struct {
		name            string
		requests, costs rate.Limit
		cost            []int
		want            string
	}{
		{"none", 0, 0, []int{1, 1, 1}, "[0s 0s 0s]"},
		{"requests", 2, 0, []int{1, 9, 1, 1}, "[0s 500ms 1s 1.5s]"},
		{"costs are paid before", 0, 10, []int{21, 10, 0, 5}, "[2s 3s 3s 3.5s]"},
		{"the slower counts", 1, 10, []int{1, 1, 30}, "[0s 1s 3.9s]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := fmt.Sprint(turns(t, newPace(tt.requests, tt.costs), tt.cost...)); got != tt.want {
				t.Errorf("%s: turns at %v; want %v", tt.name, got, tt.want)
			}
		})
	}
}

// A minute has 60 turns of one a second, and not one more, after a quiet time
// too.
func TestPace_noBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 1000)
		turns(t, p, 100)
		time.Sleep(time.Hour)
		start, n := time.Now(), 0
		for time.Since(start) < time.Minute {
			turns(t, p, 10)
			n++
		}
		if n != 61 { // the first has no turn before it
			t.Errorf("%d requests in a minute; want 61", n)
		}
	})
}

func TestPace_pauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 0)
		turns(t, p, 1)
		p.pause("h", time.Now().Add(5*time.Second))
		p.pause("h", time.Now().Add(3*time.Second)) // the longer counts
		var later interface{ Error() string }
		if err := p.wait(t.Context(), t.Context(), "h", 1); err == nil || !errors.As(err, &later) {
			t.Errorf("wait() of a paused host = %v; want a Later", err)
		}
		if err := p.wait(t.Context(), t.Context(), "other", 1); err != nil {
			t.Errorf("wait() of another host = %v", err)
		}
		if got := pausing(p.pauses(), time.Now()); got != ", h pauses 4s" {
			t.Errorf("pausing() = %q", got)
		}
		// A pause that begins while a request waits for its turn.
		go p.pause("other", time.Now().Add(10*time.Second))
		if err := p.wait(t.Context(), t.Context(), "other", 1); err == nil {
			t.Error("wait() = nil after a pause began")
		}
		if !p.holdsBack() {
			t.Error("holdsBack() = false while hosts are paused")
		}
		time.Sleep(time.Minute)
		if p.holdsBack() || len(p.paused) != 0 {
			t.Errorf("holdsBack() = %v after the pauses are over, and keeps %v", p.holdsBack(), p.paused)
		}
		p.pause("h", time.Now())
		if len(p.pauses()) != 0 {
			t.Errorf("pauses() = %v after they are over", p.pauses())
		}
	})
}

func TestPace_stops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.001, 0)
		turns(t, p, 1)
		why := errors.New("why")
		for _, which := range []int{0, 1} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			contexts := []context.Context{t.Context(), t.Context()}
			contexts[which] = ctx
			if err := p.wait(contexts[0], contexts[1], "h", 1); err != why {
				t.Errorf("wait() = %v; want %v", err, why)
			}
		}
	})
}

func TestAskedPause(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		status int
		text   string
		want   time.Duration
		ok     bool
	}{
		{429, "7", 7 * time.Second, true},
		{503, " 0.25 ", 250 * time.Millisecond, true},
		{429, "0", 0, true},
		{429, "Fri, 02 Jan 2026 03:04:35 GMT", 30 * time.Second, true},
		{429, "Fri, 02 Jan 2026 03:04:00 GMT", 0, true},
		{429, "1e300", 1e6 * time.Second, true},
		{429, "-1", 0, false},
		{429, "NaN", 0, false},
		{429, "", 0, false},
		{500, "7", 0, false},
	} {
		resp := &http.Response{StatusCode: tt.status, Header: http.Header{"Retry-After": {tt.text}}}
		if got, ok := askedPause(resp, now); got != tt.want || ok != tt.ok {
			t.Errorf("askedPause(%d, %q) = %v, %v; want %v, %v", tt.status, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// A 429 pauses its host for all lines, and no attempt comes before the pause is
// over.
func TestRetry_afterPausesHost(t *testing.T) {
	t.Parallel()
	const pause = 400 * time.Millisecond
	var mu sync.Mutex
	var end time.Time // of the pause
	early, asked := 0, make(map[string]int)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
		switch now := time.Now(); {
		case len(asked) < 5:
		case end.IsZero():
			end = now.Add(pause)
			w.Header().Set("Retry-After", "0.4")
			w.WriteHeader(429)
		case now.Before(end):
			early++
		}
	})
	var list strings.Builder
	for n := range 40 {
		fmt.Fprintf(&list, "%s/%d\n", up, n)
	}
	got := abreast(t, strings.NewReader(list.String()), "-limit", "1", "-X", "POST")
	again := 0
	for _, r := range got.records {
		again += r.Attempts - 1
	}
	if got.status != exitGood || again != 1 || early != 0 {
		t.Errorf("exit status %d, %d sent again, want 1; %d came in the pause, want none", got.status, again, early)
	}
}

func TestRetry_counts(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			faults(w, r)
		default:
			w.WriteHeader(503)
		}
	})
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{up + "/503"}, 5},
		{[]string{up + "/503", "-retries", "0"}, 1},
		{[]string{up + "/503", "-retries", "2", "-X", "POST"}, 3},
		{[]string{up + "/cut", "-retries", "2"}, 3},
		{[]string{up + "/cut", "-retries", "2", "-X", "POST"}, 1},
		{[]string{file(t, "list", fmt.Sprintf(`{"url":"%s/cut","body":1,"headers":{"Idempotency-Key":"1"}}`, up)), "-retries", "2"}, 3},
	} {
		got := abreast(t, nil, tt.args...)
		if len(got.records) != 1 || got.records[0].Attempts != tt.want || !got.records[0].Sent {
			t.Errorf("%q: got %+v; want %d attempts", tt.args, got.records, tt.want)
		}
	}
}

// A Retry-After of more than ten minutes is not waited for.
func TestRetry_longPause(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "601")
		w.WriteHeader(429)
	})
	got := abreast(t, nil, up)
	if len(got.records) != 1 || got.records[0].Attempts != 1 || got.records[0].Kind != lines.Status {
		t.Errorf("got %+v; want one attempt", got.records)
	}
	if r := got.records[0]; !strings.Contains(r.Error, "asks for a pause of 10m1s; at most 10m0s is waited for") {
		t.Errorf("the error %q does not say why there was no other attempt", r.Error)
	}
	if want := "asks for a pause of 10m1s (Retry-After): its requests wait for 10m0s"; strings.Count(got.stderr, want) != 1 {
		t.Errorf("it says:\n%s\nwant %q", got.stderr, want)
	}
	if quiet := abreast(t, nil, up, "-quiet"); quiet.stderr != "" {
		t.Errorf("-quiet: it says:\n%s", quiet.stderr)
	}
}

func TestFlags_rate(t *testing.T) {
	t.Parallel()
	up := serve(t, faults)
	for _, args := range [][]string{{"-rate", "100"}, {"-rate", "6000/m"}, {"-cost-rate", "6000"}, {"-cost-rate", "100 / sec"}} {
		start := time.Now()
		got := abreast(t, strings.NewReader(strings.Repeat(up+"\n", 41)), args...)
		if took := time.Since(start); got.status != exitGood || took < 400*time.Millisecond || took > 20*time.Second {
			t.Errorf("%q: exit status %d after %v; want 400ms and a little", args, got.status, took)
		}
	}
}

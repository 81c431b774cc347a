package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// An api is a stand-in for an API that allows a number of calls and of tokens in
// each window of time. It refuses a call that exceeds them with 429 and a
// Retry-After, and some others with 503, and does not bill these.
type api struct {
	window        time.Duration
	calls, tokens int // in a window

	mu      sync.Mutex // guards the fields below
	rng     *rand.Rand
	recent  []billed       // in the last window
	sum     int            // of their tokens
	bills   map[string]int // by key
	first   time.Time
	last    time.Time
	all     int // tokens
	refused int // with 429
}

type billed struct {
	at     time.Time
	tokens int
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Key    string
		Tokens int
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if wait, status := a.bill(call.Key, call.Tokens); status != 200 {
		w.Header().Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', 3, 64))
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"answer": %q}`, call.Key)
}

// bill bills a call, or returns another status than 200 and how long to wait.
func (a *api) bill(key string, tokens int) (wait time.Duration, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.recent) > 0 && now.Sub(a.recent[0].at) >= a.window {
		a.sum -= a.recent[0].tokens
		a.recent = a.recent[1:]
	}
	if len(a.recent) >= a.calls || a.sum+tokens > a.tokens {
		a.refused++
		return a.window - now.Sub(a.recent[0].at), http.StatusTooManyRequests
	}
	if a.rng.IntN(1000) == 0 {
		return a.window / 1000, http.StatusServiceUnavailable
	}
	a.recent = append(a.recent, billed{now, tokens})
	a.sum += tokens
	a.all += tokens
	a.bills[key]++
	if a.first.IsZero() {
		a.first = now
	}
	a.last = now
	return 0, 200
}

// TestRecipe_apiBatch runs the recipe of docs/abreast.md. Time is scaled: a
// minute of the API takes two seconds. With ABREAST_API=full, it takes a minute.
func TestRecipe_apiBatch(t *testing.T) {
	n, a := 600, &api{window: 2 * time.Second, calls: 200, tokens: 30_000}
	if os.Getenv("ABREAST_API") == "full" {
		n, a = 5000, &api{window: time.Minute, calls: 3000, tokens: 450_000}
	}
	a.rng, a.bills = rand.New(rand.NewPCG(1, 2)), make(map[string]int)
	up := serve(t, a.ServeHTTP)
	rng := rand.New(rand.NewPCG(3, 4))
	var list bytes.Buffer
	second := 0 // tokens of the second half
	for i := range n {
		tokens := 50 + rng.IntN(100)
		if i > n/2 { // now the tokens are what limits
			tokens *= 2
			second += tokens
		}
		fmt.Fprintf(&list, `{"url":%q,"body":{"key":"k%d","tokens":%d},"cost":%[3]d,"id":"k%[2]d"}`+"\n", up, i, tokens)
	}
	name, out := file(t, "calls.jsonl", list.String()), filepath.Join(t.TempDir(), "results.jsonl")
	perMinute := func(n int) string { return fmt.Sprintf("%.0f/m", float64(n)*time.Minute.Seconds()/a.window.Seconds()) }
	start := time.Now()
	got := abreast(t, nil, "-rate", perMinute(a.calls), "-cost-rate", perMinute(a.tokens), "-retries", "10",
		"-timeout", "2m", "-body", "-resume", out, name)
	if got.status != exitGood {
		t.Fatalf("exit status %d; it says:\n%s", got.status, got.stderr)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	records := byLine(t, parse(t, bytes.NewReader(text)))
	for i := range n {
		key := fmt.Sprintf("k%d", i)
		if r := records[i+1]; r.Status != 200 || string(r.JSON) != `{"answer":"`+key+`"}` || string(r.ID) != `"`+key+`"` {
			t.Errorf("call %s has the result %+v", key, r)
		}
		if a.bills[key] != 1 {
			t.Errorf("call %s was billed %d times", key, a.bills[key])
		}
	}
	// Of the two limits, the one that allows less counts, in each half.
	allowed := float64(n-n/2) * float64(a.window) / float64(a.calls)
	allowed += float64(second) * float64(a.window) / float64(a.tokens)
	took := a.last.Sub(a.first)
	t.Logf("%d calls, %d tokens in %v (all: %v); allowed: %v; %d refused", n, a.all, took, time.Since(start), time.Duration(allowed), a.refused)
	// In the scaled time, a busy machine is late by more than 5 %.
	most := 1.5
	if a.window == time.Minute {
		most = 1.05
	}
	if ratio := float64(took) / allowed; ratio < 0.95 || ratio > most {
		t.Errorf("the calls took %.3f of the time that the limits allow; want from 0.95 to %v", ratio, most)
	}
}

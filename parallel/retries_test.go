package parallel_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/parallel"
)

// Promise 27: what Retries sends again.
func TestRetries_outcomes(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		method, key string
		status      int
		err         error
		want        bool
	}{
		{method: "POST", err: fail.NotSent(broken), want: true},
		{method: "GET", err: fail.NotSent(broken), want: true},
		{method: "POST", err: broken},
		{method: "PATCH", err: broken},
		{method: "CUSTOM", err: broken},
		{method: "POST", key: "Idempotency-Key", err: broken, want: true},
		{method: "POST", key: "X-Idempotency-Key", err: broken, want: true},
		{method: "", err: broken, want: true},
		{method: "GET", err: broken, want: true},
		{method: "HEAD", err: broken, want: true},
		{method: "OPTIONS", err: broken, want: true},
		{method: "TRACE", err: broken, want: true},
		{method: "PUT", err: broken, want: true},
		{method: "DELETE", err: broken, want: true},
		{method: "POST", status: 429, want: true},
		{method: "POST", status: 503, want: true},
		{method: "POST", status: 408},
		{method: "POST", status: 425},
		{method: "POST", status: 502},
		{method: "POST", status: 504},
		{method: "POST", key: "Idempotency-Key", status: 502, want: true},
		{method: "GET", status: 408, want: true},
		{method: "GET", status: 425, want: true},
		{method: "GET", status: 502, want: true},
		{method: "GET", status: 504, want: true},
		{method: "GET", status: 500},
		{method: "GET", status: 501},
		{method: "GET", status: 404},
		{method: "GET", status: 200},
	} {
		a := attempt(1, test.method, test.status, "")
		a.Err = test.err
		if test.key != "" {
			a.Request.Header.Set(test.key, "7")
		}
		if _, got := parallel.Retries(1)(a); got != test.want {
			t.Errorf("%s %s, status %d, error %v: again = %v; want %v", test.method, test.key, test.status, test.err, got, test.want)
		}
	}
}

// attempt returns the nth attempt of a request that was answered with status.
func attempt(n int, method string, status int, retryAfter string) parallel.Attempt {
	a := parallel.Attempt{N: n, Request: &http.Request{Method: method, Header: make(http.Header)}, Done: at(0)}
	if status != 0 {
		a.Response = &http.Response{StatusCode: status, Header: make(http.Header)}
		if retryAfter != "" {
			a.Response.Header.Set("Retry-After", retryAfter)
		}
	}
	return a
}

// at returns a moment some seconds after a fixed one.
func at(seconds int) time.Time {
	return time.Date(2026, time.January, 2, 3, 4, 5+seconds, 0, time.UTC)
}

func TestRetries_count(t *testing.T) {
	for _, test := range []struct{ n, attempts int }{{-1, 1}, {0, 1}, {1, 2}, {4, 5}} {
		decide := parallel.Retries(test.n)
		attempts := 1
		for ; attempts < 100; attempts++ {
			if _, again := decide(attempt(attempts, "GET", 503, "")); !again {
				break
			}
		}
		if attempts != test.attempts {
			t.Errorf("Retries(%d) allows %d attempts; want %d", test.n, attempts, test.attempts)
		}
	}
}

func TestRetries_retryAfter(t *testing.T) {
	for text, want := range map[string]struct {
		wait  time.Duration
		again bool
	}{
		"0":                             {0, true},
		"7":                             {7 * time.Second, true},
		"60":                            {time.Minute, true},
		"61":                            {again: false},
		"18446744073709551616":          {again: false},
		"99999999999999":                {again: false},
		at(7).Format(http.TimeFormat):   {7 * time.Second, true},
		at(-9).Format(http.TimeFormat):  {0, true},
		at(61).Format(http.TimeFormat):  {again: false},
		at(1e8).Format(http.TimeFormat): {again: false},
		at(7).Format(time.RFC850):       {7 * time.Second, true},
	} {
		wait, again := parallel.Retries(1)(attempt(1, "POST", 429, text))
		if again != want.again || again && wait != want.wait {
			t.Errorf("Retry-After %s: %v, %v; want %v, %v", text, wait, again, want.wait, want.again)
		}
	}
}

// Without a Retry-After that can be read, the pause is random below a bound
// that doubles.
func TestRetries_pauseDoubles(t *testing.T) {
	for _, text := range []string{"", "-1", "1.5", "soon"} {
		for n, most := range map[int]time.Duration{
			1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 7: 6400 * time.Millisecond,
			8: 10 * time.Second, 9: 10 * time.Second, 70: 10 * time.Second, 1000: 10 * time.Second,
		} {
			decide, longest := parallel.Retries(1e6), time.Duration(0)
			for range 1000 {
				wait, again := decide(attempt(n, "GET", 503, text))
				if !again || wait < 0 || wait >= most {
					t.Fatalf("attempt %d, Retry-After %q: %v, %v; want below %v", n, text, wait, again, most)
				}
				longest = max(longest, wait)
			}
			if longest < most*9/10 {
				t.Errorf("attempt %d, Retry-After %q: the longest of 1000 pauses is %v; want close to %v", n, text, longest, most)
			}
		}
	}
}

// Retries returns a function that decides after each attempt. It honors
// Retry-After, and stops after n further attempts.
func ExampleRetries() {
	decide := parallel.Retries(4)
	busy := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}}
	fmt.Println(decide(parallel.Attempt{N: 1, Request: new(http.Request), Response: busy}))
	fmt.Println(decide(parallel.Attempt{N: 5, Request: new(http.Request), Response: busy}))
	// Output:
	// 2s true
	// 0s false
}

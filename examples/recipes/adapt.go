package recipes

import (
	"net/http"
	"sync"
	"time"

	"github.com/abreast-go/abreast/parallel"
)

// Adapt returns a function for Client.Retry that sets limits to the number of
// requests that a service can serve at once, and calls decide. The limit begins
// at 10, or at most if that is less, and stays between 1 and most:
//
//	limits := new(parallel.Limits)
//	c := client.Client{
//		Limit:  -1,  // the default is 100
//		Ahead:  600, // of Each and Ordered; more than the 500 below
//		Shared: limits,
//		Retry:  recipes.Adapt(limits, 500, time.Second, parallel.Retries(4)),
//	}
//
// The limit falls to nine tenths after a response with status 429 or 503. It
// also falls if most attempts take longer than slow, failed ones included: by
// as much as the last one was too slow, but at least by a tenth and at most by
// half. An attempt that was sent before the limit fell does not lower it again.
//
// The limit rises while it is reached and responses are in time: by one while
// an attempt takes place, then by two, by three and so on until it falls. (TCP
// adds one each time. From 10 to 100, that takes 90 attempts one after another,
// and this takes 14.) A failure, or a status of 500 or more, does not raise it.
//
// Choose slow so that most attempts take less time while the service is not
// overloaded. This time includes Wait, Auth and the body. If slow is 0 or
// negative, only 429 and 503 lower the limit.
//
// The limits and the function are for one service. Give them to all clients of
// the service. Retry is not called for a request that can't be sent again, for
// example because its body can be read only once. Such a request counts towards
// the limit, and does not change it.
func Adapt(limits *parallel.Limits, most int, slow time.Duration, decide func(parallel.Attempt) (time.Duration, bool)) func(parallel.Attempt) (time.Duration, bool) {
	a := &adaptive{limits: limits, most: float64(most), slow: slow, step: 1}
	a.setLocked(10)
	return func(attempt parallel.Attempt) (time.Duration, bool) {
		a.learn(attempt)
		return decide(attempt)
	}
}

// An adaptive limit learns from attempts.
type adaptive struct {
	limits *parallel.Limits
	most   float64
	slow   time.Duration

	mu    sync.Mutex // guards the fields below
	limit float64
	step  float64   // by how much the limit rises in the time of an attempt
	late  float64   // the share of the last attempts that were slow
	fell  time.Time // when the limit fell; zero if it never did
}

// learn changes the limit after an attempt, which still holds its slot.
func (a *adaptive) learn(attempt parallel.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if attempt.Sent.Before(a.fell) {
		return
	}
	status := 0
	if attempt.Response != nil {
		status = attempt.Response.StatusCode
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		a.fallLocked(0.9)
		return
	}
	// One slow attempt says nothing about the service. The share is a moving
	// average, over half as many attempts as are in flight, or ten.
	took, weight := attempt.Done.Sub(attempt.Sent), 2/max(a.limit, 20)
	a.late -= a.late * weight
	if a.slow > 0 && took > a.slow {
		if a.late += weight; a.late > 0.5 {
			a.fallLocked(max(0.5, min(a.slow.Seconds()/took.Seconds(), 0.9)))
		}
		return
	}
	if 0 < status && status < 500 && a.limits.Stats().InFlight >= int(a.limit) {
		a.step += 1 / a.limit
		a.setLocked(a.limit + a.step/a.limit)
	}
}

// fallLocked lowers the limit, and learns anew.
func (a *adaptive) fallLocked(factor float64) {
	a.step, a.late, a.fell = 1, 0, time.Now()
	a.setLocked(a.limit * factor)
}

// setLocked sets the limit, between 1 and most.
func (a *adaptive) setLocked(limit float64) {
	before := int(a.limit)
	a.limit = max(1, min(limit, a.most))
	if int(a.limit) != before {
		a.limits.Set(int(a.limit), 0)
	}
}

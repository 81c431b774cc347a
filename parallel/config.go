package parallel

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/pending"
)

// Config holds the settings that the requests of a block share. The zero Config
// sends with http.DefaultClient and has no limits. (In a client.Client, which
// makes a Config, zero means a default.)
type Config struct {
	// Send sends a request and returns its response with the body unread, as
	// http.Client.Do does. nil means http.DefaultClient.Do. The block reads and
	// closes the body. Send is called on many goroutines at once. Send, and a
	// Read of the body, must return when the request's context ends: the end of
	// the block waits for them.
	Send func(*http.Request) (*http.Response, error)

	// Resolve returns the URL for the text that was passed to Get and the other
	// methods, and for a relative URL that was passed to Do. nil means
	// url.Parse.
	Resolve func(string) (*url.URL, error)

	// Limit is the maximum number of requests in flight, including those of
	// blocks that Go opens within this one. HostLimit is the limit for one host
	// (name and port). Zero or negative means no limit. A redirect that Send
	// follows by itself counts at the first host. Package client counts it at
	// the host that it leads to.
	Limit, HostLimit int

	// Timeout is the time for one request, or with Retry for each attempt. It
	// starts when the request holds a slot and Wait has returned, and ends with
	// the last byte of the body. Zero or negative means none.
	Timeout time.Duration

	// Stall is the longest time in which a request that holds a slot may make
	// no progress: see the option [Stall]. Zero or negative means no limit.
	Stall time.Duration

	// HTTPTimeout is a Timeout that a request cannot replace: the earlier of
	// the two wins. Package client sets it to the Timeout of its http.Client.
	// Zero or negative means none.
	HTTPTimeout time.Duration

	// MaxBody is the maximum number of bytes of one decompressed body that are
	// kept in memory. Zero or negative means no limit.
	MaxBody int64

	// Wait, if set, is called before each request is sent, while the request
	// holds its slot. It is called with a copy of the request that has no body.
	// The context of the copy ends with the request. If Wait returns an error,
	// the request is not sent. It fails with the error, unless this is that of
	// [Later]. Wait is called again for each attempt, and for a redirect to
	// another host if package client sends the request.
	Wait func(*http.Request) error

	// Retry, if set, is called after each attempt that reached the transport,
	// if the request can be sent again. It returns the pause, and whether the
	// request is sent again. 0 or negative means no pause. nil means no
	// retries. The Retry of a client.Client says more. See also [Retries].
	Retry func(Attempt) (time.Duration, bool)

	// Shared limits the requests in flight over all blocks that have it. nil
	// means none.
	Shared *Limits

	// Ahead is how many items Each and Ordered may start before they yield one.
	// 0 or negative means twice Limit, or 200 without a limit.
	Ahead int

	// Observe, if set, is called for every request as it is made, on the
	// goroutine that makes it, including a request that fails at once. It is
	// called with a copy of the request that has no body. The context of the
	// copy has the values of the request's own context and of the block's. The
	// values of the context that Observe returns are visible while the request
	// is sent. The function that it returns is called exactly once, as the last
	// step before the handle is done. Both results may be nil.
	Observe func(*http.Request) (context.Context, func(pending.Outcome))
}

// settings is the part of a Config that a block and the blocks within it keep.
type settings struct {
	exchange.Settings
	resolve func(string) (*url.URL, error)
	observe func(*http.Request) (context.Context, func(pending.Outcome))
	retry   func(Attempt) (time.Duration, bool)
	ahead   int
}

// settings returns the settings of c, with Send set. A limit that is off is 0.
func (c *Config) settings() settings {
	s := settings{
		Settings: exchange.Settings{
			Send: c.Send, Wait: c.Wait, Timeout: max(c.Timeout, 0), HTTPTimeout: c.HTTPTimeout,
			Stall: max(c.Stall, 0), MaxBody: max(c.MaxBody, 0),
		},
		resolve: c.Resolve, observe: c.Observe, retry: c.Retry, ahead: c.Ahead,
	}
	if s.Send == nil {
		s.Send = http.DefaultClient.Do
	}
	return s
}

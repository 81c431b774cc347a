package parallel

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/abreast-go/abreast/pending"
)

// Config is what the requests of a block share. The zero Config sends with
// http.DefaultClient, and has no limits: unlike in a client.Client, which has the
// defaults that most programs want and makes a Config, zero means none here.
type Config struct {
	// Send sends a request and returns its response with the body unread, as
	// http.Client.Do does; nil is http.DefaultClient.Do. The body is read and closed
	// by the block. Send is called on many goroutines at once and must heed the
	// request's context, in the body too: leaving the block waits for it.
	Send func(*http.Request) (*http.Response, error)

	// Resolve turns what was given to Get and its likes, and a relative URL
	// given to Do, into the URL to be asked for; nil is url.Parse.
	Resolve func(string) (*url.URL, error)

	// Limit is the maximum number of requests in flight, including those of blocks
	// that Go opens within this one. HostLimit is the same for each host (name and
	// port). Zero or negative means no limit. A redirect that Send follows by itself
	// stays with the first host; package client counts it at its own.
	Limit, HostLimit int

	// Timeout is the time for one request, from its send to the last byte of its
	// body. Zero or negative: none.
	Timeout time.Duration

	// MaxBody is the length in bytes up to which a body is kept, decompressed.
	// Zero or negative: any.
	MaxBody int64

	// Wait, where set, is called before each send, with the request's slot held. It
	// is given a copy of the request, without a body, whose context ends with it. An error
	// is that request's, which then is not sent.
	Wait func(*http.Request) error

	// Observe, where set, is called for every request as it is made, on the
	// goroutine that makes it, also for one that fails at once. Its request is a
	// copy without a body, whose context has the values of the request's own and
	// of the block's. The context it returns, unless nil, gives its values to the
	// sending. Its function, unless nil, is called exactly once, as the last thing
	// before the handle is done.
	Observe func(*http.Request) (context.Context, func(pending.Outcome))
}

func (c Config) withDefaults() Config {
	if c.Send == nil {
		c.Send = http.DefaultClient.Do
	}
	c.Limit = max(c.Limit, 0)
	c.HostLimit = max(c.HostLimit, 0)
	c.Timeout = max(c.Timeout, 0)
	c.MaxBody = max(c.MaxBody, 0)
	return c
}

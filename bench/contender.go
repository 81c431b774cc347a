package main

import (
	"context"
	"fmt"
	"time"
)

// A contender is one way to do the work of a scenario.
type contender struct {
	name string
	peer bool // people use it with net/http, and abreast must not be slower

	// open makes what the contender keeps between blocks, such as a client. It
	// returns a function that does one block.
	open func(work) block

	// command returns the command of a contender that is not written in Go. The
	// command does the work and prints an outcome. Such a contender has no
	// open.
	command func(work) (name string, args []string)

	// rowOf is the only scenario that the contender does; "" means all.
	rowOf string

	// missing returns an error if the contender cannot run on this machine. It
	// may be nil.
	missing func() error

	// cannot returns why the contender does not do a scenario, or "" if it
	// does. It may be nil.
	cannot func(scenario) string

	// queued returns the memory for one queued request, in bytes. It is nil if
	// that is not measured.
	queued func(work) (float64, error)

	foreign bool // it runs in another process, whose allocations are unknown
}

// work is a scenario and the URL to request.
type work struct {
	scenario
	url string
}

// A block sends the requests of one block and passes each body to take, from
// any goroutine, as soon as the contender has it. It returns after all bodies
// were passed on, or with the first error.
type block func(ctx context.Context, take func(body []byte)) error

// These are the library's defaults. Careful contenders set the same limits.
const (
	timeout = 30 * time.Second
	maxBody = 10 * mib
)

var contenders = []contender{
	handtuned,
	abreast,
	abreastGet,
	abreastRecorded,
	bare,
	errgroupDefault,
	errgroupTuned,
	concPool,
	restyClient,
	fasthttpClient,
	aiohttp,
	httpx,
	nodeFetch,
	curl,
}

// contenderNamed returns the contender called name.
func contenderNamed(name string) (contender, error) {
	for _, c := range contenders {
		if c.name == name {
			return c, nil
		}
	}
	return contender{}, fmt.Errorf("no contender %q", name)
}

package main

import (
	"context"
	"fmt"
	"time"
)

// A contender is one way to do the work of a scenario.
type contender struct {
	name string
	peer bool // what people send with by net/http, and abreast is to be no slower than

	// open makes what the contender keeps from one block to the next: a client. It
	// returns what does one block.
	open func(work) block

	// command is the program that does the work and prints an outcome, of a contender
	// that is not written in Go. It has no open.
	command func(work) (name string, args []string)

	// rowOf is the one scenario that it is for; "": all.
	rowOf string

	// missing says why the contender can't run on this machine; nil: it can.
	missing func() error

	// cannot says why it doesn't do a scenario, "" if it does; nil: it does all.
	cannot func(scenario) string

	// queued measures what one queued request keeps in memory, in bytes; nil: it
	// isn't measured.
	queued func(work) (float64, error)

	foreign bool // its memory is not that of this process
}

// work is a scenario at an upstream.
type work struct {
	scenario
	url string
}

// A block sends the requests of a block and passes each body on, from any goroutine,
// as soon as the contender has it. It returns when all were passed on, or with the
// first error.
type block func(ctx context.Context, take func(body []byte)) error

// The limits that the careful ones set, as the library does by default.
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

func contenderNamed(name string) (contender, error) {
	for _, c := range contenders {
		if c.name == name {
			return c, nil
		}
	}
	return contender{}, fmt.Errorf("no contender %q", name)
}
